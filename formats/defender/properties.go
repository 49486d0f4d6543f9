package defender

import "bytes"

// property is a property of evidence, or of the record itself, that was met before. Records have their members in one
// order: each leads to the one that followed it the last time, which is then known by how it begins.
type property struct {
	name    string
	opening string    // the name as it stands in a record without escapes, with its colon; "": the property is not kept
	of      *property // whose object it is in; nil: it is a root
	by      *heldBy   // nil: nothing holds it

	members     map[string]*property // of its object, those that were met
	first, next *property            // its object's first member, and the member behind it, the last time
}

// properties are those that were met.
type properties struct {
	evidence property // whose members are the kinds of evidence
	record   property
	count    int
}

// maxProperties is how many properties are kept, maxPropertyName how long the name of one is at most, in bytes.
const (
	maxProperties   = 1024
	maxPropertyName = 64
)

// makeRoom forgets all when they are too many, so that names that came once do not keep out those that come again.
func (k *properties) makeRoom() {
	if k.count >= maxProperties {
		*k = properties{}
	}
}

// member returns a property of an object.
func (k *properties) member(of *property, name []byte) *property {
	if p := of.members[string(name)]; p != nil {
		return p
	}
	p := &property{name: string(name), of: of}
	if of.by != nil {
		p.by = of.by.members[p.name]
	}
	if k.count < maxProperties && len(name) <= maxPropertyName && (of.opening != "" || of.of == nil) && !bytes.ContainsAny(name, `"\`) {
		if of.members == nil {
			of.members = map[string]*property{}
		}
		p.opening, of.members[p.name] = `"`+p.name+`":`, p
		k.count++
	}
	return p
}

// appendPath appends the names that lead to a property and its own, with dots between them.
func (p *property) appendPath(dst []byte) []byte {
	if p.of.of != nil {
		dst = append(p.of.appendPath(dst), '.')
	}
	return append(dst, p.name...)
}

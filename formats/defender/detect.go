package defender

import (
	"slices"
	"strings"
)

// sign is a member by which a record's API is known, or a set of them.
type sign uint32

// signOf is a sign with the kind of value that it needs: a text that says something, a list that is not empty, an object.
type signOf struct {
	bit  sign
	kind kind
}

// signs are all signs that the kinds of records name, by the member's name.
var signs = map[string]signOf{}

// legacySigns are those of Graph's first alerts API.
var legacySigns []sign

// The kinds hold their decoders, and these the shapes they read: so what both need of each other is filled in when both
// are there.
func init() {
	legacySigns = signLines([]string{"vendorInformation{} azureTenantId"})
	for _, k := range recordKinds {
		k.known, k.likely = signLines(k.signs), signLines(k.faint)
	}
	for _, s := range shapes {
		for _, f := range s.buckets {
			if f != nil {
				f.sign = signs[f.name]
			}
		}
	}
}

// signLines gives each sign of a description its bit, and returns the set of each line.
func signLines(lines []string) (all []sign) {
	for _, line := range lines {
		set := sign(0)
		for member := range strings.FieldsSeq(line) {
			name, kind := member, kindText
			if list, ok := strings.CutSuffix(member, "[]"); ok {
				name, kind = list, kindList
			} else if object, ok := strings.CutSuffix(member, "{}"); ok {
				name, kind = object, kindObject
			}
			if _, ok := signs[name]; !ok {
				signs[name] = signOf{1 << len(signs), kind}
			}
			set |= signs[name].bit
		}
		all = append(all, set)
	}
	return all
}

// api tells whose record has these signs.
func (has sign) api() (api API, legacy, ok bool) {
	all := func(line sign) bool { return has&line == line }
	if slices.ContainsFunc(legacySigns, all) {
		return Unknown, true, false
	}
	for _, k := range recordKinds {
		if slices.ContainsFunc(k.known, all) {
			return k.api, false, true
		}
	}
	for _, k := range recordKinds {
		if slices.ContainsFunc(k.likely, all) {
			return k.api, false, true
		}
	}
	return Unknown, false, false
}

// look notes whether the value that begins at i is what a sign needs.
func (s *scanner) look(i int, of signOf) {
	said := false
	switch rest := s.b[i:]; {
	case at(rest, 0) == '{':
		said = of.kind == kindObject
	case at(rest, 0) == '[':
		said = of.kind == kindList && at(rest, blank(rest, 1)) != ']'
	case of.kind == kindText:
		var text string
		end := s.scalar(i, &text)
		said = text != "" || end < 0 && at(rest, 0) == '"' // which the library reads
	}
	s.note(of, said)
}

// note notes whether a member is what a sign needs. Of two members of one name the last one counts.
func (s *scanner) note(of signOf, said bool) {
	if s.signs &^= of.bit; said {
		s.signs |= of.bit
	}
}

var signReader = newReader[struct{}]() // which has no members: each is looked at for signs alone

// Detect tells of which API a single record is; ok is false for none. legacy is true for an alert of Graph's first
// alerts API, which is another resource: alerts_v2 replaces it.
func Detect(raw []byte) (api API, legacy, ok bool) {
	s := newScanner()
	defer s.releaseAll()
	if _, err := signReader.read(s, raw); err != nil {
		return Unknown, false, false
	}
	return s.signs.api()
}

// Recognize is Detect and then Identify, for a record that is probably of the API guess: then it is read once. Where ok is
// false, there is no identity.
func Recognize(guess API, raw []byte) (api API, id Identity, ok bool) {
	if kindOf(guess) != nil {
		s := newScanner()
		id, err := s.identify(guess, raw)
		api, _, ok = s.signs.api()
		s.detection.Reset()
		if s.releaseAll(); err == nil && ok && api == guess {
			return api, id, true
		}
	}
	if api, _, ok = Detect(raw); ok {
		id, _ = Identify(api, raw)
	}
	return api, id, ok
}

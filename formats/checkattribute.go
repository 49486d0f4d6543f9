package formats

import (
	"maps"
	"slices"
	"strings"
)

func (c *compiler) attribute(m *Attribute) {
	t := c.table
	a := attribute{key: m.Key, all: m.All, first: m.First, join: m.Join, label: m.Label, whole: m.Whole, hash: m.Hash,
		short: m.Short, longerThan: m.LongerThan, fresh: m.Fresh, api: m.API, kinds: m.Kind, kind: m.Type}
	if m.Remove {
		c.problems.add(m.Key, "\"remove\" stands only in a table that extends another")
		return
	}
	if a.join == "" {
		a.join = ","
	}
	if clean, escapes := t.layout.look("a" + a.join + "b"); !clean || escapes {
		a.joined = special
	}
	c.key(m, &a)
	c.value(m, &a)
	c.lengths(m, &a)
	c.conditions(m, &a)
	labelKey := ""
	if a.label != "" {
		k, _ := t.dict.Key(a.key)
		labelKey = k.LabelKey
	}
	a.before = t.layout.Before(a.key, labelKey, a.label)
	t.index[a.key] = len(t.attrs)
	t.attrs = append(t.attrs, a)
}

// key checks the key against the dictionary and takes type and label from there.
func (c *compiler) key(m *Attribute, a *attribute) {
	t := c.table
	for name := range t.index {
		if strings.EqualFold(name, m.Key) {
			c.problems.add(m.Key, "the key has two entries")
		}
	}
	if err := t.dict.checkKey(m.Key, t.version); err != nil {
		c.problems.add(m.Key, "%v", err)
	}
	k, known := t.dict.Key(m.Key)
	if !known {
		k.Type = ValueText
		if t.dict.Format == "cef" && !m.constantField && !isVendorKey(m.Key) {
			c.problems.add(m.Key, "not in the CEF dictionary; a key of one's own is written VendorProductName, beginning with a capital")
		}
	}
	switch {
	case a.kind == "":
		a.kind = k.Type
	case !slices.Contains(valueTypes, a.kind):
		c.problems.add(m.Key, "%q is no type", a.kind)
	case k.Type != ValueText && a.kind != k.Type:
		c.problems.add(m.Key, "the key is of type %s, not %s", k.Type, a.kind)
	}
	switch {
	case k.LabelKey == "" && m.Label != "":
		c.problems.add(m.Key, "only custom slots (cs1, cn1, flexString1 ...) have labels")
	case k.LabelKey != "" && m.Label == "" && k.FixedLabel == "":
		c.problems.add(m.Key, "a custom slot needs a label")
	case k.FixedLabel != "" && m.Label != "" && m.Label != k.FixedLabel:
		c.problems.add(m.Key, "the format lays down the label %q", k.FixedLabel)
	case k.FixedLabel != "":
		a.label = k.FixedLabel
	}
	if cleaned := AppendClean(nil, a.label, Cleaning{}, -1); string(cleaned) != a.label || len(cleaned) > 128 {
		c.problems.add(m.Key, "a label is at most 128 bytes without control characters and blanks at its ends")
	}
}

var valueTypes = []ValueType{ValueText, ValueInteger, ValueLong, ValueFloat, ValuePort, ValueIPv4, ValueIPv6, ValueIP,
	ValueMAC, ValueTime, ValueSeverity, ValueBool}

// isVendorKey reports whether key looks like VendorProductName: letters and digits beginning with a capital.
func isVendorKey(key string) bool { return key != "" && 'A' <= key[0] && key[0] <= 'Z' }

// value checks where the value comes from and that it can be of the key's type.
func (c *compiler) value(m *Attribute, a *attribute) {
	a.entity = -1
	switch {
	case m.Value != "" && len(m.From) > 0:
		c.problems.add(m.Key, "either from or value, not both")
	case m.Value != "":
		a.sources = []source{{name: m.Value, kind: fromConstant, entity: -1}}
		c.checkConstant(m.Key, a.kind, m.Value)
	case m.constantField:
		c.problems.add(m.Key, "the value is empty")
	case len(m.From) == 0:
		c.problems.add(m.Key, "needs from or value")
	case m.From[0] == shortenedName:
		if c.table.shortenedIndex >= 0 || len(m.From) > 1 || a.kind != ValueText {
			c.problems.add(m.Key, "%q is the only source of one text key", shortenedName)
		}
		if c.table.layout.JSON && strings.Contains(m.Key, ".") {
			c.problems.add(m.Key, "%q stands on its own, not in an object", shortenedName)
		}
		c.table.shortenedIndex = len(c.table.attrs)
	default:
		a.sources = c.sources(m.Key, m.From)
	}
	for _, s := range a.sources {
		if !canBecome(s.kind, a.kind) {
			c.problems.add(m.Key, "%s cannot become a value of type %s", s.name, a.kind)
		}
		if a.all && s.kind == fromTime {
			c.problems.add(m.Key, "%s is a time and cannot be joined with others", s.name)
		}
	}
	if whole := "a" + a.join + "b"; string(AppendClean(nil, whole, c.table.layout.Clean, -1)) != whole {
		c.problems.add(m.Key, "join = %q has a character that no value may have", a.join)
	}
	if a.all && a.kind != ValueText {
		c.problems.add(m.Key, "only text can be joined, the key is of type %s", a.kind)
	}
	if m.Words != "" {
		words, ok := c.mapping.Words[m.Words]
		if !ok {
			c.problems.add(m.Key, "there is no word list %q", m.Words)
		}
		a.words = c.foldKeys(m.Words, words)
	}
	if len(m.Entity) > 0 {
		c.entity(m, a)
	}
}

// foldKeys returns a word list by its words as they are looked up.
func (c *compiler) foldKeys(name string, words map[string]string) map[string]string {
	folded := make(map[string]string, len(words))
	for _, word := range slices.Sorted(maps.Keys(words)) {
		k := word
		if k != "*" {
			k = foldWord(k)
		}
		if was, ok := folded[k]; ok && was != words[word] {
			c.problems.add("words."+name, "%q means %q, and is the same word as one that means %q: letters without their case and digits count", word, words[word], was)
		}
		folded[k] = words[word]
	}
	return folded
}

// canBecome says whether a source of some kind can ever give a value of type t; texts are parsed when they come.
func canBecome(s sourceKind, t ValueType) bool {
	switch s {
	case fromTime:
		return t == ValueTime || t == ValueText || t == ValueLong
	case fromSeverity:
		return t == ValueSeverity || t == ValueText || t == ValueInteger || t == ValueLong
	case fromFlag:
		return t == ValueBool || t == ValueText || t == ValueInteger || t == ValueLong
	}
	return true
}

func (c *compiler) checkConstant(key string, t ValueType, value string) {
	if t == ValueText {
		if len(AppendClean(nil, value, Cleaning{}, -1)) == 0 {
			c.problems.add(key, "the value is empty")
		}
		return
	}
	if t == ValueTime {
		c.problems.add(key, "the key is a time, which cannot be a constant")
		return
	}
	if _, how := appendTyped(nil, t, value); how != fits {
		c.problems.add(key, "%q is not of type %s", value, t)
	}
}

// constant checks one pair that the configuration of a source adds.
func (c *compiler) constant(key, value string) {
	if err := c.table.dict.checkKey(key, c.table.version); err != nil {
		c.problems.add(key, "%v", err)
		return
	}
	if c.table.objects[key] || c.table.dict.Format == "json" && strings.Contains(key, ".") {
		c.problems.add(key, "an addition of a source stands on its own, not in an object")
	}
	k, _ := c.table.dict.Key(key)
	if k.LabelKey != "" {
		c.problems.add(key, "a custom slot needs a label: give it in a mapping file")
	}
	if k.Type == "" {
		k.Type = ValueText
	}
	c.checkConstant(key, k.Type, value)
}

// entity compiles the alternative groups of fields of an attribute; equal lists are shared.
func (c *compiler) entity(m *Attribute, a *attribute) {
	var set [][]Field
	for _, group := range m.Entity {
		var members []Field
		for _, name := range FieldNames() {
			if strings.HasPrefix(name, group+".") {
				members = append(members, fields[name])
			}
		}
		if len(members) == 0 {
			c.problems.add(m.Key, "no group of detection fields is named %q", group)
		}
		set = append(set, members)
	}
	for i := range a.sources {
		group, _, _ := strings.Cut(a.sources[i].name, ".")
		a.sources[i].entity = int8(slices.Index(m.Entity, group))
	}
	for i, other := range c.table.entities {
		if slices.EqualFunc(set, other, slices.Equal[[]Field]) {
			a.entity = i
			return
		}
	}
	a.entity = len(c.table.entities)
	c.table.entities = append(c.table.entities, set)
}

func (c *compiler) lengths(m *Attribute, a *attribute) {
	k, _ := c.table.dict.Key(m.Key)
	switch {
	case m.Max < 0 || m.Short < 0 || m.LongerThan < 0:
		c.problems.add(m.Key, "lengths are not negative")
	case k.Max > 0 && m.Max > k.Max:
		c.problems.add(m.Key, "max %d is more than the %d that the format allows", m.Max, k.Max)
	}
	a.max = m.Max
	if a.max == 0 {
		a.max = k.Max
	}
	if a.max == 0 {
		a.max = defaultMax
	}
	if m.Whole && m.Short > 0 || m.Hash && m.Short > 0 {
		c.problems.add(m.Key, "a value that is never cut has no short form")
	}
	if a.kind != ValueText && (m.Short > 0 || m.Hash) {
		c.problems.add(m.Key, "a value of type %s is whole or left out: it has neither a short form nor a hash", a.kind)
	}
	if m.Short > a.max {
		c.problems.add(m.Key, "short %d is more than max %d", m.Short, a.max)
	}
	if m.Hash && a.max < len("sha256:")+32 {
		c.problems.add(m.Key, "a hash needs a max of 39 bytes or more")
	}
	switch m.Priority {
	case "A", "B", "C":
		a.priority = m.Priority[0]
	case "":
		a.priority = 'B'
	default:
		c.problems.add(m.Key, "priority is A (kept longest), B or C, not %q", m.Priority)
	}
}

func (c *compiler) conditions(m *Attribute, a *attribute) {
	a.ifAny, a.unless = c.sources(m.Key, m.If), c.sources(m.Key, m.Unless)
	a.with, a.mistyped = c.earlier(m.Key, "with", m.With), c.earlier(m.Key, "mistyped", m.Mistyped)
	for _, api := range m.API {
		if c.apis != nil && !slices.Contains(c.apis, api) {
			c.problems.add(m.Key, "no API is named %q; there are %s", api, strings.Join(c.apis, ", "))
		}
	}
	for _, kind := range m.Kind {
		if !contains(kindNames, kind) {
			c.problems.add(m.Key, "no kind of event is named %q; there are %s", kind, strings.Join(kindNames, ", "))
		}
	}
	for _, v := range m.Versions {
		if !slices.Contains(c.table.dict.Versions, v) {
			c.problems.add(m.Key, "no version of %s is named %q; there are %s", c.table.dict.Format, v, strings.Join(c.table.dict.Versions, ", "))
		}
	}
	a.conditional = m.Fresh || len(a.ifAny) > 0 || len(a.unless) > 0 || a.with >= 0 || a.mistyped >= 0 || len(m.API) > 0
}

// earlier finds the index of another key that a condition names; values are made in the order of the table.
func (c *compiler) earlier(key, condition, other string) int {
	if other == "" {
		return -1
	}
	i, ok := c.table.index[other]
	if !ok {
		c.problems.add(key, "%s names %q, which is no earlier key of the table", condition, other)
		return -1
	}
	return i
}

// suffixes finds keys that end, letter for letter, in another key, where the format forbids it. The problem is that of
// the later key: a user's keys stand behind those of the built-in table.
func (c *compiler) suffixes(keys []string) {
	if !c.table.dict.NoSuffixes {
		return
	}
	const why = "expressions that are not anchored would read one for the other"
	for i, key := range keys {
		var longer []string
		for _, earlier := range keys[:i] {
			switch {
			case earlier == key: // said already
			case strings.HasSuffix(key, earlier):
				c.problems.add(key, "ends in the key %q: %s", earlier, why)
			case strings.HasSuffix(earlier, key):
				longer = append(longer, earlier)
			}
		}
		switch more := len(longer) - 1; {
		case more == 0:
			c.problems.add(key, "%q ends in this key: %s", longer[0], why)
		case more > 0:
			c.problems.add(key, "%q and %d more keys end in this key: %s", longer[0], more, why)
		}
	}
}

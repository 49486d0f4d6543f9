package formatstest

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/siembridge/siembridge/formats"
)

// Meant is what an event has to say: the values that readers must find in it, worked out from the mapping and the
// detection in the plainest way, with nothing of the engine that encoders use.
type Meant struct {
	Pairs               map[string]string // by key
	Name                string            // CEF: the name of the header
	Class               string            // CEF: the class id
	Shortened, Mistyped []string          // keys that were cut or left out, keys whose value is not of their type
}

// Reading says of a format what Means has to know.
type Reading struct {
	Mapping    *formats.Mapping      // that the encoder was built with
	Dictionary *formats.Dictionary   // of the format
	Version    string                // of the format
	Newlines   bool                  // kept in values
	Delimiter  rune                  // replaced in values; 0: none
	Guarded    func(key string) bool // keys that no value of any event may imitate; nil: none
}

var pairLike = regexp.MustCompile(`[ |][A-Za-z0-9]+=`)

// GuardKeys takes the equals signs from what looks like a pair whose key is guarded.
func GuardKeys(s string, guarded func(key string) bool) string {
	if guarded == nil {
		return s
	}
	return pairLike.ReplaceAllStringFunc(s, func(pair string) string {
		if key := pair[1 : len(pair)-1]; guarded(key) {
			return pair[:1] + key + "\uff1d"
		}
		return pair
	})
}

// GuardedIn are the keys that no value of the event of d may imitate; nil: none.
func (r Reading) GuardedIn(d *formats.Detection) func(key string) bool {
	if r.Guarded == nil {
		return nil
	}
	return func(key string) bool {
		return r.Guarded(key) || slices.ContainsFunc(d.Extra, func(p formats.Pair) bool { return p.Key == key })
	}
}

// Means says what the event of d must say when it may be as long as it likes.
func (r Reading) Means(d *formats.Detection) Meant {
	m := Meant{Pairs: map[string]string{}}
	r.Guarded = r.GuardedIn(d)
	for i := range r.Mapping.Attributes {
		a := &r.Mapping.Attributes[i]
		if len(a.From) > 0 && a.From[0] == "shortened" || len(a.Versions) > 0 && !slices.Contains(a.Versions, r.Version) {
			continue
		}
		r.attribute(&m, a, d)
	}
	for _, p := range d.Extra {
		if p.Key != "customerNote" { // the only key that the generator adds and formats take
			continue
		}
		if v := GuardKeys(Clean(p.Value, r.Newlines, r.Delimiter), r.Guarded); v != "" {
			m.Pairs[p.Key] = cut(v, 1023)
			if len(v) > 1023 {
				m.Shortened = append(m.Shortened, p.Key)
			}
		}
	}
	header := r
	header.Newlines, header.Delimiter = false, 0
	for _, name := range r.Mapping.Header.Name {
		if texts := header.texts(&formats.Attribute{First: true}, name, d); len(texts) > 0 {
			if m.Name = cut(texts[0], 512); m.Name != texts[0] {
				m.Shortened = append(m.Shortened, "name")
			}
			break
		}
	}
	m.Class = r.class(d)
	return m
}

func (r Reading) class(d *formats.Detection) string {
	class := ""
	for _, name := range r.Mapping.Header.ClassID {
		if class == "" {
			class = Clean(strings.Join(fieldTexts(name, d), ""), false, 0)
		}
	}
	if class == "" {
		word := formats.EventClass(d)
		if word == "Other" && d.Category != "" && len(d.Category) <= 64 {
			word = d.Category
		}
		class = formats.ServiceWord(d) + "/" + Clean(word, false, 0)
	}
	class = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`=%#|\`, r) {
			return '_'
		}
		return r
	}, class)
	if len(class) > 120 {
		class = hashed(class, 120)
	}
	return class
}

func (r Reading) attribute(m *Meant, a *formats.Attribute, d *formats.Detection) {
	k, _ := r.Dictionary.Key(a.Key)
	kind := a.Type
	if kind == "" {
		if kind = k.Type; kind == "" {
			kind = formats.ValueText
		}
	}
	_, with := m.Pairs[a.With]
	if a.Fresh && !d.Fresh || a.With != "" && !with || a.Mistyped != "" && !slices.Contains(m.Mistyped, a.Mistyped) ||
		len(a.API) > 0 && !slices.Contains(a.API, d.API) || len(a.Kind) > 0 && !slices.Contains(a.Kind, string(d.Kind)) ||
		len(a.If) > 0 && !anyText(a.If, d) || anyText(a.Unless, d) {
		return
	}
	value, bad := r.value(a, kind, d)
	if value == "" || len(value) <= a.LongerThan {
		if bad {
			m.Mistyped = append(m.Mistyped, a.Key)
		}
		return
	}
	longest := a.Max
	if longest == 0 {
		longest = k.Max
	}
	if longest == 0 {
		longest = 1023
	}
	if len(value) > longest {
		switch {
		case a.Hash:
			value = hashed(value, longest)
		case a.Whole || kind != formats.ValueText:
			m.Shortened = append(m.Shortened, a.Key)
			return
		default:
			m.Shortened = append(m.Shortened, a.Key)
			value = cut(value, longest)
		}
	}
	m.Pairs[a.Key] = value
	label := a.Label
	if k.FixedLabel != "" {
		label = k.FixedLabel
	}
	if label != "" {
		m.Pairs[k.LabelKey] = label
	}
}

var fieldNames = formats.FieldNames()

// value returns the value of a before any cut. bad: there was one, but none of the key's type.
func (r Reading) value(a *formats.Attribute, kind formats.ValueType, d *formats.Detection) (value string, bad bool) {
	if a.Value != "" {
		return a.Value, false
	}
	group := ""
	for _, g := range a.Entity {
		if group == "" && slices.ContainsFunc(fieldNames, func(n string) bool {
			return strings.HasPrefix(n, g+".") && len(fieldTexts(n, d)) > 0
		}) {
			group = g
		}
	}
	join := a.Join
	if join == "" {
		join = ","
	}
	var parts []string
	for _, name := range a.From {
		if of, _, _ := strings.Cut(name, "."); slices.Contains(a.Entity, of) && of != group {
			continue
		}
		if kind != formats.ValueText {
			v, misfit := r.typed(a, kind, name, d)
			if v != "" {
				return v, false
			}
			bad = bad || misfit
			continue
		}
		parts = append(parts, r.texts(a, name, d)...)
		if len(parts) > 0 && !a.All {
			break
		}
	}
	if len(parts) > 0 {
		bad = false
	}
	return GuardKeys(strings.Join(parts, join), r.Guarded), bad
}

// texts returns the cleaned texts of one source, translated, without those that clean to nothing.
func (r Reading) texts(a *formats.Attribute, name string, d *formats.Detection) (out []string) {
	for _, s := range fieldTexts(name, d) {
		if s = Clean(r.translate(a, s), r.Newlines, r.Delimiter); s != "" {
			if out = append(out, s); a.First {
				return out
			}
		}
	}
	return out
}

// fold leaves the letters and digits of ASCII, in lower case, and all that is not ASCII, byte by byte since the text
// may not be UTF-8.
func fold(s string) string {
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c >= 0x80 || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) {
			if c < 0x80 {
				c = byte(unicode.ToLower(rune(c)))
			}
			out = append(out, c)
		}
	}
	return string(out)
}

func (r Reading) translate(a *formats.Attribute, s string) string {
	if a.Words == "" {
		return s
	}
	words := r.Mapping.Words[a.Words]
	if len(s) <= 64 {
		for word, meaning := range words {
			if word != "*" && fold(word) == fold(s) {
				return meaning
			}
		}
	}
	if meaning, ok := words["*"]; ok {
		return meaning
	}
	return s
}

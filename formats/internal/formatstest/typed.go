package formatstest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/siembridge/siembridge/formats"
)

func (r Reading) typed(a *formats.Attribute, kind formats.ValueType, name string, d *formats.Detection) (value string, bad bool) {
	f, err := formats.FieldByName(name)
	if err == nil && f.Type() == formats.TypeTime {
		return millis(f.Time(d)), !f.Time(d).IsZero() && millis(f.Time(d)) == ""
	}
	if err == nil && f.Type() == formats.TypeSeverity {
		word := f.Severity(d).String()
		if word == "" {
			word = "unknown"
		}
		n, ok := r.Mapping.Severity[word]
		if !ok {
			n = 2
		}
		return strconv.Itoa(n), false
	}
	for _, s := range fieldTexts(name, d) {
		if s = r.translate(a, s); s == "" {
			continue
		}
		v, other := ofType(kind, strings.TrimSpace(s))
		if v != "" {
			return v, false
		}
		bad = bad || !other
	}
	return "", bad
}

func millis(t time.Time) string {
	if s := strconv.FormatInt(t.UnixMilli(), 10); len(s) == 13 && s[0] != '-' {
		return s
	}
	return ""
}

var (
	decimal    = regexp.MustCompile(`^-?[0-9]{1,19}$`)
	address    = regexp.MustCompile(`^[0-9a-fA-F:.]{2,45}$`)
	twelve     = regexp.MustCompile(`^[0-9a-fA-F]{12}$`)
	separators = strings.NewReplacer(":", "", "-", "", ".", "")
)

// ofType returns s as a value of a type, "" when it is none. other: an address of the other family.
func ofType(kind formats.ValueType, s string) (value string, other bool) {
	least, most := int64(0), int64(0)
	switch kind {
	case formats.ValueIPv4, formats.ValueIPv6, formats.ValueIP:
		s, _, _ = strings.Cut(s, "%")
		a, err := netip.ParseAddr(s)
		if err != nil || !address.MatchString(s) {
			return "", false
		}
		a = a.Unmap()
		if kind != formats.ValueIP && a.Is4() != (kind == formats.ValueIPv4) {
			return "", true
		}
		return a.String(), false
	case formats.ValueMAC:
		digits := separators.Replace(s)
		if !twelve.MatchString(digits) {
			return "", false
		}
		return digits[:2] + ":" + digits[2:4] + ":" + digits[4:6] + ":" + digits[6:8] + ":" + digits[8:10] + ":" + digits[10:], false
	case formats.ValueInteger:
		least, most = -1<<31, 1<<31-1
	case formats.ValueLong:
		least, most = -1<<63, 1<<63-1
	case formats.ValuePort:
		most = 65535
	default:
		panic("no built-in table reads a " + string(kind) + " from a text")
	}
	switch strings.ToLower(s) {
	case "true":
		s = "1"
	case "false":
		s = "0"
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || !decimal.MatchString(s) || n < least || n > most {
		return "", false
	}
	return strconv.FormatInt(n, 10), false
}

// fieldTexts returns what a source has in d, as texts; nothing when it has nothing.
func fieldTexts(name string, d *formats.Detection) (all []string) {
	one := ""
	switch name {
	case "event_class":
		one = formats.EventClass(d)
	case "service_word":
		one = formats.ServiceWord(d)
	case "fresh":
		one = strconv.FormatBool(d.Fresh)
	default:
		if strings.HasPrefix(name, "/") {
			one = member(name[1:], d.Raw)
			break
		}
		f, err := formats.FieldByName(name)
		if err != nil {
			panic(err)
		}
		switch f.Type() {
		case formats.TypeList:
			return f.List(d)
		case formats.TypeText:
			one = f.Text(d)
		case formats.TypeTime:
			if t := f.Time(d); !t.IsZero() {
				one = t.UTC().Format("2006-01-02T15:04:05.000Z")
			}
		case formats.TypeSeverity:
			one = f.Severity(d).String()
		case formats.TypeFlag:
			one = map[formats.Flag]string{formats.FlagTrue: "true", formats.FlagFalse: "false"}[f.Flag(d)]
		}
	}
	if one == "" {
		return nil
	}
	return []string{one}
}

// member returns a member of the object in raw as text.
func member(name string, raw []byte) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return ""
	}
	var s string
	if json.Unmarshal(object[name], &s) == nil {
		return s
	}
	return string(object[name])
}

func anyText(names formats.Names, d *formats.Detection) bool {
	return slices.ContainsFunc(names, func(n string) bool { return len(fieldTexts(n, d)) > 0 })
}

func hashed(s string, longest int) string {
	sum := sha256.Sum256([]byte(s))
	h := "sha256:" + hex.EncodeToString(sum[:])
	return h[:min(len(h), longest)]
}

// cut shortens s to so many bytes, at a character and with its dots.
func cut(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	s = s[:longest-3]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return strings.TrimRightFunc(s, unicode.IsSpace) + "..."
}

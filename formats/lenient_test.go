package formats_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
)

// blankPair finds what begins a pair after a blank or the delimiter.
var blankPair = map[string]*regexp.Regexp{
	"\t": regexp.MustCompile(`(?:^|[ \t])([A-Za-z0-9_.-]+)=`),
	"^":  regexp.MustCompile(`(?:^|[ ^])([A-Za-z0-9_.-]+)=`),
}

// lenient are readers of LEEF that take less for granted than the format promises, as daemons and scripts do that treat
// an event as a list of key=value.
var lenient = map[string]func(attributes, delimiter string) map[string]string{
	// A value ends at a blank before a word with an equals sign, whatever the delimiter is.
	"blank": func(attributes, delimiter string) map[string]string {
		pairs := map[string]string{}
		found := blankPair[delimiter].FindAllStringSubmatchIndex(attributes, -1)
		for i, m := range found {
			end := len(attributes)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			pairs[attributes[m[2]:m[3]]] = attributes[m[1]:end]
		}
		return pairs
	},
	// Only what follows the last pipe of the line counts.
	"last pipe": func(attributes, delimiter string) map[string]string {
		pairs := map[string]string{}
		for pair := range strings.SplitSeq(attributes[strings.LastIndexByte(attributes, '|')+1:], delimiter) {
			if key, value, ok := strings.Cut(pair, "="); ok {
				pairs[key] = value
			}
		}
		return pairs
	},
	// A backslash takes the delimiter after it for a part of the value, one look back and no further.
	"backslash": func(attributes, delimiter string) map[string]string {
		pairs, pending := map[string]string{}, ""
		for pair := range strings.SplitSeq(attributes, delimiter) {
			if pair = pending + pair; strings.HasSuffix(pair, `\`) && !strings.HasSuffix(pair, `\\`) {
				pending = pair + delimiter
				continue
			}
			pending = ""
			if key, value, ok := strings.Cut(pair, "="); ok {
				pairs[key] = value
			}
		}
		return pairs
	},
}

// TestLenientReadersSeeNoForgedPair: for readers that are not exact a value may end early, but no key of the format or
// of the table ever has a value that was not meant for it, whatever an alert says.
func TestLenientReadersSeeNoForgedPair(t *testing.T) {
	looked := 0
	for _, f := range dialects(t) {
		if f.delimiter == "" {
			continue
		}
		var all []*formats.Detection
		for _, s := range append(formatstest.Hostile(), "a usrName=root", "a|usrName=root", "a|b usrName=root^src=10.9.9.9", `a\`, "\tsev=10", "x|sev=10") {
			d := &formats.Detection{Fresh: true}
			formatstest.SetTexts(d, func(name string) string { return s[:min(len(s), 200)] })
			all = append(all, d, &formats.Detection{Title: s + " customerNote=forged", Fresh: true, Extra: []formats.Pair{{Key: "customerNote", Value: "ours"}}})
		}
		g := formatstest.NewGenerator(3, 0)
		for range *generated / 20 {
			all = append(all, g.Next())
		}
		for _, d := range all {
			event, meant, err := f.write(d)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			// A syslog header stands before the event, the first LEEF: is it, and one in a value is none.
			header, _, err := formatstest.ReadLEEFLikeIBM("<134>Nov 23 10:11:12 host " + string(event))
			if err != nil || !strings.HasPrefix(f.encoder.Table().Device(d), header[1]+"|") || strings.ContainsAny(string(event), "\n\r\x00\u0085\u2028\u2029\u202e\u2066") {
				t.Fatalf("%s: %q, %v in %q", f.name, header, err, event)
			}
			attributes := strings.SplitN(string(event), "|", len(header)+1)[len(header)]
			for name, read := range lenient {
				for key, value := range read(attributes, f.delimiter) {
					if !f.GuardedIn(d)(key) {
						continue
					}
					looked++
					if want, ok := meant.Pairs[key]; !ok || !strings.HasPrefix(want+" ", value) {
						t.Errorf("%s: the reader %q sees %s=%.90q, meant %.90q, in %.2000q", f.name, name, key, value, want, event)
					}
				}
			}
		}
	}
	t.Logf("%d values looked at", looked)
}

package defender

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// found reads a text from a place on.
func readFrom(t *testing.T, text string, from Place) (records []string, places []Place, large []Found) {
	t.Helper()
	_, _, err := SplitFrom(Unknown, strings.NewReader(text[from.Offset:]), from, func(f Found) error {
		if f.Record == nil {
			large = append(large, f)
			records = append(records, "")
		} else {
			records = append(records, string(f.Record))
			checkFound(t, Unknown, f)
		}
		places = append(places, f.Behind)
		return nil
	})
	if err != nil {
		t.Fatalf("from %+v: %v", from, err)
	}
	return records, places, large
}

// checkFound: a record that was found is identified as one that is read by itself.
func checkFound(t *testing.T, of API, f Found) {
	t.Helper()
	if of == Unknown {
		of, _, _ = Detect(f.Record)
	}
	if want, _ := Identify(of, f.Record); f.API != of || f.Identity != want {
		t.Errorf("found %s, %+v; by itself it is %s, %+v: %.300s", f.API, f.Identity, of, want, f.Record)
	}
}

// TestFoundIsIdentified: records of all kinds in one text are each what they are by themselves, those that need the
// library and those that are of no kind, too.
func TestFoundIsIdentified(t *testing.T) {
	var all []string
	samples(t, func(api API, _ string, text []byte) {
		_, _ = Split(api, bytes.NewReader(text), func(r []byte) error {
			all = append(all, string(r), string(r))
			return nil
		})
	})
	all = append(all, `{"id":"a","title":"\ud800"}`, `{"i\u0064":"a","title":"t"}`, `{"a":1}`, `{}`)
	for _, text := range []string{"[" + strings.Join(all, ",") + ",7]", strings.Join(all, "\n")} {
		_, places, _ := readFrom(t, text, Place{})
		if len(places) < len(all)-1 {
			t.Errorf("%d records of %d were found", len(places), len(all))
		}
	}
	for _, api := range everyAPI() {
		_, _, err := SplitFrom(api, strings.NewReader("["+strings.Join(all, ",")+"]"), Place{}, func(f Found) error {
			checkFound(t, api, f)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestSplitFrom: whatever the text is, reading it from behind any of its records gives the records that follow. Only
// the parts of an incident are given again from the first on.
func TestSplitFrom(t *testing.T) {
	incident := `{"incidentId":7,"incidentName":"n","alerts":[{"alertId":"a","title":"x"},{"alertId":"b","title":"y"}]}`
	huge := `{"id":"huge","title":"` + strings.Repeat("x", MaxRecord) + `","list":[{"a":"]}"}]}`
	for name, text := range map[string]string{
		"a list":             `[{"id":"1"}, {"id":"2"},{"id":"3"}]`,
		"a page":             "{\"@odata.context\":\"c\",\n\"value\": [ {\"id\":\"1\"},\n {\"id\":\"2\"}\n],\"@odata.nextLink\":\"n\"}\n",
		"several values":     "{\"id\":\"1\"}\n{\"id\":\"2\"}[{\"id\":\"3\"},{\"id\":\"4\"}]{\"value\":[{\"id\":\"5\"}]}{\"id\":\"6\"}",
		"a byte order mark":  "\xef\xbb\xbf[{\"id\":\"1\"},{\"id\":\"2\"}]",
		"incidents":          `{"value":[` + incident + "," + incident + `]}`,
		"one that is large":  `[{"id":"1"},` + huge + `,{"id":"2"}]`,
		"a large in a page":  `{"value":[{"id":"1"},` + huge + `,{"id":"2"}],"a":1} {"id":"3"}`,
		"a large by itself":  huge + `{"id":"2"}`,
		"strange white room": "\n\n [\n\t{\"id\":\"1\"}\r\n,\r\n{\"id\":\"2\"} \n] \n",
	} {
		t.Run(name, func(t *testing.T) {
			all, places, large := readFrom(t, text, Place{})
			for i, from := range places {
				want := all[i+1:]
				if name == "incidents" && i%3 != 2 {
					want = all[i/3*3:]
				}
				if got, _, _ := readFrom(t, text, from); !slices.Equal(got, want) {
					t.Errorf("behind record %d, %+v: %.300q, want %.300q", i, from, got, want)
				}
			}
			for _, f := range large {
				if begin := bytes.TrimLeft([]byte(text[f.Offset:f.Offset+f.Length]), " ,"); len(f.Head) != maxHead && !bytes.HasPrefix(begin, f.Head) || !strings.HasPrefix(string(f.Head), `{`) || !bytes.HasSuffix(begin, []byte("}")) {
					t.Errorf("what was passed over: %.50q, its head %.50q", begin, f.Head)
				}
			}
			if (len(large) > 0) != strings.Contains(name, "large") {
				t.Errorf("%d were passed over", len(large))
			}
		})
	}
}

// TestUnread: what an error leaves unread begins behind the last record at the latest, and nothing of it is missing.
func TestUnread(t *testing.T) {
	for _, tail := range []string{`{"id":"2"`, `{"id":broken}]`, "}", `]x`} {
		text := `[{"id":"1"},` + tail
		_, unread, err := SplitFrom(Unknown, strings.NewReader(text), Place{}, func(Found) error { return nil })
		rest, _ := io.ReadAll(unread.Rest)
		if err == nil || unread.Offset < int64(len(`[{"id":"1"}`)) || text[unread.Offset:] != string(rest) {
			t.Errorf("%s: %v, unread from %d: %q", text, err, unread.Offset, rest)
		}
	}
	if _, _, err := SplitFrom(Unknown, strings.NewReader(""), Place{Offset: 5, Within: "nowhere"}, nil); err == nil {
		t.Error("an unknown place is none")
	}
}

// FuzzSplitFrom: no text makes a place from which other records follow than those that did.
func FuzzSplitFrom(f *testing.F) {
	f.Add([]byte(`[{"id":"1"},{"id":"2"}]{"value":[{"id":"3"}]}`))
	f.Add([]byte(`{"incidentId":7,"alerts":[{"alertId":"a"},{"alertId":"b"}]}{"id":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var all []string
		var places []Place
		if _, _, err := SplitFrom(GraphAlerts, bytes.NewReader(text), Place{}, func(f Found) error {
			all, places = append(all, string(f.Record)), append(places, f.Behind)
			checkFound(t, GraphAlerts, f)
			return nil
		}); err != nil {
			return
		}
		for i, from := range places {
			var rest []string
			if _, _, err := SplitFrom(GraphAlerts, bytes.NewReader(text[from.Offset:]), from, func(f Found) error {
				rest = append(rest, string(f.Record))
				return nil
			}); err != nil || fmt.Sprint(rest) != fmt.Sprint(append([]string(nil), all[i+1:]...)) {
				t.Errorf("from %+v: %q, not %q: %v", from, rest, all[i+1:], err)
			}
		}
	})
}

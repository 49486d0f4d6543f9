package defender

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// TestPageInBoundedMemory: a page of 10,000 alerts, among them one of 5 MB every 500, alerts of thousands of pieces of
// evidence, and one of 100 MB, which is passed over: all others are handed out, and the heap holds a record or two.
func TestPageInBoundedMemory(t *testing.T) {
	const rows, every = 10_000, 500
	evidence := strings.Repeat(`{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.0.1"},`, 3000)
	evidence = evidence[:len(evidence)-1]
	text := strings.Repeat("x", 5<<20)
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, `{"@odata.context":"c","value":[`)
		for i := range rows {
			sep := ","
			if i == rows-1 {
				sep = ""
			}
			switch {
			case i == 5001:
				_, _ = io.WriteString(w, `{"id":"large","a":[{"b":"\"]}\\"}],"title":"`)
				for range 20 {
					_, _ = io.WriteString(w, text)
				}
				_, _ = io.WriteString(w, `"}`+sep)
			case i%every == 0:
				fmt.Fprintf(w, `{"id":"da%d","title":"%s"}%s`, i, text, sep)
			case i%every == 1:
				fmt.Fprintf(w, `{"id":"da%d","title":"t","evidence":[%s]}%s`, i, evidence, sep)
			default:
				fmt.Fprintf(w, `{"id":"da%d","title":"t"}%s`, i, sep)
			}
		}
		_, _ = io.WriteString(w, `],"@odata.nextLink":"n"}`)
		w.Close()
	}()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most, got := m.HeapAlloc, uint64(0), 0
	page, err := Split(GraphAlerts, r, func(raw []byte) error {
		if id, err := Identify(GraphAlerts, raw); err != nil || !strings.HasPrefix(id.Key, "da") {
			t.Fatal(id.Key, err)
		}
		if got++; got%every == 3 || got == 5002 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	})
	if err != nil || got != rows-1 || page != (Page{Records: rows, NextLink: "n", TooLarge: 1}) {
		t.Errorf("%d records, %+v, %v", got, page, err)
	}
	if held := int64(most) - int64(before); held > 3*MaxRecord {
		t.Errorf("%d MiB held", held>>20)
	}
}

// TestTooLargeAnywhere: what is too large is counted wherever it stands, and what stands behind it is read.
func TestTooLargeAnywhere(t *testing.T) {
	huge := `"` + strings.Repeat(`y\"`, MaxRecord/2) + `"`
	for name, c := range map[string]struct {
		text string
		want Page
		ids  string
	}{
		"in a list":             {`[{"id":"a"},{"id":` + huge + `},{"id":"b"}] {"id":"c"}`, Page{Records: 4, TooLarge: 1}, "abc"},
		"first of a page":       {`{"value":[{"id":` + huge + `} , {"id":"b"}],"@odata.nextLink":"n"}`, Page{Records: 2, TooLarge: 1, NextLink: "n"}, "b"},
		"last of a page":        {`{"value":[{"id":"a"},{"id":` + huge + `}]}`, Page{Records: 2, TooLarge: 1}, "a"},
		"beside the records":    {`{"x":` + huge + `,"value":[{"id":"a"}]}`, Page{Records: 1}, "a"},
		"a single record":       {`{"id":"a","x":` + huge + `,"y":1} {"id":"b"}`, Page{Records: 2, TooLarge: 1}, "b"},
		"several small members": {`{"id":"a","x":` + huge[:MaxRecord/2] + `z","y":` + huge[:MaxRecord/2] + `z","z":[1]} {"id":"b"}`, Page{Records: 2, TooLarge: 1}, "b"},
	} {
		ids := ""
		page, err := Split(GraphAlerts, strings.NewReader(c.text), func(raw []byte) error {
			id, err := Identify(GraphAlerts, raw)
			ids += id.Key
			return err
		})
		if err != nil || page != c.want || ids != c.ids {
			t.Errorf("%s: %+v, records %q, %v; want %+v, %q", name, page, ids, err, c.want, c.ids)
		}
	}
	if _, err := Split(GraphAlerts, strings.NewReader(`[{"id":`+huge), func([]byte) error { return nil }); err != ErrTruncated {
		t.Errorf("cut short in what is too large: %v", err)
	}
}

// TestEvidenceIsLinear: four times the evidence, or four times the rows, costs about four times the memory that is
// allocated, not sixteen times.
func TestEvidenceIsLinear(t *testing.T) {
	cost := func(run func(n int), n int) uint64 {
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		run(n)
		runtime.ReadMemStats(&b)
		return b.TotalAlloc - a.TotalAlloc
	}
	alert := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.%d.%d.%d"}`, i>>16, i>>8&255, i&255)
		}
		return `{"id":"a","title":"t","evidence":[` + b.String()[1:] + `]}`
	}
	for name, run := range map[string]func(n int){
		"identify": func(n int) { _, _ = Identify(GraphAlerts, []byte(alert(n))) },
		"evidence": func(n int) {
			_ = SplitEvidence(GraphAlerts, []byte(alert(n)), func(Part) error { return nil })
		},
		"page": func(n int) {
			_, _ = Split(GraphAlerts, strings.NewReader("["+strings.Repeat(`{"id":"a"},`, n)+"1]"), func([]byte) error { return nil })
		},
	} {
		run(4000) // fills what is kept for reuse
		if small, large := cost(run, 4000), cost(run, 16000); large > 8*small {
			t.Errorf("%s: %d bytes for 4,000, %d for 16,000", name, small, large)
		}
	}
}

package defender

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestSplitHoweverItIsRead: the records of a page are the same in whatever pieces it comes, whichever of them the scanner
// takes and whichever the library; of a page that ends early they are those before the end.
func TestSplitHoweverItIsRead(t *testing.T) {
	records := []string{`{"id":"a"}`, `{ "id" : "b", "l" : [ 1, {"x":"]}"}, [] ] }`, `{"id":"c","t":"` + strings.Repeat(`\\\"`, 40_000) + `"}`,
		"{\"id\":\"d\",\"t\":\"\xff\"}", `{"id":"e"}`, `{"id":"f","t":"` + strings.Repeat("x", maxWindow) + `"}`, `{"i\u0064":"g"}`, `{}`, `"text"`, `{"id":"h"}`}
	for _, around := range []struct{ before, behind string }{{"[", "]"}, {`{"@odata.context":"c","value":[ `, ` ],"@odata.nextLink":"n"}`}} {
		text := around.before
		var ends []int // of the records
		for i, r := range records {
			if i > 0 {
				text += []string{",", " ,\n"}[i%2]
			}
			text += r
			ends = append(ends, len(text))
		}
		text += around.behind
		cuts := []int{len(text)}
		for _, end := range ends {
			cuts = append(cuts, end-1, end, end+1)
		}
		for name, pieces := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r },
			"halves": iotest.HalfReader, "end with the last bytes": iotest.DataErrReader, "thousands": func(r io.Reader) io.Reader { return &thousands{r} }} {
			for _, cut := range cuts {
				want := 0
				for want < len(ends) && ends[want] <= cut {
					want++
				}
				var got []string
				_, err := Split(GraphAlerts, pieces(strings.NewReader(text[:cut])), func(r []byte) error {
					got = append(got, string(r))
					return nil
				})
				if cut < len(text) && !errors.Is(err, ErrTruncated) || cut == len(text) && err != nil {
					t.Fatalf("%s, %d of %d bytes: %v", name, cut, len(text), err)
				}
				if len(got) != want {
					t.Fatalf("%s, %d of %d bytes: %d records, not %d", name, cut, len(text), len(got), want)
				}
				for i := range got {
					if got[i] != records[i] {
						t.Fatalf("%s, %d of %d bytes: record %d is not as it was sent", name, cut, len(text), i)
					}
				}
			}
		}
	}
}

// thousands reads a thousand bytes at a time.
type thousands struct{ r io.Reader }

func (r *thousands) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 1000)]) }

// TestSplitTellsTheErrorOfTheReader: what ended the reading is told, once the records before it are handed out.
func TestSplitTellsTheErrorOfTheReader(t *testing.T) {
	broken := errors.New("reset")
	n := 0
	_, err := Split(GraphAlerts, io.MultiReader(strings.NewReader(`{"value":[{"id":"a"},{"id":`), iotest.ErrReader(broken)), func(r []byte) error {
		n++
		return nil
	})
	if !errors.Is(err, broken) || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
	_, err = Split(GraphAlerts, strings.NewReader(`[{"id":"a"},{"id":"b"}]`), func(r []byte) error {
		if bytes.Contains(r, []byte(`"b"`)) {
			return broken
		}
		return nil
	})
	if err != broken {
		t.Errorf("an error of yield comes as %v", err)
	}
}

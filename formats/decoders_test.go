package formats_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/leef"
	"github.com/siembridge/siembridge/formats/parse"
)

var generated = flag.Int("generated", 2000, "detections that the tests of the decoders generate")

// dialect is one form of events with what its readers have to find.
type dialect struct {
	encoding
	formatstest.Reading
	delimiter string // LEEF; "" for CEF
}

func dialects(t testing.TB) []dialect {
	t.Helper()
	var all []dialect
	for _, o := range []leef.Options{{Version: leef.Version2}, {Version: leef.Version1}, {Version: leef.Version2, Delimiter: "^"}} {
		e := must(leef.New(o))
		d := dialect{encoding: newEncoding("leef:"+o.Version, 4096, parse.LEEF, e), delimiter: "\t",
			Reading: formatstest.Reading{Mapping: e.Table().Mapping(), Dictionary: leef.Dictionary(), Version: o.Version}}
		d.Guarded = func(key string) bool {
			_, ours := d.rows[key]
			_, predefined := leef.Dictionary().Key(key)
			return key != "customerNote" && (ours || predefined)
		}
		if o.Delimiter != "" {
			d.name, d.delimiter, d.Delimiter = d.name+" ^", "^", '^'
		}
		all = append(all, d)
	}
	for _, o := range []cef.Options{{Version: cef.Version0}, {Version: cef.Version1}, {Version: cef.Version0, Profile: cef.ProfileArcSightLegacy}, {Version: cef.Version0, Profile: cef.ProfileMCASLegacy}} {
		e := must(cef.New(o))
		all = append(all, dialect{encoding: newEncoding("cef:"+o.Version+" "+o.Profile, 8192, parse.CEF, e),
			Reading: formatstest.Reading{Mapping: e.Table().Mapping(), Dictionary: cef.Dictionary(), Version: o.Version, Newlines: true}})
	}
	for _, d := range all { // what a source's configuration adds
		d.rows["customerNote"] = formats.Row{Key: "customerNote", Type: formats.ValueText, Max: 1023}
	}
	return all
}

// write makes the event of d, as long as it likes to be, with what readers have to find in it. What was shortened and
// what was not of its key's type has to be said, key by key.
func (f *dialect) write(d *formats.Detection) (event []byte, meant formatstest.Meant, err error) {
	event, loss := f.encoder.AppendEvent(nil, d, 1<<20)
	meant = f.Means(d)
	if got, want := slices.Sorted(slices.Values(loss.Shortened)), slices.Sorted(slices.Values(meant.Shortened)); !slices.Equal(got, want) {
		return event, meant, fmt.Errorf("shortened %v, not %v", got, want)
	}
	if !slices.Equal(loss.Mistyped, meant.Mistyped) {
		return event, meant, fmt.Errorf("mistyped %v, not %v", loss.Mistyped, meant.Mistyped)
	}
	if len(loss.Shortened) > 0 {
		for _, r := range f.rows {
			if r.From == "shortened" {
				meant.Pairs[r.Key] = shortenedList(loss.Shortened, r.Max)
			}
		}
	}
	return event, meant, nil
}

// check reads the event of d with every decoder and holds each against what was meant. It returns the number of values
// that were looked at.
func (f *dialect) check(d *formats.Detection) (event []byte, values int, err error) {
	event, meant, err := f.write(d)
	if err != nil {
		return event, 0, err
	}
	for name, read := range f.readers() {
		header, pairs, err := read(string(event))
		if err == nil {
			err = f.compare(d, header, pairs, meant, name == "escapes")
		}
		if err != nil {
			return event, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	if values, err = checkEvent(f.encoding, event); err != nil {
		return event, 0, err
	}
	return event, values, f.checkShort(d, meant)
}

// shortenedList is the list of shortened keys as it stands in an event.
func shortenedList(keys []string, longest int) string {
	whole := strings.Join(keys, ",")
	if len(whole)+1 <= longest-len("...")-1 {
		return whole
	}
	list := ""
	for _, key := range keys {
		if len(list)+len(key)+1 > longest-len("...")-1 {
			return list + "..."
		}
		list += key + ","
	}
	return strings.TrimSuffix(list, ",")
}

type reader = func(event string) (header []string, pairs map[string]string, err error)

// readers are the decoders of the format that are written here, each by itself.
func (f *dialect) readers() map[string]reader {
	strict := func(read func(string) (*parse.Event, error)) reader {
		return func(event string) ([]string, map[string]string, error) {
			e, err := read(event)
			if err != nil {
				return nil, nil, err
			}
			pairs := map[string]string{}
			for _, p := range e.Pairs {
				pairs[p.Key] = p.Value
				if f.delimiter != "" { // one blank guards a backslash at the end
					pairs[p.Key] = strings.TrimSuffix(p.Value, " ")
				}
			}
			header := []string{e.Version, e.Vendor, e.Product, e.Release, e.EventID}
			if e.Format == "CEF" {
				header = append(header, e.Name, e.Severity)
			}
			return header, pairs, nil
		}
	}
	if f.delimiter == "" {
		return map[string]reader{"strict": strict(parse.CEF), "letter": formatstest.ReadCEF}
	}
	return map[string]reader{"strict": strict(parse.LEEF), "letter": formatstest.ReadLEEF, "IBM": formatstest.ReadLEEFLikeIBM, "escapes": formatstest.ReadLEEFWithEscapes}
}

func (f *dialect) compare(d *formats.Detection, header []string, pairs map[string]string, meant formatstest.Meant, escapes bool) error {
	table := f.encoder.Table()
	want := append(append([]string{f.Version}, strings.Split(table.Device(d), "|")[:3]...), formats.EventClass(d))
	if f.delimiter == "" {
		severity := table.SeverityWord(d)
		if severity == "" {
			severity = fmt.Sprint(table.Severity(d))
		}
		want[4] = meant.Class
		want = append(want, meant.Name, severity)
	}
	got := slices.Clone(header[:len(want)])
	got[0] = strings.TrimPrefix(got[0], "LEEF:")
	if !slices.Equal(got, want) {
		return fmt.Errorf("header %q, not %q", got, want)
	}
	for key, value := range meant.Pairs {
		if escapes {
			value = formatstest.Unescape(value, f.delimiter)
		}
		if got, ok := pairs[key]; !ok || got != value {
			return fmt.Errorf("%s is %.90q, not %.90q", key, got, value)
		}
	}
	if len(pairs) != len(meant.Pairs) {
		for key := range meant.Pairs {
			delete(pairs, key)
		}
		return fmt.Errorf("pairs that were not meant: %.200q", pairs)
	}
	return nil
}

// checkShort makes the event once more within a destination's limit: what differs then is said to be shortened.
func (f *dialect) checkShort(d *formats.Detection, meant formatstest.Meant) error {
	event, loss := f.encoder.AppendEvent(nil, d, f.budget)
	if len(event) > f.budget {
		return fmt.Errorf("%d bytes exceed %d", len(event), f.budget)
	}
	for name, read := range f.readers() {
		header, pairs, err := read(string(event))
		if err != nil {
			return fmt.Errorf("shortened to %d bytes, %s: %w", f.budget, name, err)
		}
		if f.delimiter == "" && header[5] != meant.Name && !slices.Contains(loss.Shortened, "name") {
			return fmt.Errorf("the name was cut to %q unsaid", header[5])
		}
		for key, value := range meant.Pairs {
			got := pairs[key]
			if name == "escapes" || got == value || slices.Contains(loss.Shortened, strings.TrimSuffix(key, "Label")) || strings.Contains(strings.ToLower(key), "shortened") {
				continue
			}
			return fmt.Errorf("%s became %.60q from %.60q unsaid", key, got, value)
		}
		for key := range pairs {
			if _, ok := meant.Pairs[key]; !ok && !strings.Contains(strings.ToLower(key), "shortened") {
				return fmt.Errorf("%s is not meant", key)
			}
		}
	}
	return nil
}

// chosen are the forms in which the n-th generated detection is written: LEEF 2.0 and CEF 0 each time, one other in turn.
func chosen(all []dialect, n int) []*dialect {
	others := []int{1, 2, 4, 5, 6}
	return []*dialect{&all[0], &all[3], &all[others[n%len(others)]]}
}

// TestDecodersAgree: every decoder finds in every event exactly what was meant, for all samples and for generated
// detections with hostile texts in every field.
func TestDecodersAgree(t *testing.T) {
	all := dialects(t)
	events, values := 0, 0
	for _, path := range formatstest.Samples(t, sampleDir) {
		for i, d := range formatstest.Detections(t, path) {
			for j := range all {
				event, n, err := all[j].check(d)
				if err != nil {
					t.Errorf("%s, record %d, %s: %v in %q", path, i+1, all[j].name, err, event)
				}
				events, values = events+1, values+n
			}
		}
	}
	t.Logf("samples: %d events, %d values have their key's type and length", events, values)

	const streams = 4
	counts := make([][2]int, streams)
	var wait sync.WaitGroup
	for stream := range streams {
		wait.Go(func() {
			g := formatstest.NewGenerator(1, uint64(stream))
			for n := range *generated / streams {
				d := g.Next()
				for _, f := range chosen(all, n) {
					event, values, err := f.check(d)
					if err != nil {
						t.Errorf("stream %d, detection %d, %s: %v in %.3000q", stream, n, f.name, err, event)
						return
					}
					counts[stream][0]++
					counts[stream][1] += values
				}
			}
		})
	}
	wait.Wait()
	for _, c := range counts[1:] {
		counts[0][0] += c[0]
		counts[0][1] += c[1]
	}
	t.Logf("%d generated detections: %d events, %d values have their key's type and length", *generated, counts[0][0], counts[0][1])
}

// invalid returns the events of a file that must not be taken, by line.
func invalid(t *testing.T, path string) map[int]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[int]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			lines[i+1] = line
		}
	}
	return lines
}

// TestDecodersRefuse holds that the readers are none that take everything: each refuses of the authored invalid events
// what it can know to be wrong. What no reader of syntax can see (a host name as address, a time without pattern, a
// forged pair) package lint names.
func TestDecodersRefuse(t *testing.T) {
	all := dialects(t)
	for _, c := range []struct {
		path    string
		f       *dialect
		refused map[string][]int
	}{
		{"lint/testdata/cef-invalid.log", &all[3], map[string][]int{
			"strict": {1, 2, 3, 4, 5, 6, 7, 11, 12},
			"letter": {1, 2, 3, 4, 5, 6, 9, 12},
		}},
		{"lint/testdata/leef-invalid.log", &all[0], map[string][]int{
			"strict":  {3, 5, 7, 9, 11, 19, 21, 23, 25, 27, 29, 45, 49, 51, 53},
			"letter":  {3, 5, 7, 9, 11, 19, 21, 23, 25, 27, 49, 51, 53},
			"escapes": {3, 5, 19, 23},
			"IBM":     {3, 5}, // it takes all that has a header
		}},
	} {
		for name, read := range c.f.readers() {
			var refused []int
			for line, event := range invalid(t, c.path) {
				if _, _, err := read(event); err != nil {
					refused = append(refused, line)
				}
			}
			slices.Sort(refused)
			if !slices.Equal(refused, c.refused[name]) {
				t.Errorf("%s: the reader %q refuses the lines %v, not %v", c.path, name, refused, c.refused[name])
			}
		}
	}
}

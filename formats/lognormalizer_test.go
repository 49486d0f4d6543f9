//go:build interop

package formats_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
)

// leefRule describes LEEF to liblognorm: version, delimiter field with its pipe, delimiter.
const leefRule = `rule=:LEEF:%s|%%vendor:char-to:|%%|%%product:char-to:|%%|%%release:char-to:|%%|%%eventid:char-to:|%%|%s` +
	`%%{"name":"attrs","type":"repeat","parser":[{"type":"char-to","name":"k","extradata":"="},{"type":"literal","text":"="},` +
	`{"type":"char-sep","name":"v","extradata":"%s"}],"while":{"type":"literal","text":"%[3]s"}}%%` + "\n"

// lognormalizer starts liblognorm's reader: what is written to in comes out as one JSON object a line.
func lognormalizer(t *testing.T) (in io.WriteCloser, out *json.Decoder, stop func(), wait func() error) {
	t.Helper()
	rules := "version=2\n" + fmt.Sprintf(leefRule, "2.0", "0x09|", `\t`) + fmt.Sprintf(leefRule, "1.0", "", `\t`) +
		fmt.Sprintf(leefRule, "2.0", "^|", "^") + "rule=:%f:cef%\n"
	path := filepath.Join(t.TempDir(), "rules.rb")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, "lognormalizer", "-r", path, "-e", "json")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	pipe, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("lognormalizer (Debian package liblognorm-utils) does not start: %v", err)
	}
	return in, json.NewDecoder(bufio.NewReader(pipe)), stop, cmd.Wait
}

// normalized is what lognormalizer says of an event.
type normalized struct {
	Unparsed                          *string `json:"unparsed-data"`
	Vendor, Product, Release, Eventid string
	Attrs                             []struct{ K, V string }
	F                                 *struct {
		DeviceVendor, DeviceProduct, DeviceVersion, SignatureID, Name, Severity string
		Extensions                                                              map[string]string
	}
}

func (n *normalized) event(version string) (header []string, pairs map[string]string, err error) {
	switch {
	case n.Unparsed != nil:
		return nil, nil, fmt.Errorf("refused at %.90q", *n.Unparsed)
	case n.F != nil:
		return []string{version, n.F.DeviceVendor, n.F.DeviceProduct, n.F.DeviceVersion, n.F.SignatureID, n.F.Name, n.F.Severity}, n.F.Extensions, nil
	}
	pairs = map[string]string{}
	for _, p := range n.Attrs {
		if _, twice := pairs[p.K]; twice || p.V == "" || strings.ContainsAny(p.K, "\t ^") {
			return nil, nil, fmt.Errorf("pair %q = %.90q", p.K, p.V)
		}
		pairs[p.K] = strings.TrimSuffix(p.V, " ") // one blank guards a backslash at the end
	}
	return []string{version, n.Vendor, n.Product, n.Release, n.Eventid}, pairs, nil
}

// forLognormalizer makes up for two faults of liblognorm 2.0.6: it refuses CEF:1, and it loses the first letter of the
// first key of CEF unless a blank stands before it.
func forLognormalizer(event string) string {
	if !strings.HasPrefix(event, "CEF:") {
		return event
	}
	pipes := 0
	for i := 0; i < len(event); i++ {
		switch event[i] {
		case '\\':
			i++
		case '|':
			if pipes++; pipes == 7 {
				return "CEF:0" + event[len("CEF:0"):i+1] + " " + event[i+1:]
			}
		}
	}
	return event
}

// TestInteropLognormalizer: liblognorm, which others wrote, finds in every event exactly what was meant, for all samples
// and for generated detections.
func TestInteropLognormalizer(t *testing.T) {
	all := dialects(t)
	var sampled []*formats.Detection
	for _, path := range formatstest.Samples(t, sampleDir) {
		sampled = append(sampled, formatstest.Detections(t, path)...)
	}
	const streams = 2
	var wait sync.WaitGroup
	counts := make([][2]int, streams)
	for stream := range streams {
		in, out, stop, ended := lognormalizer(t)
		// The same detections in the same order, for the one who writes and for the one who checks.
		detections := func(each func(d *formats.Detection, f *dialect) error) error {
			for i, d := range sampled {
				for j := range all {
					if i%streams == stream {
						if err := each(d, &all[j]); err != nil {
							return err
						}
					}
				}
			}
			g := formatstest.NewGenerator(2, uint64(stream))
			for n := range *generated / streams {
				d := g.Next()
				for _, f := range chosen(all, n) {
					if err := each(d, f); err != nil {
						return fmt.Errorf("stream %d, detection %d: %w", stream, n, err)
					}
				}
			}
			return nil
		}
		wait.Go(func() {
			defer in.Close()
			w := bufio.NewWriterSize(in, 1<<16)
			defer w.Flush()
			_ = detections(func(d *formats.Detection, f *dialect) error {
				event, _ := f.encoder.AppendEvent(nil, d, 1<<20)
				_, err := w.WriteString(forLognormalizer(string(event)) + "\n") // an end of the reader shows there
				return err
			})
		})
		wait.Go(func() {
			err := detections(func(d *formats.Detection, f *dialect) error {
				event, meant, err := f.write(d)
				var n normalized
				if err == nil {
					err = out.Decode(&n)
				}
				var header []string
				var pairs map[string]string
				if err == nil {
					header, pairs, err = n.event(f.Version)
				}
				if err == nil {
					err = f.compare(d, header, pairs, meant, false)
				}
				if err != nil {
					return fmt.Errorf("%s: %w in %.3000q", f.name, err, event)
				}
				counts[stream][0]++
				counts[stream][1] += len(pairs)
				return nil
			})
			if err != nil {
				t.Error(err)
				stop() // the writer would wait for a reader that takes no more
			}
			if ended := ended(); err == nil && ended != nil {
				t.Errorf("lognormalizer: %v", ended)
			}
		})
	}
	wait.Wait()
	t.Logf("%d samples and %d generated detections: lognormalizer found %d values in %d events as they were meant",
		len(sampled), *generated, counts[0][1]+counts[1][1], counts[0][0]+counts[1][0])
}

// TestInteropLognormalizerRefuses: of the authored invalid events it refuses those whose structure is broken, also when
// that shows in what it made of them.
func TestInteropLognormalizerRefuses(t *testing.T) {
	for path, want := range map[string][]int{
		"lint/testdata/cef-invalid.log":  {1, 2, 3, 4, 5, 6, 7, 11, 12},
		"lint/testdata/leef-invalid.log": {3, 5, 7, 9, 11, 19, 21, 23, 25, 27, 29, 49, 51, 53},
	} {
		in, out, _, ended := lognormalizer(t)
		events := invalid(t, path)
		var lines, refused []int
		for line := range events {
			lines = append(lines, line)
		}
		slices.Sort(lines)
		for _, line := range lines {
			if _, err := io.WriteString(in, forLognormalizer(events[line])+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		in.Close()
		for _, line := range lines {
			var n normalized
			if err := out.Decode(&n); err != nil {
				t.Fatal(err)
			}
			if _, _, err := n.event("0"); err != nil {
				refused = append(refused, line)
			}
		}
		if err := ended(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(refused, want) {
			t.Errorf("%s: refuses the lines %v, not %v", path, refused, want)
		}
	}
}

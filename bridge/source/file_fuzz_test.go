package source

import (
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFileGrows: whatever a file is, no record of it is missed when it is read in the middle of being written, and then
// again. What is no record may be taken in other pieces.
func FuzzFileGrows(f *testing.F) {
	for _, text := range []string{
		row("da1") + "\nbroken\n" + row("da2"),
		prettyPage("da1", "da2"),
		"[\n" + row("da1") + ",\n{broken},\n" + row("da2") + "\n]\n",
		"\xef\xbb\xbf[" + row("da1") + "," + row("da2") + "]\n" + row("da3") + "\n",
		`{"incidentId":7,"alerts":[{"alertId":"a"},{"alertId":"b"}]}` + "\n{\"error\":{}}\n",
		"{\n\"id\":\"da1\"\n}{\n\"id\":\"da2\"\n}\nx\n",
	} {
		f.Add([]byte(text), uint16(len(text)/2))
		f.Add([]byte(text), uint16(5))
	}
	damaged := []byte("[\n" + row("da1") + ",\n{broken},\n" + row("da2") + "\n]\n")
	f.Add(damaged, uint16(len(damaged)-20))                           // in a line behind the damage
	f.Add([]byte("\xef\xbb\xbf"+prettyPage("da1", "da2")), uint16(4)) // in the first line of a document
	f.Add([]byte("\n\n"+prettyPage("da1", "da2")), uint16(2))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		if len(text) == 0 {
			return
		}
		dir := t.TempDir()
		whole, grown := newStore(), newStore()
		path := filepath.Join(dir, "whole.json")
		write(t, path, text)
		a := fileSource(t, path, nil, whole)
		a.look(t.Context())
		a.look(t.Context())

		path = filepath.Join(dir, "grown.json")
		write(t, path, text[:int(cut)%len(text)])
		b := fileSource(t, path, nil, grown)
		b.look(t.Context())
		write(t, path, text)
		b.look(t.Context())
		b.look(t.Context())
		for key := range whole.keys {
			if _, there := grown.keys[key]; !there && !strings.HasPrefix(key, "sha256:") {
				t.Errorf("whole: %q, grown from %d bytes: %q", whole.ids(), int(cut)%len(text), grown.ids())
			}
		}
		if x, y := a.Status(), b.Status(); x.Read != x.Total || y.Read != y.Total {
			t.Errorf("whole %+v, grown %+v", x, y)
		}
	})
}

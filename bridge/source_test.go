package bridge

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
)

// TestSourcesLookBackAfterDamage: when the index was damaged, sources begin a day before the oldest record of which
// the new one was made, unless they would begin earlier anyway; with a sound index they begin as configured.
func TestSourcesLookBackAfterDamage(t *testing.T) {
	dir := t.TempDir()
	open := func() *Bridge {
		t.Helper()
		b, err := disk.Open(disk.Options{Dir: dir, MaxSize: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return &Bridge{buffer: b}
	}
	now := time.Now().Truncate(time.Second)
	oldest := now.Add(-72 * time.Hour)
	begins := func(b *Bridge, back time.Duration) time.Time {
		return b.lookBack(func(now time.Time) time.Time { return now.Add(-back) })(now)
	}
	b := open()
	if _, err := b.buffer.Queue(buffer.Destination{Name: "d"}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r := buffer.Record{Source: "s", API: "graph-alerts", Key: string(rune('a' + i)), Changed: now, Hash: [16]byte{1}, Pulled: oldest.Add(time.Duration(i) * time.Hour), Raw: []byte(`{}`)}
		if _, err := b.buffer.Append(t.Context(), buffer.Batch{Source: "s", Records: []buffer.Record{r}, Checkpoint: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := begins(b, time.Hour); !got.Equal(now.Add(-time.Hour)) {
		t.Errorf("with a sound index: %s before now", now.Sub(got))
	}
	if err := b.buffer.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := 0
	paths, _ := filepath.Glob(filepath.Join(dir, "buffer", "*.db"))
	for _, path := range paths {
		if err := os.WriteFile(path, make([]byte, 64<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		damaged++
	}
	if damaged == 0 {
		all, _ := filepath.Glob(filepath.Join(dir, "buffer", "*"))
		t.Fatal("no index among ", all)
	}
	b = open()
	defer b.buffer.Close()
	if got := begins(b, time.Hour); got.Before(oldest.Add(-25*time.Hour)) || got.After(oldest.Add(-23*time.Hour)) {
		t.Errorf("after damage: %s before the oldest record; %+v", oldest.Sub(got), b.buffer.(*disk.Buffer).Report())
	}
	if got := begins(b, 30*24*time.Hour); !got.Equal(now.Add(-30 * 24 * time.Hour)) {
		t.Errorf("a start long ago became %s before now", now.Sub(got))
	}
}

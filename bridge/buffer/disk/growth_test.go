//go:build peers && linux

package disk

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

var growthKeys = flag.Int("keys", 1_000_000, "how many keys TestGrowthKeys goes up to, by tens")

// spent is CPU time of this process and time of the clock.
type spent struct{ cpu, wall time.Duration }

// during adds what f takes.
func (s *spent) during(f func() error) error {
	cpu, wall := processCPU(), time.Now()
	err := f()
	s.cpu, s.wall = s.cpu+processCPU()-cpu, s.wall+time.Since(wall)
	return err
}

func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rssAnon returns this process's anonymous memory in MB, after the garbage collector has given back what it can.
func rssAnon(t *testing.T) float64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("RssAnon:"))
	var kB float64
	if _, err := fmt.Sscan(string(rest), &kB); err != nil {
		t.Fatal(err)
	}
	return kB * 1024 / 1e6
}

// TestGrowthKeys tells what keys cost by how many are known: appending a record whose key is new, one whose key is known,
// memory, disk, and opening the buffer. The records are small, so that the keys decide.
func TestGrowthKeys(t *testing.T) {
	const batch, looked = 1000, 100_000
	o, raw, random := Options{Dir: t.TempDir(), MaxSize: 64 << 30}, []byte(`{"small":1}`), rand.New(rand.NewPCG(1, 2))
	var b *Buffer
	reopen := func() error { // without open's cleanup, which would keep each of them in memory
		var err error
		if b, err = Open(o); err == nil {
			_, err = b.Queue(buffer.Destination{Name: "d"})
		}
		return err
	}
	if err := reopen(); err != nil {
		t.Fatal(err)
	}
	defer func() { b.Close() }()
	put := func(s *spent, batch buffer.Batch, want buffer.Outcome) {
		t.Helper()
		err := s.during(func() error {
			got, err := b.Append(context.Background(), batch)
			if err == nil && got != want {
				err = fmt.Errorf("%+v, not %+v", got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	each := func(s spent, n int) string {
		return fmt.Sprintf("%.2f us, %.0f/s", float64(s.cpu.Nanoseconds())/1e3/float64(n), float64(n)/s.wall.Seconds())
	}
	knownOf := func(from, n int) (s spent) {
		for range looked / batch {
			again := benchBatch(0, batch, raw)
			for i := range again.Records {
				again.Records[i] = benchBatch(from+random.IntN(n-from), 1, raw).Records[0]
			}
			put(&s, again, buffer.Outcome{Known: batch})
		}
		return s
	}
	t.Logf("| keys | a new one: CPU, rate | a known one of the newest 10,000: CPU, rate | any known one: CPU, rate | RssAnon MB | index, bytes a key | log, bytes a record | open: CPU, time |")
	for have, n := 0, 10_000; n <= *growthKeys; n *= 10 {
		var fresh, opened spent
		from := have
		for ; have < n; have += batch {
			put(&fresh, benchBatch(have, batch, raw), buffer.Outcome{New: batch})
		}
		newest, any := knownOf(n-10_000, n), knownOf(0, n)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := opened.during(reopen); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(o.Dir, bufferName, indexName))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("| %d | %s | %s | %s | %.0f | %d | %d | %v, %v |", n, each(fresh, n-from), each(newest, looked), each(any, looked), rssAnon(t),
			info.Size()/int64(n), b.Usage().Bytes/int64(n), opened.cpu.Round(time.Millisecond/10), opened.wall.Round(time.Millisecond/10))
	}
}

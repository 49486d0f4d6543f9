package disk

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func rss() string {
	b, _ := os.ReadFile("/proc/self/status")
	var out []string
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "RssAnon") || strings.HasPrefix(l, "RssFile") {
			out = append(out, strings.Join(strings.Fields(l), ""))
		}
	}
	return strings.Join(out, " ")
}

func TestBig(t *testing.T) {
	var n int
	fmt.Sscan(os.Getenv("BIGN"), &n)
	o := Options{Dir: t.TempDir(), MaxSize: 40 << 30}
	b := open(t, o)
	openQueue(t, b, "d")
	raw := make([]byte, benchRaw)
	start := time.Now()
	for at := 0; at < n; at += 1000 {
		if _, err := b.Append(context.Background(), benchBatch(at, 1000, raw)); err != nil {
			t.Fatal(err)
		}
		if (at+1000)%(n/5) == 0 {
			fmt.Println(at+1000, time.Since(start), rss(), len(b.keys.generations))
		}
	}
	el := time.Since(start)
	fmt.Printf("append %d: %v, %.0f/s\n", n, el, float64(n)/el.Seconds())
	b.Close()
	info, _ := os.Stat(o.index())
	fmt.Println("index MB", info.Size()>>20)
	b = nil
	runtime.GC()
	start = time.Now()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, b, "d")
	fmt.Println("open", time.Since(start), rss())
	start = time.Now()
	r, _ := q.Take(context.Background(), 1, 1<<20)
	fmt.Println("first", time.Since(start), len(r), q.Pending())
	start = time.Now()
	q.Release(context.Background(), numbers(r))
	for left := n - 1; left > 0; {
		r, err := q.Take(context.Background(), 2000, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		left -= len(r)
		if err := q.Release(context.Background(), numbers(r)); err != nil {
			t.Fatal(err)
		}
	}
	el = time.Since(start)
	fmt.Printf("drain: %v, %.0f/s %s %+v\n", el, float64(n)/el.Seconds(), rss(), b.Usage())
	b.Close()
}

package bridge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// countLines is a receiver that counts lines and closes when the sender has. It ends with the benchmark.
func countLines(b *testing.B) (address string, lines *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	lines = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				block := make([]byte, 256<<10)
				for {
					n, err := c.Read(block)
					lines.Add(int64(bytes.Count(block[:n], []byte{'\n'})))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), lines
}

// BenchmarkBridge takes records from standard input through the buffer to a receiver over TCP, confirmed by close.
func BenchmarkBridge(b *testing.B) {
	for _, shape := range []string{"detections", "graph-alerts"} {
		for _, destinations := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%d", shape, destinations), func(b *testing.B) { benchmarkBridge(b, shape, destinations) })
		}
	}
}

func benchmarkBridge(b *testing.B, shape string, destinations int) {
	const n = 20_000
	generator, text := emulator.NewGenerator(1, false), &bytes.Buffer{}
	for i := range n {
		text.Write(generator.Record(shape, time.Now().Add(time.Duration(i)*time.Millisecond)).JSON())
		text.WriteByte('\n')
	}
	path := filepath.Join(b.TempDir(), "input")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	size := text.Len()
	text = nil
	address, lines := countLines(b)
	formats := []string{"cef:0", "leef:2.0"}
	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	rounds := 0
	for b.Loop() {
		settings := fmt.Sprintf("state_dir = %q\n[admin]\nlisten = \"\"\n[[source]]\nname = \"in\"\napi = \"file\"\npath = \"-\"\n", b.TempDir())
		for i := range destinations {
			settings += fmt.Sprintf("[[destination]]\nname = \"d%d\"\ntype = \"generic\"\naddress = %q\ntransport = \"tcp\"\nheader = \"rfc3164\"\nframing = \"newline\"\nformat = %q\n",
				i, address, formats[i%2])
		}
		c, err := config.Parse("bench", settings)
		if err != nil {
			b.Fatal(err)
		}
		if os.Stdin, err = os.Open(path); err != nil {
			b.Fatal(err)
		}
		one, err := New(c, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "bench"})
		if err != nil {
			b.Fatal(err)
		}
		if err := one.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
		os.Stdin.Close()
		rounds++
	}
	if got := lines.Load(); got != int64(rounds*n*destinations) {
		b.Fatalf("%d events arrived of %d", got, rounds*n*destinations)
	}
	b.ReportMetric(float64(rounds*n)/b.Elapsed().Seconds(), "records/s")
}

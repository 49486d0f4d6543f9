package disk

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

const childDir = "SIEMBRIDGE_TEST_BUFFER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendForever is the process that is killed: it appends, delivers and releases, and says on standard output each
// batch that Append has returned for and each number that Release has returned for.
func appendForever(dir string) error {
	b, err := Open(Options{Dir: dir, MaxSize: 8 << 20, segmentSize: 20_000})
	if err != nil {
		return err
	}
	q, err := b.Queue(buffer.Destination{Name: "d"})
	if err != nil {
		return err
	}
	say := func(kind byte, n uint64) {
		os.Stdout.Write(binary.LittleEndian.AppendUint64([]byte{kind}, n))
	}
	errs := make(chan error, 2)
	go func() {
		checkpoint, err := b.Checkpoint("s")
		n := 0
		fmt.Sscan(string(checkpoint), &n)
		for ; err == nil; n++ {
			batch := killBatch(n + 1)
			if _, err = b.Append(context.Background(), batch); err == nil {
				say('a', uint64(n+1))
			}
		}
		errs <- err
	}()
	go func() {
		for {
			records, err := buffertest.Take(context.Background(), q, 7, 1<<20)
			if err == nil {
				err = q.Release(context.Background(), numbers(records))
			}
			if err != nil {
				errs <- err
				return
			}
			for _, r := range records {
				say('r', r.Number)
			}
		}
	}()
	return <-errs
}

func killBatch(n int) buffer.Batch {
	b := buffer.Batch{Source: "s", Checkpoint: fmt.Appendf(nil, "%d", n)}
	for i := range 5 {
		b.Records = append(b.Records, buffer.Record{Key: fmt.Sprintf("%d-%d", n, i), Raw: fmt.Appendf(nil, "%0900d", n)})
	}
	return b
}

// TestKilled kills a process that uses the buffer, again and again, after some number of answers, and checks after
// each time that what was answered for holds.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	acked, released := 0, map[uint64]bool{}
	for range 12 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(out)
		left := random.IntN(200)
		for killed := false; ; left-- {
			if left <= 0 && !killed {
				child.Process.Kill()
				killed = true
			}
			var said [9]byte
			if _, err := io.ReadFull(answers, said[:]); err != nil {
				if !killed {
					t.Fatalf("the process ended by itself: %v", err)
				}
				break
			}
			n := binary.LittleEndian.Uint64(said[1:])
			if said[0] == 'a' {
				acked = max(acked, int(n))
			} else {
				released[n] = true
			}
		}
		child.Wait()
		checkKilled(t, dir, acked, released)
	}
	t.Logf("%d batches, %d releases", acked, len(released))
}

func checkKilled(t *testing.T, dir string, acked int, released map[uint64]bool) {
	t.Helper()
	b, err := Open(Options{Dir: dir, MaxSize: 8 << 20, segmentSize: 20_000})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if r := b.Report(); !r.OK() {
		t.Fatalf("%+v", r)
	}
	checkpoint, err := b.Checkpoint("s")
	stored := 0
	fmt.Sscan(string(checkpoint), &stored)
	if err != nil || stored < acked {
		t.Fatalf("the checkpoint is %q, %v; %d batches were answered for", checkpoint, err, acked)
	}
	for n := max(1, stored-20); n <= stored; n++ {
		if o, err := b.Append(context.Background(), killBatch(n)); err != nil || o.Known != 5 {
			t.Fatalf("batch %d of %d: %+v, %v", n, stored, o, err)
		}
	}
	// Every number up to the checkpoint's is either released or pending, and the pending ones can be taken.
	opened, err := b.Queue(buffer.Destination{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	q, next, count := opened.(*Queue), uint64(0), int64(0)
	pending := q.Pending().Records
	for more := true; more; {
		var records []buffer.Record
		if records, more, err = readOnce(q, 100); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if released[r.Number] || r.Number < next {
				t.Fatalf("record %d comes again", r.Number)
			}
			if want := fmt.Sprintf("%d-%d", (r.Number-1)/5+1, (r.Number-1)%5); r.Key != want {
				t.Fatalf("record %d has key %s, want %s", r.Number, r.Key, want)
			}
			next = r.Number + 1
			count++
		}
	}
	if count != pending {
		t.Fatalf("%d pending, %d taken", pending, count)
	}
	if err := q.Release(context.Background(), nil); err != nil && !errors.Is(err, buffer.ErrClosed) {
		t.Fatal(err)
	}
}

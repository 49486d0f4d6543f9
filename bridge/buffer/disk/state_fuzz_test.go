package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	fuzzRecords  = 40
	fuzzReleased = 7
)

func fuzzOptions(dir string) Options {
	return Options{
		Dir: dir, segmentSize: 4000, Simulated: true, Retain: 1000 * time.Hour,
		Now: func() time.Time { return stateNow },
	}
}

// fuzzState is the files of a small state directory as a killed process leaves it: some segments, a destination that has
// released the first records, which the index does not know yet, something in quarantine.
func fuzzState(f *testing.F) map[string]string {
	dir := f.TempDir()
	b := open(f, fuzzOptions(dir))
	q := openQueue(f, b, "d")
	for at := 0; at < fuzzRecords; at += 5 {
		batch := stateBatch("s", at, 5)
		for i := range batch.Records {
			batch.Records[i].Raw = fmt.Appendf(nil, `{"n":%d,"pad":%q}`, at+i, strings.Repeat("y", 300))
		}
		if _, err := b.Append(context.Background(), batch); err != nil {
			f.Fatal(err)
		}
	}
	if err := q.Release(context.Background(), numbers(takeAll(f, q)[:fuzzReleased])); err != nil {
		f.Fatal(err)
	}
	if _, err := b.Quarantine().Put(stateRecord("s", 3), "no decoder"); err != nil {
		f.Fatal(err)
	}
	return contents(f, dir)
}

// harm is what is done to one file: 6 bytes of the fuzz input.
const harmSize = 6

// harm does what the input says to the files.
func harm(files map[string]string, input []byte) {
	for ; len(input) >= harmSize; input = input[harmSize:] {
		names := slices.Sorted(maps.Keys(files))
		if len(names) == 0 {
			return
		}
		name, other := names[int(input[1])%len(names)], names[int(input[2])%len(names)]
		b := []byte(files[name])
		at := 0
		if len(b) > 0 {
			at = int(binary.LittleEndian.Uint16(input[3:])) * 4 % len(b)
			at = min(at+int(input[5]&3), len(b)-1)
		}
		switch input[0] % 8 {
		case 0, 1:
			if len(b) > 0 {
				b[at] ^= 1 << (input[5] >> 5)
			}
		case 2:
			b = b[:at]
		case 3:
			clear(b[at:min(len(b), at+1+int(input[2])*16)])
		case 4:
			delete(files, name)
			continue
		case 5:
			files[name], files[other] = files[other], files[name]
			continue
		case 6:
			files[other] = files[name]
			continue
		case 7:
			b = append(b, bytes.Repeat(input[3:5], int(input[2])+1)...)
		}
		files[name] = string(b)
	}
}

// FuzzState opens state directories whose files were damaged in ways drawn from the input: bits flipped, cut off,
// zeroed, missing, swapped, copied over another, with something behind them. Opening never panics; no record is
// missing without a report of damage; none is altered; and the buffer goes on.
func FuzzState(f *testing.F) {
	whole := fuzzState(f)
	names := slices.Sorted(maps.Keys(whole))
	f.Add([]byte{})
	for i := range names {
		n := byte(i)
		f.Add([]byte{0, n, 0, 40, 2, 0x40}) // a bit
		f.Add([]byte{2, n, 0, 90, 3, 0})    // cut off
		f.Add([]byte{4, n, 0, 0, 0, 0})     // missing
		f.Add([]byte{5, n, n + 1, 0, 0, 0}) // swapped
		f.Add([]byte{6, n, n + 1, 0, 0, 0}) // copied over the next
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 8*harmSize {
			return
		}
		files := maps.Clone(whole)
		harm(files, input)
		dir := t.TempDir()
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		checkHarmed(t, dir, len(files) == 0)
	})
}

func checkHarmed(t *testing.T, dir string, empty bool) {
	b, err := Open(fuzzOptions(dir))
	if err != nil {
		t.Fatalf("damage is no reason not to start: %v", err)
	}
	defer b.Close()
	q := openQueue(t, b, "d")
	got := map[uint64]bool{}
	for _, r := range takeAll(t, q) {
		want := stateRecord("s", int(r.Number)-1)
		if got[r.Number] || r.Number < 1 || r.Number > fuzzRecords || r.Key != want.Key || !r.Changed.Equal(want.Changed) ||
			!bytes.HasPrefix(r.Raw, fmt.Appendf(nil, `{"n":%d,`, r.Number-1)) {
			t.Fatalf("record %d comes twice or altered: %+v", r.Number, r)
		}
		got[r.Number] = true
	}
	missing := 0
	for n := uint64(fuzzReleased + 1); n <= fuzzRecords; n++ {
		if !got[n] {
			missing++
		}
	}
	if r := b.Report(); missing > 0 && r.OK() && !empty {
		t.Fatalf("%d records are missing without a word", missing)
	}
	if p := q.Pending(); p.Records < int64(len(got)) {
		t.Fatalf("%d taken, pending %+v", len(got), p)
	}
	_, _ = b.Quarantine().List()
	batch := stateBatch("s", 1000, 3)
	if o, err := b.Append(context.Background(), batch); err != nil || o.New != 3 {
		t.Fatalf("it does not go on: %+v, %v", o, err)
	}
	if more := takeAll(t, q); len(more) != 3 {
		t.Fatalf("%d of 3 new records come", len(more))
	}
}

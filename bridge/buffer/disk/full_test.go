package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// fullFS is a disk that can be full: then nothing can be written to the log.
type fullFS struct {
	vfs.System
	full *atomic.Bool
}

type fullFile struct {
	vfs.File
	full *atomic.Bool
}

func (f fullFS) OpenFile(name string, flag int, perm os.FileMode) (vfs.File, error) {
	if f.full.Load() && flag&os.O_CREATE != 0 {
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
	}
	file, err := f.System.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return fullFile{file, f.full}, nil
}

func (f fullFile) WriteAt(p []byte, off int64) (int, error) {
	if f.full.Load() {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		return n, syscall.ENOSPC
	}
	return f.File.WriteAt(p, off)
}

// TestFullDisk: on a full disk Append says so and stores nothing, Release gives up the reserve to store what was
// delivered, and when there is room again all goes on.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	dir := t.TempDir()
	reservePath := filepath.Join(dir, bufferName, reserveName)
	o := Options{Dir: dir, FS: fullFS{full: &full}, Retain: time.Hour, Transaction: func(commit func() error) error {
		// The index needs a little space for each commit; the reserve is enough for it.
		if _, err := os.Stat(reservePath); full.Load() && err == nil {
			return syscall.ENOSPC
		}
		return commit()
	}}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	q, err := b.Queue(buffer.Destination{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := b.Append(ctx, crashBatch(1)); err != nil {
		t.Fatal(err)
	}
	records, err := buffertest.Take(ctx, q, 2, 1<<20)
	if err != nil || len(records) != 2 {
		t.Fatal(len(records), err)
	}
	full.Store(true)
	for range 3 {
		if _, err := b.Append(ctx, crashBatch(2)); !errors.Is(err, buffer.ErrNoSpace) {
			t.Fatalf("Append on a full disk: %v", err)
		}
	}
	if err := q.Release(ctx, numbers(records)); err != nil {
		t.Fatalf("Release on a full disk: %v", err)
	}
	if _, err := os.Stat(reservePath); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the reserve was not given up: %v", err)
	}
	full.Store(false)
	if o, err := b.Append(ctx, crashBatch(2)); err != nil || o.New != crashRecords {
		t.Fatal(o, err)
	}
	b.Close()
	if b, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if r := b.Report(); !r.OK() {
		t.Fatalf("%+v", r)
	}
	if q, err = b.Queue(buffer.Destination{Name: "d"}); err != nil {
		t.Fatal(err)
	}
	if p := q.Pending(); p.Records != 2*crashRecords-2 {
		t.Fatalf("pending %+v", p)
	}
	if _, err := os.Stat(reservePath); err != nil {
		t.Fatalf("the reserve is not back: %v", err)
	}
}

// freeingFS is a disk that is full until a file is deleted.
type freeingFS struct{ fullFS }

func (f freeingFS) Remove(name string) error {
	if filepath.Base(filepath.Dir(name)) == "log" {
		f.full.Store(false)
	}
	return f.fullFS.Remove(name)
}

// TestFullDiskOfDeliveredRecords: what is kept for a replay only does not stand in the way of what is to be delivered.
func TestFullDiskOfDeliveredRecords(t *testing.T) {
	var full atomic.Bool
	b, err := Open(Options{Dir: t.TempDir(), FS: freeingFS{fullFS{full: &full}}, Retain: time.Hour, keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	q, err := b.Queue(buffer.Destination{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for n := 1; n <= 3; n++ {
		if o, err := b.Append(ctx, crashBatch(n)); err != nil || o.New != crashRecords {
			t.Fatalf("append %d: %+v, %v", n, o, err)
		}
		records, err := buffertest.Take(ctx, q, crashRecords, 1<<20)
		if err != nil || len(records) != crashRecords {
			t.Fatal(len(records), err)
		}
		if n == 3 {
			break // pending
		}
		if err := q.Release(ctx, numbers(records)); err != nil {
			t.Fatal(err)
		}
		full.Store(true)
	}
	full.Store(true)
	if _, err := b.Append(ctx, crashBatch(4)); !errors.Is(err, buffer.ErrNoSpace) {
		t.Fatalf("an append on a disk full of pending records: %v", err)
	}
	if p := q.Pending(); p.Records != crashRecords {
		t.Fatalf("pending %+v", p)
	}
}

// TestCloseOnFullDisk: closing stores what was put off where the log cannot grow, and the time of the queues' closing.
func TestCloseOnFullDisk(t *testing.T) {
	var full atomic.Bool
	o := Options{Dir: t.TempDir(), Simulated: true}
	failing := o
	failing.FS = fullFS{full: &full}
	failing.Transaction = func(commit func() error) error { // the reserve is enough for it
		if _, err := os.Stat(filepath.Join(o.Dir, bufferName, reserveName)); full.Load() && err == nil {
			return syscall.ENOSPC
		}
		return commit()
	}
	b := open(t, failing)
	q := openQueue(t, b, "d")
	appendNumbered(t, b, 0, 30)
	released(t, q, 5)
	full.Store(true)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if n := left(t, o, os.Remove); n != 25 {
		t.Errorf("%d are left without the progress file", n)
	}
}

// TestStartOnFullDisk: a start on a full disk goes on delivering, with the reserve.
func TestStartOnFullDisk(t *testing.T) {
	var full atomic.Bool
	o := Options{Dir: t.TempDir(), Simulated: true}
	b := open(t, o)
	openQueue(t, b, "d")
	appendNumbered(t, b, 0, 30)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = fullFS{full: &full}
	o.Transaction = func(commit func() error) error { // the reserve is enough for it
		if _, err := os.Stat(filepath.Join(o.Dir, bufferName, reserveName)); full.Load() && err == nil {
			return syscall.ENOSPC
		}
		return commit()
	}
	full.Store(true)
	b = open(t, o)
	opened, err := b.Queue(buffer.Destination{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	q := opened.(*Queue)
	released(t, q, 30)
	if p := q.Pending(); p.Records != 0 {
		t.Errorf("%+v", p)
	}
}

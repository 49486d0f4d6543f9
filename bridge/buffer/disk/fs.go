package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// FS is what the buffer does to the files of its log. Tests give one that fails; the index has its own hook,
// Options.Transaction, since bbolt opens its file itself.
type FS interface {
	// OpenFile opens or creates a file for reading and writing, as os.OpenFile does.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Remove deletes a file.
	Remove(name string) error
	// SyncDir makes the creation and deletion of a folder's files durable.
	SyncDir(dir string) error
}

// File is an open file of the log.
type File interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	// Sync makes data and size durable.
	Sync() error
	Close() error
}

// osFS is the file system of the machine.
type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(dir string) error { return syncDir(dir) }

// osFile syncs with fdatasync where there is one: data and size, not the times.
type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }

// syncDir makes the entries of a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// remove deletes a file; one that is not there is as good.
func remove(fsys FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isFull tells whether an error says that the disk or the quota is full.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, buffer.ErrNoSpace)
}

// explain gives an error of a write the kind that callers act on.
func explain(dir string, err error) error {
	if err == nil || errors.Is(err, buffer.ErrNoSpace) {
		return err
	}
	if isFull(err) {
		return fmt.Errorf("%w: free some on the file system of %s: %w", buffer.ErrNoSpace, dir, err)
	}
	return fmt.Errorf("the buffer in %s cannot be written: %w", dir, err)
}

// reserve is a file that holds some space, so that releases can still be committed on a full disk.
type reserve struct {
	path string
	size int
	held bool
}

// hold writes the reserve if it is not there. Its failure is no one's concern: then there is no reserve.
func (r *reserve) hold() {
	if r.held {
		return
	}
	if info, err := os.Stat(r.path); err == nil && info.Size() == int64(r.size) {
		r.held = true
		return
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	// Bytes that differ, since some file systems store equal ones in no space at all.
	block := make([]byte, r.size)
	state := uint32(1)
	for i := range block {
		state = state*1664525 + 1013904223
		block[i] = byte(state >> 24)
	}
	_, err = f.Write(block)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(r.path)
		return
	}
	r.held = true
}

// give deletes the reserve and tells whether there was one.
func (r *reserve) give() bool {
	if !r.held {
		return false
	}
	r.held = false
	if os.Remove(r.path) != nil {
		return false
	}
	return syncDir(filepath.Dir(r.path)) == nil
}

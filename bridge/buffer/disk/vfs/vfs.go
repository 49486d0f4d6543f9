// Package vfs is what the disk buffer does to the files of its log, as an interface, so that tests can give it a disk
// that fails; System is the machine's own. The index has a hook of its own, since bbolt opens its file itself.
package vfs

import (
	"errors"
	"io/fs"
	"os"
)

// FS is a file system.
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
	// ReadAt reads as io.ReaderAt says.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes as io.WriterAt says. What was written is durable after Sync alone.
	WriteAt(p []byte, off int64) (int, error)
	// Truncate sets the size; durable after Sync alone.
	Truncate(size int64) error
	// Sync makes data and size durable.
	Sync() error
	// Close gives the file up, without Sync.
	Close() error
}

// System is the file system of the machine.
type System struct{}

// OpenFile implements FS.
func (System) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Remove implements FS.
func (System) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS.
func (System) SyncDir(dir string) error { return SyncDir(dir) }

// file syncs with fdatasync where there is one: data and size, not the times.
type file struct{ *os.File }

func (f file) Sync() error { return datasync(f.File) }

// Remove deletes a file; one that is not there is as good.
func Remove(fsys FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes the entries of a folder of the machine durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

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
		return fmt.Errorf("%w; free some on the file system of %s (%w)", buffer.ErrNoSpace, dir, err)
	}
	return fmt.Errorf("the buffer in %s cannot be written: %w; check the disk, and that the user of siembridge may write there", dir, err)
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
	return vfs.SyncDir(filepath.Dir(r.path)) == nil
}

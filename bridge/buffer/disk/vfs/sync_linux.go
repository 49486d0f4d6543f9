package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync writes a file's data and size through to the disk.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

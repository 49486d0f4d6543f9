//go:build unix

package disk

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// lockFile takes the lock of a state directory and writes this process's id into it. The system frees it when the
// process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, unusable(fmt.Errorf("lock %s: %w", path, err))
		}
		holder := make([]byte, 20)
		n, _ := f.ReadAt(holder, 0)
		return nil, fmt.Errorf("%w: process %s holds %s; stop it, or use another state_dir",
			buffer.ErrLocked, strings.TrimSpace(string(holder[:n])), path)
	}
	// The id is for the message above only: not being able to write it is no reason not to start.
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

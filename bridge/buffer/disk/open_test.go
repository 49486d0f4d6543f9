package disk

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// TestStateDirectoryThatCannotBeUsed: what keeps a start from the state directory is said with what helps against it.
func TestStateDirectoryThatCannotBeUsed(t *testing.T) {
	says := map[syscall.Errno]string{
		syscall.EACCES:  "has to belong to the user",
		syscall.EROFS:   "name a folder in state_dir that siembridge may write to",
		syscall.ENOTDIR: "name a folder in state_dir that siembridge may write to",
		syscall.ENOSPC:  "free some space on the file system of state_dir",
	}
	for errno, want := range says {
		err := &fs.PathError{Op: "open", Path: "/state/lock", Err: errno}
		if got := unusable(err).Error(); !strings.Contains(got, want) || !strings.HasPrefix(got, err.Error()) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	full := &fs.PathError{Op: "write", Path: "/state/buffer/index.db", Err: syscall.ENOSPC}
	if got := explainOpen("/state", full).Error(); !strings.Contains(got, "free some on the file system of /state") {
		t.Errorf("an index that cannot be made on a full disk: %q", got)
	}
}

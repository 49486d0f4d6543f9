package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// errFault is what a step that was chosen to fail returns.
var errFault = errors.New("a fault of the test")

// faults counts every step that changes the disk, and lets one of them fail. It keeps what a power loss would leave
// of the log: what was synced.
type faults struct {
	FS
	err     error // what a failing step returns
	at      int   // the step that fails; 0: none
	applied bool  // the failing step happens, and is reported as failed
	dead    bool  // every step behind it fails, too: the process is gone

	steps   int
	failed  bool
	name    string            // of the step that failed
	durable map[string][]byte // by name of the file, what was synced
	entries map[string]bool   // files whose entry in the folder was synced
	poison  map[string]bool   // files a sync of which failed: no later one makes good what that one lost
}

func newFaults() *faults {
	return &faults{FS: osFS{}, err: errFault, durable: map[string][]byte{}, entries: map[string]bool{}, poison: map[string]bool{}}
}

// step runs one step, or not.
func (f *faults) step(name string, do func() error) error {
	f.steps++
	if f.failed && f.dead {
		return f.err
	}
	if f.steps != f.at {
		return do()
	}
	f.failed, f.name = true, name
	if f.applied {
		do()
	}
	return f.err
}

func (f *faults) OpenFile(name string, flag int, perm fs.FileMode) (file File, err error) {
	if flag&os.O_CREATE == 0 {
		if file, err = f.FS.OpenFile(name, flag, perm); err == nil {
			file = &faultFile{file, f, name}
		}
		return file, err
	}
	err = f.step("create", func() error {
		file, err = f.FS.OpenFile(name, flag, perm)
		f.durable[name] = nil
		delete(f.poison, name)
		return err
	})
	if err != nil {
		if file != nil {
			file.Close()
		}
		return nil, err
	}
	return &faultFile{file, f, name}, nil
}

func (f *faults) Remove(name string) error {
	return f.step("remove", func() error {
		delete(f.durable, name)
		delete(f.entries, name)
		return f.FS.Remove(name)
	})
}

func (f *faults) SyncDir(dir string) error {
	return f.step("sync folder", func() error {
		for name := range f.durable {
			if filepath.Dir(name) == dir {
				f.entries[name] = true
			}
		}
		return nil
	})
}

// transaction surrounds the commits of the index.
func (f *faults) transaction(commit func() error) error { return f.step("commit", commit) }

type faultFile struct {
	File
	f    *faults
	name string
}

func (f *faultFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.f.step("write", func() error {
		n, err = f.File.WriteAt(p, off)
		return err
	})
	if err != nil && !f.f.applied {
		n, _ = f.File.WriteAt(p[:len(p)/2], off) // torn
	}
	return n, err
}

func (f *faultFile) Truncate(size int64) error {
	return f.f.step("truncate", func() error { return f.File.Truncate(size) })
}

func (f *faultFile) Sync() error {
	err := f.f.step("sync", func() error {
		content, err := os.ReadFile(f.name)
		if !f.f.poison[f.name] {
			f.f.durable[f.name] = content
		}
		return err
	})
	f.f.poison[f.name] = f.f.poison[f.name] || err != nil
	return err
}

// powerLoss makes of the log what would be left of it. torn leaves garbage where data was written and not synced.
func (f *faults) powerLoss(t *testing.T, torn bool) {
	t.Helper()
	for name, content := range f.durable {
		now, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case torn && len(now) > len(content) && bytes.HasPrefix(now, content):
			rest := now[len(content):]
			for i := range rest {
				if i%512 > 200 {
					rest[i] ^= 0x55
				}
			}
			err = os.WriteFile(name, now[:len(now)-len(rest)/3], 0o600)
		case !f.entries[name]:
			err = os.Remove(name)
		default:
			err = os.WriteFile(name, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (f *faults) String() string {
	var b strings.Builder
	b.WriteString(f.name)
	if f.applied {
		b.WriteString(", done but reported as failed")
	}
	return b.String()
}

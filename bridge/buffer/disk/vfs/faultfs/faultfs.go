// Package faultfs is a disk for tests that fails where it is told to, dies in the middle of a step, and knows what a
// power loss would leave of the files.
package faultfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs"
)

// ErrFault is what a step gives that failed, unless Disk.Err says otherwise.
var ErrFault = errors.New("a fault of the test")

// Effect is what becomes of a step.
type Effect uint8

// The effects. A step that dies is the last that has any: each behind it fails, as if the process were gone.
const (
	Works      Effect = iota
	Fails             // it does not happen, a write in half, and is reported as failed
	FailsDone         // it happens, and is reported as failed
	Dies              // as Fails, and the process is gone
	DiesDone          // as FailsDone, and the process is gone
	DiesWithin        // a commit of the index of which the disk has some pages when the process goes, for PowerLoss
)

// Disk is the machine's file system with faults. It counts the steps that change something: create, write, truncate,
// sync, remove, sync folder, and commit of the index.
type Disk struct {
	// Decide says what becomes of a step, counted from 1; nil: all work. It is called for one step at a time and may
	// not call the Disk.
	Decide func(step int, name string) Effect
	// Err is what a failed step returns; nil: ErrFault.
	Err error
	// Index is the path of the index, for DiesWithin and PowerLoss.
	Index string

	mu     sync.Mutex
	steps  int
	dead   bool
	last   string // the step that failed last
	files  map[string]*state
	before []byte // the index before the commit within which the process died
	after  []byte
}

var _ vfs.FS = (*Disk)(nil)

// state is what is durable of a file.
type state struct {
	synced   []byte // its content at the last good sync
	dirty    bool   // it was written since
	entry    bool   // its entry in the folder is durable
	poisoned bool   // a sync failed: no later one makes good what that one lost
	removed  bool   // it was deleted, which is not durable yet
}

// Steps returns how many steps there were.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// Dead tells whether the process is gone.
func (d *Disk) Dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// String names the step that failed last.
func (d *Disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// names of the effects in String.
var names = [...]string{Fails: "failed", FailsDone: "done but reported as failed", Dies: "died before", DiesDone: "died behind", DiesWithin: "died within"}

// step runs one step as its effect says; half is what is left of one that fails, nil for nothing. d.mu is held.
func (d *Disk) step(name string, do, half func() error) error {
	d.steps++
	if d.dead {
		return d.fault()
	}
	effect := Works
	if d.Decide != nil {
		effect = d.Decide(d.steps, name)
	}
	if effect == Works {
		return do()
	}
	d.last = name + " " + names[effect]
	d.dead = effect >= Dies
	switch {
	case effect == FailsDone || effect == DiesDone || effect == DiesWithin:
		do()
	case half != nil:
		half()
	}
	return d.fault()
}

func (d *Disk) fault() error {
	if d.Err != nil {
		return d.Err
	}
	return ErrFault
}

// Commit surrounds a commit of the index.
func (d *Disk) Commit(commit func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, _ := os.ReadFile(d.Index)
	dead := d.dead
	err := d.step("commit", commit, nil)
	if d.dead && !dead {
		d.before = before
		d.after, _ = os.ReadFile(d.Index)
	}
	return err
}

// OpenFile implements vfs.FS.
func (d *Disk) OpenFile(name string, flag int, perm fs.FileMode) (opened vfs.File, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = map[string]*state{}
	}
	if flag&os.O_CREATE == 0 {
		if opened, err = (vfs.System{}).OpenFile(name, flag, perm); err != nil {
			return nil, err
		}
		if d.files[name] == nil { // from an earlier life
			content, err := os.ReadFile(name)
			if err != nil {
				return nil, errors.Join(err, opened.Close())
			}
			d.files[name] = &state{synced: content, entry: true}
		}
		return &file{opened, d, name}, nil
	}
	err = d.step("create", func() error {
		if opened, err = (vfs.System{}).OpenFile(name, flag, perm); err == nil {
			d.files[name] = &state{dirty: true}
		}
		return err
	}, nil)
	if err != nil {
		if opened != nil {
			opened.Close()
		}
		return nil, err
	}
	return &file{opened, d, name}, nil
}

// Remove implements vfs.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step("remove", func() error {
		if s := d.files[name]; s != nil {
			s.removed = true
		}
		return os.Remove(name)
	}, nil)
}

// SyncDir implements vfs.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step("sync folder", func() error {
		for name, s := range d.files {
			switch {
			case filepath.Dir(name) != dir:
			case s.removed:
				delete(d.files, name)
			default:
				s.entry = true
			}
		}
		return nil
	}, nil)
}

// file is an open file of a Disk.
type file struct {
	vfs.File
	d    *Disk
	name string
}

// state is what is durable of the file; one that was deleted is of no interest any more.
func (f *file) state() *state {
	if s := f.d.files[f.name]; s != nil {
		return s
	}
	return &state{}
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	write := func(p []byte) func() error {
		return func() error {
			f.state().dirty = true
			n, err = f.File.WriteAt(p, off)
			return err
		}
	}
	err = f.d.step("write", write(p), write(p[:len(p)/2]))
	return n, err
}

// Truncate implements vfs.File.
func (f *file) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.step("truncate", func() error {
		f.state().dirty = true
		return f.File.Truncate(size)
	}, nil)
}

// Sync implements vfs.File. It costs no real sync: what it makes durable, a Disk knows.
func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	s := f.state()
	err := f.d.step("sync", func() error {
		if s.poisoned {
			return nil
		}
		content, err := os.ReadFile(f.name)
		if err == nil {
			s.synced, s.dirty = content, false
		}
		return err
	}, nil)
	s.poisoned = s.poisoned || err != nil
	return err
}

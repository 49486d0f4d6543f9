package faultfs

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
)

// What a disk writes as a whole, and bbolt's page.
const (
	sector = 512
	page   = 4096
)

// PowerLoss makes of the files what a power loss could leave: what was synced, and of everything written since any
// sectors in any order, with zeros or garbage in the others; entries of the folder that were not synced are there or
// not. The index, if the process died within a commit, has any of the commit's pages, but not the one that makes it
// valid. The files must be closed.
func (d *Disk) PowerLoss(random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	var errs []error
	all := make([]string, 0, len(d.files))
	for name := range d.files {
		all = append(all, name)
	}
	slices.Sort(all) // so that a seed gives the same loss
	for _, name := range all {
		errs = append(errs, d.files[name].lose(name, random))
	}
	if d.before != nil && d.last == "commit "+names[DiesWithin] {
		errs = append(errs, os.WriteFile(d.Index, tornIndex(d.before, d.after, random), 0o600))
	}
	return errors.Join(errs...)
}

// lose makes of one file what could be left of it.
func (s *state) lose(name string, random *rand.Rand) error {
	now, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if s.removed && s.entry && random.IntN(2) == 0 {
			return os.WriteFile(name, s.synced, 0o600)
		}
		return nil
	case err != nil:
		return err
	case !s.entry && random.IntN(2) == 0:
		return os.Remove(name)
	case !s.dirty:
		return nil
	}
	return os.WriteFile(name, tornFile(s.synced, now, random), 0o600)
}

// tornFile mixes what was synced with what was written since.
func tornFile(synced, now []byte, random *rand.Rand) []byte {
	shorter, longer := min(len(synced), len(now)), max(len(synced), len(now))
	size := shorter
	if longer > shorter {
		size += random.IntN(longer - shorter + 1)
	}
	out := make([]byte, size)
	for at := 0; at < size; at += sector {
		end := min(at+sector, size)
		old, new := part(synced, at, end), part(now, at, end)
		switch random.IntN(4) {
		case 0:
			copy(out[at:end], old)
		case 1, 2:
			copy(out[at:end], new)
		default:
			copy(out[at:end], old)
			if !bytes.Equal(old, new) && len(old) < end-at { // what was never synced can be anything
				for i := len(old); i < end-at; i++ {
					out[at+i] = byte(random.Uint32())
				}
			}
		}
	}
	return out
}

func part(b []byte, from, to int) []byte { return b[min(from, len(b)):min(to, len(b))] }

// tornIndex has any of the pages that a commit wrote, but for the first two, of which bbolt writes one when all others
// are synced.
func tornIndex(before, after []byte, random *rand.Rand) []byte {
	out := slices.Clone(after)
	copy(out[:min(2*page, len(before), len(out))], before)
	for at := 2 * page; at < len(out); at += page {
		end := min(at+page, len(out))
		if random.IntN(2) == 0 {
			clear(out[at:end])
			copy(out[at:end], part(before, at, end))
		} else if random.IntN(4) == 0 { // torn
			half := min(at+sector*(1+random.IntN(7)), end)
			clear(out[half:end])
			copy(out[half:end], part(before, half, end))
		}
	}
	return out
}

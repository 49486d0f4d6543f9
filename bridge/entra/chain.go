package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// chain is the file that keeps a refresh token from one run to the next.
type chain struct {
	Version  int    `json:"version"`
	Seed     string `json:"seed_sha256"` // of the seed that the chain began with
	Current  string `json:"current"`
	Previous string `json:"previous"` // the one before, until current has worked

	Issued time.Time `json:"issued,omitzero"` // when current was; zero: not known

	found string // current as the file had it when it was read
}

const chainVersion = 1

// readChain returns the zero chain when there is no file. A file that cannot be understood is an error, not an empty
// chain: its token may be the only one that works.
func readChain(path string) (chain, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return chain{}, nil
	}
	if err != nil {
		return chain{}, fmt.Errorf("the stored refresh token cannot be read (%w)", err)
	}
	return parseChain(data, path)
}

// parseChain reads a chain as it is stored.
func parseChain(data []byte, path string) (chain, error) {
	var c chain
	if err := json.Unmarshal(data, &c); err != nil {
		return chain{}, fmt.Errorf("the stored refresh token in %s is damaged", path) // the JSON error could quote it
	}
	if c.Version != chainVersion {
		return chain{}, fmt.Errorf("the stored refresh token in %s has version %d, which this version does not know; run the version that wrote it, or a newer one", path, c.Version)
	}
	c.found = c.Current
	return c, nil
}

// encode returns a chain as it is stored.
func (c chain) encode() ([]byte, error) {
	c.Version = chainVersion
	return json.Marshal(c)
}

// writeChain replaces the file so that a kill at any point leaves the old or the new content, and returns when the
// new one is on disk.
func writeChain(path string, c chain, step func(string) error) error {
	data, err := c.encode()
	if err != nil {
		return err
	}
	temporary := path + ".new"
	// A temporary file from a run that was killed may have other permissions: it is made anew.
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = step("written")
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = step("synced")
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	if err := step("renamed"); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// noStep is the step function outside tests.
func noStep(string) error { return nil }

// syncDir makes a rename durable. Windows has no such call; there the rename is written through.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

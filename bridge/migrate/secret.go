package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// store writes a secret to a file of its own that only its owner can read, and returns its path. A file that is there
// with something else in it stays as it is.
func (m *Migration) store(name, secret string) (string, error) {
	path, err := filepath.Abs(filepath.Join(m.o.Secrets, "siembridge-"+name))
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		old, readErr := os.ReadFile(path)
		if readErr == nil && bytes.Equal(bytes.TrimSpace(old), []byte(secret)) {
			return path, os.Chmod(path, 0o600)
		}
		return "", fmt.Errorf("%s is there already with another secret: move it away, or name another folder with --secrets", path)
	}
	if err != nil {
		return "", fmt.Errorf("the secret cannot be stored: %w; make the folder, or name another with --secrets", err)
	}
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("the secret cannot be stored: %w; make the folder, or name another with --secrets", err)
	}
	fmt.Fprintf(m.o.Errors, "the %s is in %s, which only its owner can read\n", strings.ReplaceAll(name, "-", " "), path)
	return path, nil
}

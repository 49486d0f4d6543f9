package entra

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFilesOfNotepad: a credential that an editor on Windows has saved begins with a byte order mark, which is no part of
// it.
func TestFilesOfNotepad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("\xef\xbb\xbfa~secret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ReadFile(path); err != nil || string(text) != "a~secret\r\n" {
		t.Errorf("%q, %v", text, err)
	}
	if seed, err := readSeed(path); err != nil || seed != "a~secret" {
		t.Errorf("%q, %v", seed, err)
	}
}

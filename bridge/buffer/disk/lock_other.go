//go:build !unix

package disk

import "os"

// lockFile opens the lock of a state directory. On these systems the lock that bbolt takes on the index keeps a
// second process out.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	return f, unusable(err)
}

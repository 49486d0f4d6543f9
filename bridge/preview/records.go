package preview

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/siembridge/siembridge/formats/defender"
)

// OpenError is a file that cannot be opened.
type OpenError struct{ error }

// Unwrap returns what the system says.
func (e OpenError) Unwrap() error { return e.error }

// Records calls f for every record of the files, "-" being in. Records of no known kind are reported on errs and left
// out; unknown is how many there were. Its error is an OpenError, a record that cannot be read, or one of f.
func Records(paths []string, in io.Reader, errs io.Writer, f func(api defender.API, raw []byte) error) (unknown int, err error) {
	for _, path := range paths {
		n, err := fileRecords(path, in, errs, f)
		unknown += n
		if err != nil {
			return unknown, err
		}
	}
	return unknown, nil
}

func fileRecords(path string, in io.Reader, errs io.Writer, f func(api defender.API, raw []byte) error) (unknown int, err error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return 0, OpenError{err}
		}
		defer file.Close()
		in = file
	}
	n := 0
	_, err = defender.Split(defender.Unknown, in, func(raw []byte) error {
		n++
		api, legacy, ok := defender.Detect(raw)
		if !ok || legacy {
			unknown++
			why := "of no known kind"
			if legacy {
				why = "of Graph's first alerts API; use alerts_v2 (api = \"graph-alerts\")"
			}
			fmt.Fprintf(errs, "%s: record %d is %s; it is left out\n", path, n, why)
			return nil
		}
		if err := f(api, raw); err != nil {
			return fmt.Errorf("%s: record %d: %w", path, n, err)
		}
		return nil
	})
	if err != nil && !strings.HasPrefix(err.Error(), path+": ") {
		err = fmt.Errorf("%s: record %d: %w", path, n+1, err)
	}
	return unknown, err
}

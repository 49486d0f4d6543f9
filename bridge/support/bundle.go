package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// bundle is a tar.gz of files. What could not be found out stands in it as an error, since it may be what is wrong.
type bundle struct {
	zip *gzip.Writer
	tar *tar.Writer
	now time.Time
	err error
}

func newBundle(out io.Writer, now time.Time) *bundle {
	zip := gzip.NewWriter(out)
	return &bundle{zip: zip, tar: tar.NewWriter(zip), now: now}
}

func (b *bundle) close() error { return errors.Join(b.err, b.tar.Close(), b.zip.Close()) }

// add writes a value as a JSON file, or why there is none.
func (b *bundle) add(name string, value any, err error) {
	if err != nil {
		value = map[string]string{"error": err.Error()}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	if err := b.tar.WriteHeader(&tar.Header{Name: "siembridge-support/" + name, Mode: 0o600, Size: int64(text.Len()), ModTime: b.now}); err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	_, err = b.tar.Write(text.Bytes())
	b.err = errors.Join(b.err, err)
}

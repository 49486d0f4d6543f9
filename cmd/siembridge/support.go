package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/logging"
)

func newSupportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "support --config FILE",
		Short: "Write a bundle for a bug report, without secrets and events",
		Long: "support writes a tar.gz with the configuration (secrets and the values of fields are ***), the status, the size of the\n" +
			"quarantine, the last warnings and errors of the running daemon, the files of the state directory with their sizes, and\n" +
			"the versions of siembridge and the system. It holds no secret, no token, and nothing of what Microsoft sent; it does\n" +
			"hold host names, addresses, and the ids of tenant and app. Look through it before you send it. Where no daemon runs,\n" +
			"the state directory is read.",
		Example: "  siembridge support --config /etc/siembridge/siembridge.toml --output support.tar.gz",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	output := c.Flags().String("output", "", "file to write (default: siembridge-support-TIME.tar.gz in this folder)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		now := time.Now()
		client, err := daemonOf(*path)
		if err != nil {
			return err
		}
		name := *output
		if name == "" {
			name = "siembridge-support-" + now.UTC().Format("20060102-150405") + ".tar.gz"
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("%w; name another with --output", err)
		}
		b := newBundle(f, now)
		b.collect(c.Context(), *path, client)
		if err := errors.Join(b.close(), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintln(c.OutOrStdout(), name)
		return nil
	}
	return c
}

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

func (b *bundle) collect(ctx context.Context, path string, client *control.Client) {
	b.add("versions.json", versions(), nil)
	cfg, configErr := config.Load(path)
	var tree map[string]any
	dir, _ := config.StateDir(path) // it could be read a moment ago
	if configErr == nil {
		tree = config.Redacted(cfg)
	}
	b.add("config.json", tree, configErr)
	status, err := client.Status(ctx)
	if errors.Is(err, control.ErrNotRunning) && configErr == nil {
		status, err = bridge.StoppedStatus(cfg, buildVersion())
	}
	b.add("status.json", status, err)
	// Keys and reasons may have parts of what Microsoft sent.
	quarantine, err := client.Quarantined(ctx)
	b.add("quarantine.json", map[string]any{"records": len(quarantine.Records), "dropped": quarantine.Dropped}, err)
	lines, err := client.Log(ctx)
	b.add("errors.json", withoutContents(lines), err)
	files, err := filesIn(dir)
	b.add("files.json", files, err)
}

// withoutContents leaves out of log lines what may be of a record.
func withoutContents(lines []logging.Line) []logging.Line {
	for _, line := range lines {
		for _, name := range []string{"key", "first", "reason"} {
			delete(line.Attrs, name)
		}
	}
	return lines
}

// versions are of this program and of what it runs on.
func versions() map[string]any {
	facts := map[string]any{"siembridge": buildVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "processors": runtime.NumCPU()}
	for name, path := range map[string]string{"kernel": "/proc/version", "system": "/etc/os-release"} { // where there are such files
		if text, err := os.ReadFile(path); err == nil {
			facts[name] = string(text[:min(len(text), 4096)])
		}
	}
	return facts
}

// maxFiles bounds the list of files in a state directory.
const maxFiles = 5000

type fileFacts struct {
	Name  string    `json:"name"`
	Size  int64     `json:"size"`
	Mode  string    `json:"mode"`
	Wrote time.Time `json:"written"`
}

func filesIn(dir string) (files []fileFacts, err error) {
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || len(files) >= maxFiles {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil // it was removed meanwhile
		}
		files = append(files, fileFacts{path, info.Size(), info.Mode().String(), info.ModTime()})
		return nil
	})
	return files, err
}

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestSupport: the bundle has what a bug report needs, and no secret, no token and nothing of an event.
func TestSupport(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20, refresh: true})
	d.arcsight.receiver.Close() // so that there is an error
	var log watched
	cmd := d.start(t, &log)
	d.qradar.wait(t, d.sightings, &log)
	d.settled(t, 0)
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(log.String(), "destination is down"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no error for the closed receiver:\n%s", tail(log.String()))
		}
	}
	running := d.bundle(t, "running.tar.gz")
	stop(t, cmd, &log)
	stopped := d.bundle(t, "stopped.tar.gz")

	if !strings.Contains(running["errors.json"], "destination is down") || !strings.Contains(running["quarantine.json"], `"records": 0`) {
		t.Errorf("of a running daemon: %s %s", running["errors.json"], running["quarantine.json"])
	}
	if !strings.Contains(stopped["errors.json"], "no siembridge runs") {
		t.Errorf("of none: %s", stopped["errors.json"])
	}
	for _, b := range []map[string]string{running, stopped} {
		for file, want := range map[string]string{"versions.json": `"go"`, "config.json": `"client_secret": "***"`, "status.json": `"pending_records": 20`, "files.json": "index"} {
			if !strings.Contains(b[file], want) {
				t.Errorf("%s has no %q: %s", file, want, b[file])
			}
		}
	}
	var ids []string
	d.mu.Lock()
	for v := range d.want {
		ids = append(ids, v.record)
	}
	d.mu.Unlock()
	token, err := os.ReadFile(filepath.Join(filepath.Dir(d.config), "seed"))
	if err != nil {
		t.Fatal(err)
	}
	title := string(emulator.NewGenerator(11, true).Record("graph-alerts", time.Now()).JSON())
	_, title, _ = strings.Cut(title, `"title":"`)
	if title, _, _ = strings.Cut(title, `"`); len(title) < 8 {
		t.Fatalf("no title to look for: %q", title)
	}
	for _, b := range []map[string]string{running, stopped} {
		for file, text := range b {
			for _, hidden := range append(ids, d.secret, string(token), "Bearer ", "access_token", "eyJ", title) {
				if strings.Contains(text, hidden) {
					t.Errorf("%s has %q in it", file, hidden)
				}
			}
		}
	}
}

// bundle runs siembridge support and returns the files in what it wrote.
func (d *drive) bundle(t *testing.T, name string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if stdout, stderr, code := d.command(t, "support", "--output", path); code != exitDone || !strings.Contains(stdout, path) {
		t.Fatalf("support: exit code %d, %q %q", code, stdout, stderr)
	}
	if _, _, code := d.command(t, "support", "--output", path); code != exitFailure {
		t.Errorf("support over a file that is there: exit code %d", code)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(h.Name)] = string(text)
	}
}

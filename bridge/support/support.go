// Package support makes the bundle that goes with a bug report: what an operator may give away of a running siembridge.
package support

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/logging"
)

// Write writes a bundle for a bug report to out: a tar.gz of files that hold no secret and nothing of what Microsoft sent.
// path is of the configuration; where no daemon answers client, the state directory is read. Its error is one of out.
func Write(ctx context.Context, out io.Writer, path string, client *control.Client, version string) error {
	b := newBundle(out, time.Now())
	b.collect(ctx, path, client, version)
	return b.close()
}

func (b *bundle) collect(ctx context.Context, path string, client *control.Client, version string) {
	b.add("versions.json", versions(version), nil)
	cfg, configErr := config.Load(path)
	var tree map[string]any
	dir, _ := config.StateDir(path) // it could be read a moment ago
	if configErr == nil {
		tree = config.Redacted(cfg)
	}
	b.add("config.json", tree, configErr)
	status, err := client.Status(ctx)
	if errors.Is(err, control.ErrNotRunning) && configErr == nil {
		status, err = bridge.StoppedStatus(cfg, version)
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
func versions(version string) map[string]any {
	facts := map[string]any{"siembridge": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "processors": runtime.NumCPU()}
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

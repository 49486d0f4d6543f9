package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
)

const bufferRecords = 20

// filledState is a state directory with records, and a configuration that names it.
func filledState(t *testing.T) (state, config string) {
	t.Helper()
	dir := t.TempDir()
	state, config = filepath.Join(dir, "state"), filepath.Join(dir, "siembridge.toml")
	b, err := disk.Open(disk.Options{Dir: state})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Queue(buffer.Destination{Name: "siem"}); err != nil {
		t.Fatal(err)
	}
	batch := buffer.Batch{Source: "s"}
	for i := range bufferRecords {
		batch.Records = append(batch.Records, buffer.Record{API: "alerts", Key: fmt.Sprint("k", i), Pulled: time.Now(), Raw: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	if _, err := b.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("state_dir = %q\n[[source]]\nname = \"s\"\napi = \"file\"\npath = \"-\"\n[[destination]]\nname = \"siem\"\naddress = \"127.0.0.1:1\"\n", state)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return state, config
}

// bufferCommand runs the built binary.
func bufferCommand(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, problems bytes.Buffer
	c := exec.Command(buildBinary(t), append([]string{"buffer"}, args...)...)
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), problems.String(), c.ProcessState.ExitCode()
}

// exported counts the lines of an export, each of which must be JSON.
func exported(t *testing.T, out string) (n int) {
	t.Helper()
	for line := range strings.Lines(out) {
		var r struct {
			Key string
			Raw struct{ N int }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Key != fmt.Sprint("k", r.Raw.N) {
			t.Fatalf("%q: %v", line, err)
		}
		n++
	}
	return n
}

func TestBufferWhole(t *testing.T) {
	_, config := filledState(t)
	if out, problems, code := bufferCommand(t, "verify", "--config", config); code != exitDone || !strings.Contains(out, "20 records") || !strings.Contains(out, "nothing is damaged") {
		t.Fatalf("%d\n%s%s", code, out, problems)
	}
	out, problems, code := bufferCommand(t, "export", "--config", config)
	if n := exported(t, out); code != exitDone || n != bufferRecords {
		t.Fatalf("%d, %d records\n%s", code, n, problems)
	}
	if _, problems, code := bufferCommand(t); code != exitUsage || !strings.Contains(problems, "export, move, verify") {
		t.Fatalf("%d\n%s", code, problems)
	}
}

func TestBufferDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		alter   func(b []byte) []byte
		says    string
		records int
	}{
		"flipped bit":   {"buffer/log/0000000000000001.log", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }, "cannot be read", bufferRecords - 1},
		"log too short": {"buffer/log/0000000000000001.log", func(b []byte) []byte { return b[:len(b)/2] }, "too short", 1},
		"no index":      {"buffer/index.db", func([]byte) []byte { return nil }, "the index:", bufferRecords},
		"index of junk": {"buffer/index.db", func(b []byte) []byte { return bytes.Repeat([]byte("junk"), len(b)/4) }, "the index:", bufferRecords},
	} {
		t.Run(name, func(t *testing.T) {
			state, config := filledState(t)
			path := filepath.Join(state, c.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.alter(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, problems, code := bufferCommand(t, "verify", "--config", config); code != exitFailure || !strings.Contains(out, c.says) {
				t.Fatalf("verify: %d\n%s%s", code, out, problems)
			}
			out, problems, code := bufferCommand(t, "export", "--config", config)
			if n := exported(t, out); code != exitFailure || !strings.Contains(problems, c.says) || n < c.records {
				t.Fatalf("export: %d, %d records\n%s", code, n, problems)
			}
		})
	}
}

// TestBufferInUse: a state directory that a process uses is refused, and the process is named.
func TestBufferInUse(t *testing.T) {
	state, config := filledState(t)
	b, err := disk.Open(disk.Options{Dir: state})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, what := range []string{"verify", "export"} {
		if _, problems, code := bufferCommand(t, what, "--config", config); code != exitFailure || !strings.Contains(problems, fmt.Sprintf("process %d ", os.Getpid())) {
			t.Fatalf("%s: %d\n%s", what, code, problems)
		}
	}
}

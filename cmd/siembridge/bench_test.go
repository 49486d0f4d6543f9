package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBench: every combination runs, and everything arrives: bench itself fails when it does not.
func TestBench(t *testing.T) {
	out, err := exec.Command(buildBinary(t), "bench", "--dir", t.TempDir(), "--count", "300", "--shapes", "graph-alerts", "--formats", "leef:2.0", "--destinations", "1,2").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "\n"); n != 2+1+2*2 {
		t.Errorf("%d lines:\n%s", n, out)
	}
	if out, err := exec.Command(buildBinary(t), "bench", "--shapes", "nonsense").CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
		t.Errorf("a shape that there is not: %v\n%s", err, out)
	}
}

// TestBenchPeers: a program that is installed is given the records, what it does is counted, and the others are named.
func TestBenchPeers(t *testing.T) {
	// In place of Python: its arguments are the script, the input and the port.
	path := t.TempDir()
	stub := "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/$3\nwhile read -r line; do echo \"$line\" >&3; done <$2\n"
	if err := os.WriteFile(filepath.Join(path, "python3"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(buildBinary(t), "bench", "--dir", t.TempDir(), "--count", "300", "--shapes", "detections", "--formats", "cef:0", "--transports", "tcp",
		"--peers", "script,telegraf")
	cmd.Env = append(os.Environ(), "PATH="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, table, _ := strings.Cut(string(out), "what else would do it")
	if fields := strings.Fields(table[strings.Index(table, "script"):]); len(fields) < 7 || fields[2] != "300" {
		t.Errorf("not all of the records arrived:\n%s", out)
	}
	if !strings.Contains(table, "telegraf: not installed") {
		t.Errorf("nothing is said of what is not installed:\n%s", out)
	}
	if out, err := exec.Command(buildBinary(t), "bench", "--peers", "nonsense").CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
		t.Errorf("a program that there is not: %v\n%s", err, out)
	}
}

package main

import (
	"os/exec"
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

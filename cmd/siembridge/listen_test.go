package main

import (
	"net"
	"os/exec"
	"strings"
	"testing"
)

// TestListen: a test receiver prints what arrives, says what is wrong with it, and counts.
func TestListen(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	log := newWatched()
	cmd := exec.Command(buildBinary(t), "listen", "--address", address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	log.wait(t, address)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Write([]byte("<180>Mar  2 08:00:00 host CEF:0|Microsoft|Defender|1|x|y|3|cat=z\n<180>Mar  2 08:00:00 host CEF:0|no|end\n"))
	if err != nil {
		t.Fatal(err)
	}
	log.wait(t, "CEF:0|Microsoft|Defender|1|x|y|3|cat=z")
	log.wait(t, "each of the seven header fields")
	if err := cmd.Process.Signal(terminate); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitFailure || !strings.Contains(log.String(), "2 frames, 1 malformed") {
		t.Errorf("%v\n%s", err, log)
	}
}

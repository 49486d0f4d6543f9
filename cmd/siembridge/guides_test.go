package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// notHere are the command lines of the guides that this test does not run, by what they begin with, and why.
var notHere = map[string]string{
	"siembridge login":       "needs somebody to sign in; TestLogin has a stand-in",
	"siembridge run":         "runs while the others do",
	"siembridge help":        "names no command",
	"siembridge bench":       "takes minutes; TestBench runs a short one",
	"siembridge listen":      "receives until it is stopped; TestListen",
	"siembridge buffer move": "wants servers of its own; TestMove in package bridge",
}

// needsStop are the commands that want the state directory to themselves.
var needsStop = []string{"siembridge buffer"}

// guideLines are the command lines of all guides as a shell takes them, each once.
func guideLines(t *testing.T) (running, stopped []string) {
	t.Helper()
	for _, text := range guides(t) {
		for _, call := range calls(text) {
			line, _, _ := strings.Cut("siembridge "+call, "  #")
			line = strings.TrimSpace(strings.NewReplacer("--config FILE", "--config siembridge.toml", "/etc/siembridge/", "").Replace(line))
			begins := func(prefix string) bool { return strings.HasPrefix(line, prefix) }
			switch {
			case slices.ContainsFunc(slices.Collect(maps.Keys(notHere)), begins), strings.HasSuffix(line, "…"):
			case len(strings.Fields(line)) == 2 && line != "siembridge demo": // a command's name in a sentence
			case slices.ContainsFunc(needsStop, begins):
				stopped = append(stopped, line)
			default:
				running = append(running, line)
			}
		}
	}
	slices.Sort(running)
	slices.Sort(stopped)
	return slices.Compact(running), slices.Compact(stopped)
}

// TestGuidesRun runs every command line of the guides by a shell, beside a daemon between an emulated tenant and emulated
// SIEMs. The paths of the guides are replaced by those of the test, nothing else.
func TestGuidesRun(t *testing.T) {
	t.Parallel()
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20})
	dir := filepath.Dir(d.config)
	r := emulator.NewGenerator(3, false).Record("graph-alerts", time.Now().Add(-time.Minute))
	for name, text := range map[string]string{
		"alert.json": string(r.JSON()), "alerts.json": string(r.JSON()), "events.log": "CEF:0|Microsoft|Defender|1|x|y|3|cat=z\n",
		"mine.toml": "[[entry]]\nkey = \"cs3\"\nlabel = \"Tenant\"\nfrom = \"/tenantId\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := disk.Open(disk.Options{Dir: filepath.Join(dir, "state"), MaxSize: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 17 { // the guide asks for number 17
		if _, err := b.Quarantine().Put(buffer.Record{Source: "graph-alerts", API: "graph-alerts", Key: fmt.Sprint(r.ID, i), Pulled: time.Now(), Raw: r.JSON()},
			"qradar: an older version could not read this"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	log := newWatched()
	cmd := d.start(t, log)
	d.wait(t, log)
	running, stopped := guideLines(t)
	if len(running) < 20 || len(stopped) < 1 {
		t.Fatalf("only %d and %d command lines were found: %q", len(running), len(stopped), running)
	}
	for _, line := range running {
		if strings.HasPrefix(line, "siembridge replay") { // one at a time
			d.statusUntil(t, log, func(s *admin.Status) bool { return s.Destinations[0].Replay == nil })
		}
		d.shell(t, line)
	}
	stop(t, cmd, log)
	for _, line := range stopped {
		d.shell(t, line)
	}
}

// shell runs a command line of a guide.
func (d *drive) shell(t *testing.T, line string) {
	t.Helper()
	properties, err := filepath.Abs(filepath.Join("..", "..", "formats", "flexconnector", "testdata", "WDATP-connector.properties"))
	if err != nil {
		t.Fatal(err)
	}
	file := "alert.json"
	for prefix, other := range map[string]string{"siembridge import": properties, "siembridge lint": "events.log"} {
		if strings.HasPrefix(line, prefix) {
			file = other
		}
	}
	text := strings.NewReplacer("FILE...", file, "FILE", file, "> siembridge.toml", "> imported.toml").Replace(line)
	cmd := exec.Command("sh", "-c", text)
	cmd.Dir, cmd.Env = filepath.Dir(d.config), append(os.Environ(), "PATH="+filepath.Dir(d.binary)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(line, "--until") { // of a time of which nothing is retained
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

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

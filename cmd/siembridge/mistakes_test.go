package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// watched is the log of a running binary, in which a test waits for words.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func newWatched() *watched { return &watched{wrote: make(chan struct{}, 1)} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	select {
	case w.wrote <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// wait waits until one line of the log holds all words.
func (w *watched) wait(t *testing.T, words ...string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		for line := range strings.Lines(w.String()) {
			if containsAll(line, words) {
				return
			}
		}
		select {
		case <-w.wrote:
		case <-timeout:
			t.Fatalf("no line of the log says %q:\n%s", words, tail(w.String()))
		}
	}
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// issued is a server's configuration with a certificate of ca.
func issued(t *testing.T, ca *emulator.CA, until time.Time, names ...string) *tls.Config {
	t.Helper()
	cert, key, err := ca.Issue(until, names...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// toSilent makes the QRadar of a configuration a receiver that reads, and closes nothing before the test ends.
func toSilent(t *testing.T, d *drive, text string, secure *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var accepting, reading sync.WaitGroup
	t.Cleanup(func() { l.Close(); accepting.Wait(); close(over); reading.Wait() })
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reading.Go(func() { <-over; c.Close() })
			reading.Go(func() {
				stream := c
				if secure != nil {
					stream = tls.Server(c, secure)
				}
				_, _ = io.Copy(io.Discard, stream)
			})
		}
	})
	return strings.ReplaceAll(text, d.qradar.receiver.Address()+`"`, l.Addr().String()+"\"\nconnect_timeout = \"1s\"")
}

// TestCheckNamesSilence: a TLS receiver that has read close_notify and answers nothing is told apart from one that
// confirms.
func TestCheckNamesSilence(t *testing.T) {
	d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 1})
	d.tenant.SetFaults(emulator.Faults{})
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(authority, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	with := toSilent(t, d, replaceLine(string(text), "ca_file", "ca_file = '"+authority+"'"), issued(t, ca, time.Now().Add(time.Hour), "127.0.0.1"))
	if err := os.WriteFile(d.config, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(d.binary, "check", "--config", d.config).CombinedOutput()
	if err != nil || !containsAll(string(out), []string{"connected over tls", "confirms what it has read", "does not close its side when ours is closed", `confirm = "ack"`}) {
		t.Errorf("check: %v\n%s", err, out)
	}
}

// TestMistakesOfSetup: each mistake has one message that names the thing and the remedy, in the log of run and in what
// check prints.
func TestMistakesOfSetup(t *testing.T) {
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	listen := func(t *testing.T, config *tls.Config) string {
		r, err := emulator.Listen("127.0.0.1:0", config, func(emulator.Received) {})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r.Address()
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for name, with := range map[string]struct {
		change func(t *testing.T, d *drive, text string) string
		says   []string
	}{
		"wrong secret": {func(t *testing.T, d *drive, text string) string {
			return strings.ReplaceAll(text, d.secret, "not-the-secret")
		},
			[]string{"AADSTS7000215", "secret"}},
		"no such tenant host": {func(t *testing.T, d *drive, text string) string {
			return replaceLine(text, "endpoint =", `endpoint = "https://graph.invalid/graph-alerts"`)
		}, []string{"graph.invalid", "no such host"}},
		"no such SIEM": {func(t *testing.T, d *drive, text string) string {
			return strings.ReplaceAll(text, d.arcsight.receiver.Address(), "siem.invalid:514")
		}, []string{"siem.invalid:514", "there is no such host", "DNS"}},
		"nobody listens": {func(t *testing.T, d *drive, text string) string {
			return strings.ReplaceAll(text, d.arcsight.receiver.Address(), nobody.Addr().String())
		}, []string{nobody.Addr().String(), "connection refused", "listens on this port"}},
		"expired certificate": {func(t *testing.T, d *drive, text string) string {
			authority := filepath.Join(t.TempDir(), "other.pem")
			if err := os.WriteFile(authority, ca.PEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			text = replaceLine(text, "ca_file", "ca_file = '"+authority+"'")
			return strings.ReplaceAll(text, d.qradar.receiver.Address(), listen(t, issued(t, ca, time.Now().Add(-time.Hour), "127.0.0.1")))
		}, []string{"certificate has expired", "renew it"}},
		"wrong authority": {func(t *testing.T, d *drive, text string) string {
			return strings.ReplaceAll(text, d.qradar.receiver.Address(), listen(t, issued(t, ca, time.Now().Add(time.Hour), "127.0.0.1")))
		}, []string{"authority that is not trusted", "tls.ca_file"}},
		"plain text for TLS": {func(t *testing.T, d *drive, text string) string {
			return toSilent(t, d, text, nil)
		}, []string{"TCP is connected, but the receiver does not answer the TLS handshake", "plain TCP"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 20})
			d.tenant.SetFaults(emulator.Faults{})
			text, err := os.ReadFile(d.config)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(d.config, []byte(with.change(t, d, string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(d.binary, "check", "--config", d.config).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("check: %v, want exit code 1\n%s", err, out)
			}
			if !containsAll(string(out), append(with.says, "FAILED")) {
				t.Errorf("check does not say %q:\n%s", with.says, out)
			}
			log := newWatched()
			cmd := exec.Command(d.binary, "run", "--config", d.config)
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			log.wait(t, with.says...)
			_ = cmd.Process.Signal(terminate)
			if err := cmd.Wait(); err != nil {
				t.Errorf("it does not stop cleanly: %v\n%s", err, tail(log.String()))
			}
			d.checkLog(t, string(out)+log.String())
		})
	}
}

// replaceLine puts line in place of the first that begins with prefix.
func replaceLine(text, prefix, line string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if strings.HasPrefix(lines[i], prefix) {
			lines[i] = line
			break
		}
	}
	return strings.Join(lines, "\n")
}

// TestMistakesThatPreventTheStart: run ends at once with one message that names the thing and the remedy.
func TestMistakesThatPreventTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() }) // after the parallel subtests
	for name, with := range map[string]struct {
		change func(text string) string
		code   int
		says   [][]string // words of a line each
	}{
		"state directory that cannot be made": {func(text string) string { return replaceLine(text, "state_dir", "state_dir = '"+file+"/state'") }, 1,
			[][]string{{"state_dir " + file + "/state", "not a directory"}}},
		"port of the status page in use": {func(text string) string {
			return replaceLine(text, `listen = ""`, `listen = "`+busy.Addr().String()+`"`)
		}, 1,
			[][]string{{"admin.listen " + busy.Addr().String(), "address already in use", "give it another port"}}},
		"no file of the authority": {func(text string) string { return replaceLine(text, "ca_file", "ca_file = '"+file+"'") }, 2,
			[][]string{{"tls.ca_file", file, "no certificate"}}},
		"not TOML": {func(text string) string { return replaceLine(text, "[log]", "[log") }, 2,
			[][]string{{"siembridge.toml:2"}}},
		"three mistakes at once": {func(text string) string {
			return replaceLine(replaceLine(replaceLine(text, "start =", `start = "yesterday"`), "poll_interval", `pol_interval = "1s"`), "confirm_bytes", `confirm_bytes = "64 potatoes"`)
		}, 2, [][]string{{"siembridge.toml:", "source[0].start"}, {"siembridge.toml:", "pol_interval", "poll_interval"}, {"siembridge.toml:", "destination[0].confirm_bytes"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDrive(t, driveOptions{apis: []string{"graph-alerts"}, records: 1})
			text, err := os.ReadFile(d.config)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(d.config, []byte(with.change(string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(d.binary, "run", "--config", d.config).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != with.code {
				t.Errorf("%v, want exit code %d", err, with.code)
			}
			for _, words := range with.says {
				said := false
				for line := range strings.Lines(string(out)) {
					said = said || containsAll(line, words)
				}
				if !said {
					t.Errorf("no line says %q:\n%s", words, out)
				}
			}
			d.checkLog(t, string(out))
		})
	}
}

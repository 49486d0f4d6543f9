//go:build interop

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestInterop sends events to real syslog daemons and compares what they parsed with what `preview` says was sent:
// every daemon, framing and header over TCP and TLS, LEEF and CEF. It needs rsyslog and syslog-ng, found by the
// variables that .ci/syslog-daemons sets, and fails without them.
func TestInterop(t *testing.T) {
	binary := buildBinary(t)
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeServerCertificate(t, ca, dir)
	records := interopRecords(t)

	for _, daemon := range []syslogDaemon{rsyslog{}, syslogNG{}} {
		for _, transport := range []string{"tcp", "tls"} {
			for _, form := range []struct{ header, framing string }{
				{"rfc3164", "newline"}, {"rfc5424", "newline"}, {"rfc3164", "octet-counting"}, {"rfc5424", "octet-counting"},
			} {
				if !daemon.takes(form.header, form.framing) {
					continue
				}
				for _, format := range []string{"leef:2.0", "cef:0"} {
					name := strings.Join([]string{daemon.name(), transport, form.header, form.framing, format}, "/")
					t.Run(name, func(t *testing.T) {
						run := interopRun{binary: binary, certificates: dir, dir: t.TempDir(), transport: transport,
							header: form.header, framing: form.framing, format: format}
						run.test(t, daemon, records)
					})
				}
			}
		}
	}
}

// interopRun is one daemon receiving one kind of event.
type interopRun struct {
	binary, certificates, dir                  string
	transport, header, framing, format, output string
	delimiter                                  string // of LEEF; "": the default
	port                                       int
}

func (r interopRun) test(t *testing.T, daemon syslogDaemon, records []byte) {
	r.port = freePort(t)
	r.output = filepath.Join(r.dir, "received")
	stop := daemon.start(t, r)
	config := r.writeConfig(t)

	preview := exec.Command(r.binary, "preview", "--config", config)
	preview.Stdin = bytes.NewReader(records)
	preview.Stderr = os.Stderr
	sent, err := preview.Output()
	if err != nil {
		t.Fatalf("preview: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, r.binary, "run", "--config", config)
	run.Stdin = bytes.NewReader(records)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("run: %v\n%s", err, out)
	}
	stop() // the daemon writes what it has before it ends

	received, err := os.ReadFile(r.output)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Count(sent, []byte("\n")); want == 0 || bytes.Count(received, []byte("\n")) != want {
		t.Fatalf("%d events sent, %d received", want, bytes.Count(received, []byte("\n")))
	}
	want, got := strings.Split(withoutPull(sent), "\n"), strings.Split(withoutPull(received), "\n")
	for i := range want {
		if want[i] != strings.TrimPrefix(got[i], " ") { // a relay's header leaves its blank to the text
			t.Errorf("event %d\n sent     %q\n received %q", i, want[i], got[i])
		}
	}
}

// pull matches what preview cannot know: who pulled the record, and when.
var pull = regexp.MustCompile(`[ \t^](MicrosoftDefenderSourceName|MicrosoftDefenderPulledTime|bridgeSource|pulledTime)=[^ \t^\n]*`)

func withoutPull(events []byte) string { return string(pull.ReplaceAll(events, nil)) }

func (r interopRun) writeConfig(t *testing.T) string {
	tls := ""
	if r.transport == "tls" {
		tls = fmt.Sprintf("[destination.tls]\nca_file = %q\nserver_name = \"localhost\"\n", filepath.Join(r.certificates, "ca.pem"))
	}
	text := fmt.Sprintf(`state_dir = %q
[admin]
listen = ""
[[source]]
name = "stdin"
api  = "file"
path = "-"
[[destination]]
name = "siem"
type = "generic"
address = "127.0.0.1:%d"
transport = %q
format = %q
header = %q
framing = %q
hostname = "bridge.example.org"
max_length = 65536
%s`, filepath.Join(r.dir, "state"), r.port, r.transport, r.format, r.header, r.framing, tls)
	if r.delimiter != "" {
		text = strings.Replace(text, "hostname =", fmt.Sprintf("delimiter = %q\nhostname =", r.delimiter), 1)
	}
	path := filepath.Join(r.dir, "siembridge.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// interopRecords are published samples and the hostile ones, one JSON record a line.
func interopRecords(t *testing.T) []byte {
	paths, err := filepath.Glob("../../formats/defender/testdata/*/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var out bytes.Buffer
	for _, path := range paths {
		switch name := filepath.Base(path); {
		case strings.Contains(path, "/errors/"), name == "synthetic-unknown-shapes.json": // no records, or one that is only an id
			continue
		case name == "openaev-o365-zap-update-2.json", name == "rapid7-mailbox-page.json", name == "rapid7-mailbox-single.json", name == "synthetic-page-2.json": // repeat ids of another file
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range recordsIn(text) {
			if err := json.Compact(&out, record); err == nil {
				out.WriteByte('\n')
			}
		}
	}
	return out.Bytes()
}

// recordsIn takes the records out of a page, an array or a single object.
func recordsIn(text []byte) []json.RawMessage {
	var page struct{ Value []json.RawMessage }
	if json.Unmarshal(text, &page) == nil && page.Value != nil {
		return page.Value
	}
	var array []json.RawMessage
	if json.Unmarshal(text, &array) == nil {
		return array
	}
	return []json.RawMessage{text}
}

// syslogDaemon is a receiver that was written by others.
type syslogDaemon interface {
	name() string
	takes(header, framing string) bool
	// start runs the daemon until the returned function is called, which waits for its end.
	start(t *testing.T, r interopRun) (stop func())
}

type rsyslog struct{}

func (rsyslog) name() string              { return "rsyslog" }
func (rsyslog) takes(string, string) bool { return true }

func (rsyslog) start(t *testing.T, r interopRun) func() {
	tls, mode := "", ""
	if r.transport == "tls" {
		tls = fmt.Sprintf("global(defaultNetstreamDriver=\"gtls\" defaultNetstreamDriverCAFile=%q defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q)\n",
			filepath.Join(r.certificates, "ca.pem"), filepath.Join(r.certificates, "server.pem"), filepath.Join(r.certificates, "server-key.pem"))
		mode = ` streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authmode="anon"`
	}
	// rsyslog takes what stands before the first colon of an RFC 3164 text for its tag.
	payload := "%syslogtag%%msg%"
	if r.header == "rfc5424" {
		payload = "%msg%"
	}
	conf := tls + fmt.Sprintf(`global(workDirectory=%q maxMessageSize="64k" parser.escapeControlCharacterTab="off")
module(load="imtcp"%s)
template(name="payload" type="string" string="%s\n")
input(type="imtcp" port="%d" address="127.0.0.1" ruleset="all")
ruleset(name="all") { action(type="omfile" file=%q template="payload") }
`, r.dir, mode, payload, r.port, r.output)
	path := filepath.Join(r.dir, "rsyslog.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return startDaemon(t, r, exec.Command(os.Getenv("RSYSLOGD"), "-n", "-f", path, "-i", filepath.Join(r.dir, "rsyslog.pid")))
}

// TestInteropRelay sends LEEF with ^ between its attributes through an rsyslog with stock settings, which rewrites tabs
// and forwards by TCP to another that stands for the SIEM: the events are the same at the far end. The header is that of
// RFC 5424: in one of RFC 3164 the relay would take "LEEF:" for the tag and put a blank behind it.
func TestInteropRelay(t *testing.T) {
	run := interopRun{binary: buildBinary(t), dir: t.TempDir(), transport: "tcp", header: "rfc5424", framing: "newline", format: "leef:2.0", delimiter: "^"}
	run.test(t, relay{}, interopRecords(t))
}

// relay is an rsyslog as installed, but for ports and files, before one that writes what it gets.
type relay struct{ rsyslog }

func (relay) start(t *testing.T, r interopRun) func() {
	near, far := r, r
	far.port, far.dir = freePort(t), t.TempDir()
	stopFar := rsyslog{}.start(t, far)
	conf := fmt.Sprintf(`global(workDirectory=%q maxMessageSize="64k")
module(load="imtcp")
input(type="imtcp" port="%d" address="127.0.0.1")
action(type="omfwd" target="127.0.0.1" port="%d" protocol="tcp" action.resumeRetryCount="-1")
`, near.dir, near.port, far.port)
	path := filepath.Join(near.dir, "relay.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	stopNear := startDaemon(t, near, exec.Command(os.Getenv("RSYSLOGD"), "-n", "-f", path, "-i", filepath.Join(near.dir, "relay.pid")))
	return func() { stopNear(); stopFar() }
}

type syslogNG struct{}

func (syslogNG) name() string { return "syslog-ng" }

// takes: its octet-counting driver reads RFC 5424 only.
func (syslogNG) takes(header, framing string) bool {
	return header == "rfc5424" || framing == "newline"
}

func (syslogNG) start(t *testing.T, r interopRun) func() {
	driver, flags, payload := "network", "", "${LEGACY_MSGHDR}${MESSAGE}"
	if r.header == "rfc5424" {
		flags, payload = "flags(syslog-protocol)", "${MESSAGE}"
	}
	if r.framing == "octet-counting" {
		driver, flags = "syslog", ""
	}
	tls := ""
	if r.transport == "tls" {
		tls = fmt.Sprintf("tls(key-file(%q) cert-file(%q) peer-verify(optional-untrusted))",
			filepath.Join(r.certificates, "server-key.pem"), filepath.Join(r.certificates, "server.pem"))
	}
	conf := fmt.Sprintf(`@version: 3.38
options { log-msg-size(65536); keep-hostname(yes); use-dns(no); flush-lines(1); };
source s { %s(ip("127.0.0.1") port(%d) transport("%s") %s %s); };
destination d { file(%q template("%s\n") template-escape(no)); };
log { source(s); destination(d); };
`, driver, r.port, r.transport, tls, flags, r.output, payload)
	path := filepath.Join(r.dir, "syslog-ng.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(r.dir, name) }
	cmd := exec.Command(os.Getenv("SYSLOG_NG"), "-F", "--no-caps", "-f", path, "-R", in("persist"), "-p", in("pid"), "-c", in("control"),
		"--module-path", os.Getenv("SYSLOG_NG_MODULES"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+os.Getenv("SYSLOG_NG_LIB"))
	return startDaemon(t, r, cmd)
}

// startDaemon starts a daemon and waits until it listens.
func startDaemon(t *testing.T, r interopRun, cmd *exec.Cmd) func() {
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("the daemon does not start: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Process.Signal(os.Signal(terminate))
		<-ended
	}
	t.Cleanup(stop)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
		if err == nil {
			conn.Close()
			return stop
		}
		select {
		case err := <-ended:
			t.Fatalf("the daemon ended: %v\n%s", err, log.String())
		case <-t.Context().Done():
			t.Fatalf("the daemon does not listen\n%s", log.String())
		case <-tick.C:
		}
	}
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

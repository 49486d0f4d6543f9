//go:build peers

package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var (
	//go:embed testdata/peers/syslog-ng.conf
	peerSyslogNG string
	//go:embed testdata/peers/rsyslog.conf
	peerRsyslog string
	//go:embed testdata/peers/telegraf.conf
	peerTelegraf string
)

func (r *peerRun) in(name string) string { return filepath.Join(r.dir, name) }

// write writes a configuration with its placeholders filled in.
func (r *peerRun) write(name, text string, pairs ...string) (path string) {
	pairs = append(pairs, "@@IN@@", r.input, "@@STATE@@", r.dir, "@@PORT@@", r.port)
	if err := os.WriteFile(r.in(name), []byte(strings.NewReplacer(pairs...).Replace(text)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return r.in(name)
}

func (r *peerRun) bridge(confirm string) *exec.Cmd {
	secure := ""
	if r.ca != "" {
		secure = fmt.Sprintf("[destination.tls]\nca_file = %q\nserver_name = \"localhost\"\n", r.ca)
	}
	path := r.write("siembridge.toml", fmt.Sprintf(`state_dir = %q
[admin]
listen = ""
[[source]]
name = "file"
api = "file"
path = "-"
[[destination]]
name = "siem"
type = "generic"
format = "cef:0"
header = "rfc3164"
framing = "newline"
address = "127.0.0.1:%s"
transport = %q
confirm = %q
%s`, r.in("state"), r.port, *peersTransport, confirm, secure))
	in, err := os.Open(r.input)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { in.Close() })
	cmd := exec.Command(buildBinary(r.t), "run", "--config", path)
	cmd.Stdin = in
	return cmd
}

func (r *peerRun) rsyslog(queue string) *exec.Cmd {
	global, action := "", ""
	if r.ca != "" {
		global = fmt.Sprintf(`defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q`, r.ca)
		action = `streamDriver="gtls" streamDriverMode="1" streamDriverAuthMode="x509/certvalid"`
	}
	path := r.write("rsyslog.conf", peerRsyslog, "@@MODDIR@@", "", "@@QTYPE@@", queue, "@@TLSGLOBAL@@", global, "@@TLSACTION@@", action)
	return exec.Command(program(r.t, "RSYSLOGD"), "-n", "-f", path, "-i", r.in("pid"))
}

func (r *peerRun) syslogNG() *exec.Cmd {
	secure := ""
	if r.ca != "" {
		secure = fmt.Sprintf("tls(ca-file(%q) peer-verify(required-trusted))", r.ca)
	}
	path := r.write("syslog-ng.conf", peerSyslogNG, "@@DRIVER@@", "network", "@@TRANSPORT@@", fmt.Sprintf("transport(%q)", *peersTransport),
		"@@TLSOPTS@@", secure, "@@DISKBUF@@", "reliable(yes) disk-buf-size(4294967296) mem-buf-size(67108864)")
	cmd := exec.Command(program(r.t, "SYSLOG_NG"), "-F", "--no-caps", "-f", path, "-R", r.in("persist"), "-p", r.in("pid"),
		"-c", r.in("control"), "--module-path", os.Getenv("SYSLOG_NG_MODULES"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+os.Getenv("SYSLOG_NG_LIB"))
	return cmd
}

func (r *peerRun) telegraf() *exec.Cmd {
	scheme, secure := "tcp", ""
	if r.ca != "" {
		scheme, secure = "tcp+tls", fmt.Sprintf("tls_ca = %q", r.ca)
	}
	path := r.write("telegraf.conf", peerTelegraf, "@@SCHEME@@", scheme, "@@STRATEGY@@", "disk", "@@TLSOPTS@@", secure)
	return exec.Command(program(r.t, "TELEGRAF"), "--config", path)
}

func (r *peerRun) script() *exec.Cmd {
	return exec.Command("python3", "testdata/peers/script.py", r.input, r.port, r.dir, r.ca, "testdata/peers/mapping.json")
}

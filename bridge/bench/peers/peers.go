// Package peers has other programs that would do siembridge's job, each with the configuration by which it does: a file
// of detections as CEF to a SIEM.
package peers

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Files are the configurations by which other programs do siembridge's job: a file of detections, CEF with all that
// Microsoft's own ArcSight mapping has (mapping.json), syslog over TCP or TLS, with a buffer on disk where they have one.
//
//go:embed files
var Files embed.FS

// Program is a program that a user might run in siembridge's place.
type Program struct {
	Name    string                                          // of the flag, and in tables
	Binary  string                                          // as it is installed
	Ends    bool                                            // by itself, when all is sent
	Command func(s Setup, binary string) (*exec.Cmd, error) // what runs it; its files are in Setup.Dir then
}

// Programs are all that there are.
var Programs = []Program{
	{"syslog-ng", "syslog-ng", false, Setup.syslogNG},
	{"rsyslog-assisted", "rsyslogd", false, func(s Setup, binary string) (*exec.Cmd, error) { return s.rsyslog(binary, "LinkedList") }},
	{"rsyslog-disk", "rsyslogd", false, func(s Setup, binary string) (*exec.Cmd, error) { return s.rsyslog(binary, "Disk") }},
	{"telegraf", "telegraf", false, Setup.telegraf},
	{"script", "python3", true, Setup.script},
}

// Names returns their names.
func Names() (names []string) {
	for _, p := range Programs {
		names = append(names, p.Name)
	}
	return names
}

// Installed returns the path of the program; "": it is not installed.
func (p *Program) Installed() string {
	for _, name := range []string{p.Binary, "/usr/sbin/" + p.Binary, "/usr/local/sbin/" + p.Binary} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Setup is what a program is given.
type Setup struct {
	Dir   string // its own folder, empty at first
	Input string // file of the records
	Port  string // of the receiver on this machine
	CA    string // a file: over TLS; "": over TCP
}

// write writes one of the files with its placeholders filled in.
func (s Setup) write(name string, pairs ...string) (path string, err error) {
	text, err := Files.ReadFile("files/" + name)
	if err != nil {
		return "", err
	}
	pairs = append(pairs, "@@IN@@", s.Input, "@@STATE@@", s.Dir, "@@PORT@@", s.Port)
	path = filepath.Join(s.Dir, name)
	return path, os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600)
}

func (s Setup) rsyslog(binary, queue string) (*exec.Cmd, error) {
	global, action := "", ""
	if s.CA != "" {
		global = fmt.Sprintf(`defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q`, s.CA)
		action = `streamDriver="gtls" streamDriverMode="1" streamDriverAuthMode="x509/certvalid"`
	}
	path, err := s.write("rsyslog.conf", "@@MODDIR@@", "", "@@QTYPE@@", queue, "@@TLSGLOBAL@@", global, "@@TLSACTION@@", action)
	return exec.Command(binary, "-n", "-f", path, "-i", filepath.Join(s.Dir, "pid")), err
}

func (s Setup) syslogNG(binary string) (*exec.Cmd, error) {
	transport, secure := "tcp", ""
	if s.CA != "" {
		transport, secure = "tls", fmt.Sprintf("tls(ca-file(%q) peer-verify(required-trusted))", s.CA)
	}
	path, err := s.write("syslog-ng.conf", "@@DRIVER@@", "network", "@@TRANSPORT@@", fmt.Sprintf("transport(%q)", transport),
		"@@TLSOPTS@@", secure, "@@DISKBUF@@", "reliable(yes) disk-buf-size(4294967296) mem-buf-size(67108864)")
	in := func(name string) string { return filepath.Join(s.Dir, name) }
	return exec.Command(binary, "-F", "--no-caps", "-f", path, "-R", in("persist"), "-p", in("pid"), "-c", in("control")), err
}

func (s Setup) telegraf(binary string) (*exec.Cmd, error) {
	secure := ""
	if s.CA != "" {
		secure = fmt.Sprintf("tls_ca = %q", s.CA)
	}
	path, err := s.write("telegraf.conf", "@@STRATEGY@@", "disk", "@@TLSOPTS@@", secure)
	return exec.Command(binary, "--config", path), err
}

func (s Setup) script(binary string) (*exec.Cmd, error) {
	mapping, err := s.write("mapping.json")
	if err != nil {
		return nil, err
	}
	path, err := s.write("script.py")
	return exec.Command(binary, path, s.Input, s.Port, s.Dir, s.CA, mapping), err
}

//go:build matrix

package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// matrixSender is a program that follows a file of detections and sends them as CEF over syslog.
type matrixSender interface {
	// prepare writes the program's configuration and returns what starts it, each time anew.
	prepare(t *testing.T, c *matrixCell) func() *exec.Cmd
}

func matrixSenders() map[string]matrixSender {
	return map[string]matrixSender{"siembridge": bridgeSender{}, "rsyslog": rsyslogSender{}, "syslog-ng": syslogNGSender{}}
}

type bridgeSender struct{}

func (bridgeSender) prepare(t *testing.T, c *matrixCell) func() *exec.Cmd {
	binary := buildBinary(t)
	confirm, secure := "close", ""
	if c.fault.acknowledge && c.killSender {
		confirm = "ack" // else each start would ask for a minute whether the receiver confirms
	}
	if c.tls {
		secure = fmt.Sprintf("[destination.tls]\nca_file = %q\n", filepath.Join(c.dir, "ca.pem"))
	}
	path := c.write("siembridge.toml", fmt.Sprintf(`state_dir = %q
[admin]
listen = ""
[[source]]
name = "file"
api  = "file"
path = %q
poll_interval = "1s"
[[destination]]
name = "siem"
type = "arcsight"
address = "%s:%s"
transport = %q
confirm = %q
confirm_timeout = "2s"
connect_timeout = "2s"
%s`, filepath.Join(c.dir, "state"), c.input, receiverAddress, receiverPort, c.transport(), confirm, secure))
	return func() *exec.Cmd { return c.net.command(c.net.sender(), binary, "run", "--config", path) }
}

//go:embed testdata/matrix/rsyslog.conf
var rsyslogConf string

type rsyslogSender struct{}

func (rsyslogSender) prepare(t *testing.T, c *matrixCell) func() *exec.Cmd {
	secure, action := "", ""
	if c.tls {
		secure = fmt.Sprintf(`defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q`, filepath.Join(c.dir, "ca.pem"))
		action = `streamDriver="gtls" streamDriverMode="1" streamDriverAuthMode="x509/certvalid"`
	}
	path := c.fill("rsyslog.conf", rsyslogConf, "@@TLSGLOBAL@@", secure, "@@TLSACTION@@", action)
	return func() *exec.Cmd {
		_ = os.Remove(filepath.Join(c.dir, "rsyslog.pid")) // of a killed one
		return c.net.command(c.net.sender(), program(t, "RSYSLOGD"), "-n", "-f", path, "-i", filepath.Join(c.dir, "rsyslog.pid"))
	}
}

//go:embed testdata/matrix/syslog-ng.conf
var syslogNGConf string

type syslogNGSender struct{}

func (syslogNGSender) prepare(t *testing.T, c *matrixCell) func() *exec.Cmd {
	secure := ""
	if c.tls {
		secure = fmt.Sprintf("tls(ca-file(%q) peer-verify(required-trusted))", filepath.Join(c.dir, "ca.pem"))
	}
	path := c.fill("syslog-ng.conf", syslogNGConf, "@@TLSOPTS@@", secure)
	in := func(name string) string { return filepath.Join(c.dir, name) }
	return func() *exec.Cmd {
		cmd := c.net.command(c.net.sender(), program(t, "SYSLOG_NG"), "-F", "--no-caps", "-f", path, "-R", in("persist"), "-p", in("pid"),
			"-c", in("control"), "--module-path", os.Getenv("SYSLOG_NG_MODULES"))
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+os.Getenv("SYSLOG_NG_LIB"))
		return cmd
	}
}

// fill writes a configuration with its placeholders filled in.
func (c *matrixCell) fill(name, text string, pairs ...string) (path string) {
	pairs = append(pairs, "@@IN@@", c.input, "@@STATE@@", c.dir, "@@ADDRESS@@", receiverAddress, "@@PORT@@", receiverPort, "@@TRANSPORT@@", c.transport())
	return c.write(name, strings.NewReplacer(pairs...).Replace(text))
}

// program returns where a syslog daemon is, as .ci/syslog-daemons says.
func program(t *testing.T, variable string) string {
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: source .ci/syslog-daemons first", variable)
	}
	return path
}

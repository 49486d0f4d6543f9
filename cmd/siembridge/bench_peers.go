package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// peerFiles are the configurations by which other programs do siembridge's job: a file of detections, CEF with all that
// Microsoft's own ArcSight mapping has (mapping.json), syslog over TCP or TLS, with a buffer on disk where they have one.
//
//go:embed peers
var peerFiles embed.FS

// peerProgram is a program that a user might run in siembridge's place.
type peerProgram struct {
	name, binary string
	ends         bool // by itself, when all is sent
	command      func(s peerSetup, binary string) (*exec.Cmd, error)
}

var peerPrograms = []peerProgram{
	{"syslog-ng", "syslog-ng", false, peerSetup.syslogNG},
	{"rsyslog-assisted", "rsyslogd", false, func(s peerSetup, binary string) (*exec.Cmd, error) { return s.rsyslog(binary, "LinkedList") }},
	{"rsyslog-disk", "rsyslogd", false, func(s peerSetup, binary string) (*exec.Cmd, error) { return s.rsyslog(binary, "Disk") }},
	{"telegraf", "telegraf", false, peerSetup.telegraf},
	{"script", "python3", true, peerSetup.script},
}

func peerNames() (names []string) {
	for _, p := range peerPrograms {
		names = append(names, p.name)
	}
	return names
}

// installed returns the path of the program; "": it is not installed.
func (p *peerProgram) installed() string {
	for _, name := range []string{p.binary, "/usr/sbin/" + p.binary, "/usr/local/sbin/" + p.binary} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// peerSetup is what a program is given.
type peerSetup struct {
	dir, input string // its own folder, empty at first; the records
	port, ca   string // of the receiver on this machine; ca: a file, over TLS
}

// write writes one of the files with its placeholders filled in.
func (s peerSetup) write(name string, pairs ...string) (path string, err error) {
	text, err := peerFiles.ReadFile("peers/" + name)
	if err != nil {
		return "", err
	}
	pairs = append(pairs, "@@IN@@", s.input, "@@STATE@@", s.dir, "@@PORT@@", s.port)
	path = filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600)
}

func (s peerSetup) rsyslog(binary, queue string) (*exec.Cmd, error) {
	global, action := "", ""
	if s.ca != "" {
		global = fmt.Sprintf(`defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q`, s.ca)
		action = `streamDriver="gtls" streamDriverMode="1" streamDriverAuthMode="x509/certvalid"`
	}
	path, err := s.write("rsyslog.conf", "@@MODDIR@@", "", "@@QTYPE@@", queue, "@@TLSGLOBAL@@", global, "@@TLSACTION@@", action)
	return exec.Command(binary, "-n", "-f", path, "-i", filepath.Join(s.dir, "pid")), err
}

func (s peerSetup) syslogNG(binary string) (*exec.Cmd, error) {
	transport, secure := "tcp", ""
	if s.ca != "" {
		transport, secure = "tls", fmt.Sprintf("tls(ca-file(%q) peer-verify(required-trusted))", s.ca)
	}
	path, err := s.write("syslog-ng.conf", "@@DRIVER@@", "network", "@@TRANSPORT@@", fmt.Sprintf("transport(%q)", transport),
		"@@TLSOPTS@@", secure, "@@DISKBUF@@", "reliable(yes) disk-buf-size(4294967296) mem-buf-size(67108864)")
	in := func(name string) string { return filepath.Join(s.dir, name) }
	return exec.Command(binary, "-F", "--no-caps", "-f", path, "-R", in("persist"), "-p", in("pid"), "-c", in("control")), err
}

func (s peerSetup) telegraf(binary string) (*exec.Cmd, error) {
	secure := ""
	if s.ca != "" {
		secure = fmt.Sprintf("tls_ca = %q", s.ca)
	}
	path, err := s.write("telegraf.conf", "@@STRATEGY@@", "disk", "@@TLSOPTS@@", secure)
	return exec.Command(binary, "--config", path), err
}

func (s peerSetup) script(binary string) (*exec.Cmd, error) {
	mapping, err := s.write("mapping.json")
	if err != nil {
		return nil, err
	}
	path, err := s.write("script.py")
	return exec.Command(binary, path, s.input, s.port, s.dir, s.ca, mapping), err
}

// peerTable runs the programs that are installed over the same detections and holds them against siembridge, which got
// so many events a second over each transport.
func (b *bench) peerTable(ctx context.Context, out io.Writer, dir string, in benchInput, own map[string]float64) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\nwhat else would do it, with the same %d detections as CEF:\n\n", in.records)
	fmt.Fprintln(w, "program\ttransport\tarrived\tevents/s\tCPU s per 100,000\tpeak MB\tsiembridge's rate to its\t")
	notes := ""
	for _, p := range peerPrograms {
		binary := p.installed()
		switch {
		case !slices.Contains(b.peers, p.name):
			continue
		case binary == "":
			notes += fmt.Sprintf("%s: not installed\n", p.name)
			continue
		}
		for _, transport := range b.transports {
			r := benchRun{format: "cef:0", transport: transport, input: in}
			got, arrived, err := r.measurePeer(ctx, dir, p, binary)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				notes += fmt.Sprintf("%s, %s: %v\n", p.name, transport, err)
				continue
			}
			rate := float64(arrived) / got.wall.Seconds()
			fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.2f\t%s\t%.2f\t\n", p.name, transport, arrived, rate,
				got.cpu.Seconds()/float64(in.records)*100_000, got.peak(), own[transport]/cmp.Or(rate, 1))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, notes)
	return err
}

// peerPatience is for how long nothing more arrives when a program that does not end by itself has done all that it will.
const peerPatience = 30 * time.Second

// measurePeer runs a program until all events have arrived, or no more do.
func (r *benchRun) measurePeer(ctx context.Context, dir string, p peerProgram, binary string) (got benchResult, arrived int64, err error) {
	s := peerSetup{dir: filepath.Join(dir, "state"), input: r.input.path}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return got, 0, err
	}
	defer os.RemoveAll(s.dir)
	tlsConfig, caFile, err := r.certificates(dir)
	if err != nil {
		return got, 0, err
	}
	receiver, err := countFrames(tlsConfig)
	if err != nil {
		return got, 0, err
	}
	defer receiver.close()
	s.ca = caFile
	if _, s.port, err = net.SplitHostPort(receiver.address()); err != nil {
		return got, 0, err
	}
	cmd, err := p.command(s, binary)
	if err != nil {
		return got, 0, err
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return got, 0, err
	}
	memory, ended := watchMemory(cmd.Process.Pid), make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	last, tick := start, time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-tick.C:
			if n := receiver.frames.Load(); n != arrived {
				arrived, last = n, time.Now()
			}
			if !p.ends && arrived >= int64(r.input.records) || time.Since(last) > peerPatience || ctx.Err() != nil {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				kill := time.AfterFunc(peerPatience, func() { _ = cmd.Process.Kill() })
				<-ended
				kill.Stop()
				running = false
			}
		}
	}
	got.memory, got.cpu = memory(), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	if err != nil {
		return got, 0, fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	receiver.close() // what is under way
	if n := receiver.frames.Load(); n != arrived {
		arrived, last = n, time.Now()
	}
	got.wall = last.Sub(start)
	return got, arrived, nil
}

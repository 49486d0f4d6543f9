//go:build guides

package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// How long a command may take, and how long one that stays may take to say what is waited for.
const guidePatience = 5 * time.Minute

// guideOrder is which guides are followed first; the others come after them, by name.
var guideOrder = []string{"install.md", "sources.md", "credentials.md", "qradar.md", "arcsight.md", "sentinel.md", "operating.md",
	"troubleshooting.md", "migration.md"}

// machine is a fresh machine on which the guides are followed: a throw-away root with systemd, made by .ci/guides.
type machine struct {
	*ends
	t     *testing.T
	texts map[string]string
	stays []*staying
}

// staying is a command that runs until it is stopped.
type staying struct {
	line string
	cmd  *exec.Cmd
	out  *watched
}

// TestGuides follows every guide: each of its command lines is run as it stands, in their order, by a shell, as root.
// What a reader does besides (paste a secret, write a configuration, stop what follows a log) and what cannot be run
// here stands in guideSteps. A line that fails fails the test, and so does an entry that no line needs.
func TestGuides(t *testing.T) {
	if os.Getenv("SIEMBRIDGE_THROW_AWAY") == "" {
		t.Fatal("this installs packages and starts services: .ci/guides runs it on a machine that is thrown away")
	}
	m := &machine{ends: newEnds(t), t: t, texts: guides(t)}
	t.Chdir("../..")
	t.Cleanup(func() { m.stopAll() })
	m.files()
	names := slices.SortedFunc(maps.Keys(m.texts), func(a, b string) int {
		place := func(name string) int {
			if i := slices.Index(guideOrder, name); i >= 0 {
				return i
			}
			return len(guideOrder)
		}
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
	})
	used, run, listed := map[int]bool{}, 0, 0
	done := map[string]bool{}
	for _, name := range names {
		for _, line := range guideLines(t, name, m.texts[name]) {
			at := stepOf(line)
			if at >= 0 {
				used[at] = true
			}
			began := time.Now()
			command, _, _ := strings.Cut(line.text, "  ")
			again := done[name+command]
			done[name+command] = true
			switch {
			case at >= 0 && guideSteps[at].once && again:
				continue
			case at >= 0 && guideSteps[at].nowhere != "":
				t.Logf("%s: NOT RUN %s (%s)", line.guide, line.text, guideSteps[at].nowhere)
				listed++
				continue
			case at >= 0:
				m.follow(line, guideSteps[at])
			default:
				m.follow(line, guideStep{})
			}
			t.Logf("%s: %.1f s %s", line.guide, time.Since(began).Seconds(), line.text)
			run++
		}
		m.stopAll()
	}
	for i, s := range guideSteps {
		if !used[i] {
			t.Errorf("no guide has a line that begins with %q: the entry is not needed", s.line)
		}
	}
	if len(m.wrong) > 0 {
		t.Errorf("the SIEM received %d events that are wrong, the first: %s", len(m.wrong), m.wrong[0])
	}
	if run < 90 {
		t.Errorf("only %d command lines were found", run)
	}
	t.Logf("%d command lines were run, %d are on the list of those that cannot be", run, listed)
}

// stepOf finds the entry for a line, -1 for none: one of its guide goes before one of any.
func stepOf(line guideLine) int {
	for _, guide := range []string{line.guide, ""} {
		for i, s := range guideSteps {
			if s.guide == guide && strings.HasPrefix(line.text, s.line) {
				return i
			}
		}
	}
	return -1
}

// follow types a line, and does what a reader does besides.
func (m *machine) follow(line guideLine, s guideStep) {
	m.t.Helper()
	if s.before != nil {
		s.before(m)
	}
	text := strings.NewReplacer(s.change...).Replace(line.text)
	if s.list {
		m.list(line.guide, text)
		return
	}
	if s.terminal {
		text = "script -qec '" + text + "' /dev/null"
	}
	out := newWatched()
	cmd := exec.Command("bash", "-c", text)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(s.stdin), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	if s.until != "" {
		stays := &staying{line.text, cmd, out}
		if !m.poll(func() bool { return strings.Contains(out.String(), s.until) }) {
			m.t.Errorf("%s: %s: it does not say %q\n%s", line.guide, line.text, s.until, tail(out.String()))
		}
		if s.after != nil {
			s.after(m, out.String())
		}
		if s.stays {
			m.stays = append(m.stays, stays)
		} else {
			m.stop(stays)
		}
		return
	}
	late := time.AfterFunc(guidePatience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	late.Stop()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != s.code || err != nil && code < 0 {
		m.t.Errorf("%s: %s: %v\n%s", line.guide, line.text, err, tail(out.String()))
	}
	if s.after != nil {
		s.after(m, out.String())
	}
}

var (
	goTest   = regexp.MustCompile(`go test (?:-tags (\w+) )?`)
	goFlag   = regexp.MustCompile(` -(count|timeout|v|run|parallel|bench|benchtime)\b`)
	goFilter = regexp.MustCompile(`-(?:bench|run) '?([A-Z][A-Za-z|]*)`)
)

// list has the tests of this program say which of them a line would start, with the line's flags: they know them, and
// the names are right. Whether the tag in the line is theirs is looked up. Of other packages the benchmarks, which
// .ci/run runs, have to be there.
func (m *machine) list(guide, text string) {
	m.t.Helper()
	filter := goFilter.FindStringSubmatch(text)
	tag := goTest.FindStringSubmatch(text)
	if filter == nil || tag == nil {
		m.t.Errorf("%s: %s: it is not clear which tests it starts", guide, text)
		return
	}
	names := filter[1]
	before, behind, here := strings.Cut(text, " ./cmd/siembridge")
	if here {
		flags := goFlag.ReplaceAllString(" "+before[strings.Index(before, "go test ")+len("go test "):], " -test.$1")
		flags = strings.Replace(flags, " -tags "+tag[1], "", 1)
		names = m.output(os.Args[0] + flags + strings.Replace(behind, " -args", "", 1) + " -test.list '" + names + "'")
	}
	found := false
	for _, name := range regexp.MustCompile(`(?:Test|Benchmark)?\w+`).FindAllString(names, -1) {
		folder := strings.Fields(text[strings.Index(text, " ./")+1:])[0]
		files, err := exec.Command("grep", "-lE", "^func (Test|Benchmark)?"+name+`\(`, "-r", "--include=*_test.go", folder).Output()
		if err != nil {
			m.t.Errorf("%s: %s: there is no %s in %s", guide, text, name, folder)
			continue
		}
		file := strings.Fields(string(files))[0]
		head, err := os.ReadFile(file)
		if err != nil {
			m.t.Fatal(err)
		}
		if built := regexp.MustCompile(`(?m)^//go:build .*\b(interop|matrix|peers|cluster)\b`).FindSubmatch(head); built != nil && string(built[1]) != tag[1] {
			m.t.Errorf("%s: %s: %s is in %s, which wants -tags %s", guide, text, name, file, built[1])
		}
		found = true
	}
	if !found {
		m.t.Errorf("%s: %s: it starts no test", guide, text)
	}
}

// poll waits until something is so.
func (m *machine) poll(is func() bool) bool {
	for deadline := time.Now().Add(guidePatience / 5); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// arrives waits for events at the SIEM.
func (m *machine) arrives(what string, atLeast int) {
	m.t.Helper()
	n := 0
	if !m.poll(func() bool { n += m.events(); return n >= atLeast }) {
		m.t.Errorf("%s: %d events arrived, not %d\n%s", what, n, atLeast, m.output("journalctl -u siembridge --no-pager -n 20"))
	}
}

// stop ends a command that stays, with all that it started.
func (m *machine) stop(s *staying) {
	m.t.Helper()
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(guidePatience / 5):
		m.t.Errorf("%s: SIGTERM does not end it\n%s", s.line, tail(s.out.String()))
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
}

// stopAll ends all commands that stay, the last first.
func (m *machine) stopAll() {
	for _, s := range slices.Backward(m.stays) {
		m.stop(s)
	}
	m.stays = nil
}

// output runs a command that is in no guide, and fails the test when it fails.
func (m *machine) output(text string) string {
	m.t.Helper()
	out, err := exec.Command("bash", "-c", text).CombinedOutput()
	if err != nil {
		m.t.Errorf("%s: %v\n%s", text, err, out)
	}
	return string(out)
}

// write writes a file that all may read.
func (m *machine) write(path, text string) {
	m.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// toml is a piece of configuration of a guide: the one that has a text in it.
func (m *machine) toml(guide, has string) string {
	m.t.Helper()
	for _, block := range fence.FindAllStringSubmatch(m.texts[guide], -1) {
		if (block[1] == "toml" || block[1] == "ini" || block[1] == "conf") && strings.Contains(block[2], has) {
			return block[2]
		}
	}
	m.t.Fatalf("%s has no piece of configuration with %q", guide, has)
	return ""
}

// configure writes the configuration of the service: pieces of guides.
func (m *machine) configure(pieces ...string) {
	m.t.Helper()
	m.write("/etc/siembridge/siembridge.toml", strings.Join(pieces, "\n"))
}

// source is the source of docs/sources.md with other keys behind its own.
func (m *machine) source(keys string) string {
	return m.toml("sources.md", `name = "contoso"`) + keys
}

// files are what the guides call alert.json and the like.
func (m *machine) files() {
	m.t.Helper()
	record := emulator.NewGenerator(3, false).Record("graph-alerts", time.Now().Add(-time.Minute)).JSON()
	m.write("alert.json", string(record))
	m.write("alerts.json", string(record))
	m.write("alerts.ndjson", string(record)+"\n")
	m.write("events.log", "CEF:0|Microsoft|Defender|1|x|y|3|cat=z\n")
	m.write("mine.toml", "[[attributes]]\nkey = \"cs3\"\nlabel = \"Tenant\"\nfrom = \"/tenantId\"\n")
	m.write("WDATP-connector.properties", fmt.Sprintf("client_id=%s\nclient_secret=%s\n"+
		"token_url=https\\://login.microsoftonline.com/%[1]s/oauth2/token\n", guideID, strings.ReplaceAll(guideSecret, "=", "\\=")))
	// What systemctl edit opens: the reader types the piece of docs/install.md.
	const editor = "/usr/local/bin/editor"
	m.write(editor, "#!/bin/sh\ncat >\"$1\" <<'END'\n"+strings.ReplaceAll(m.toml("install.md", "LoadCredential"), "   ", "")+"END\n")
	if err := os.Chmod(editor, 0o755); err != nil {
		m.t.Fatal(err)
	}
}

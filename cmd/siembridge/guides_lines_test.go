//go:build guides

package main

import (
	"cmp"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guideLine is a command line of a guide, as its reader types it.
type guideLine struct {
	guide string // its file
	text  string
}

// commandsInText are the programs whose calls within a sentence count as command lines.
var commandsInText = regexp.MustCompile("`((?:sudo|siembridge|systemctl|systemd-analyze|journalctl|openssl|curl|chown|go|podman|docker|nats-server|promtool|az|apt|dnf|packaging/build) [^`\n]+)`")

// nameOfCommand is what in a sentence names a command and is none.
var nameOfCommand = regexp.MustCompile(`^siembridge( [a-z]+)+$`)

// guideLines are the command lines of a guide in their order: of the blocks marked sh or powershell, and in sentences.
func guideLines(t *testing.T, guide, text string) []guideLine {
	t.Helper()
	type found struct {
		at   int
		text string
	}
	var all []found
	outside := []byte(text)
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		language, block := text[m[2]:m[3]], text[m[4]:m[5]]
		for i := m[0]; i < m[1]; i++ {
			outside[i] = ' '
		}
		switch language {
		case "":
			t.Errorf("%s: a block does not say what it is: sh, text, toml, ...\n%s", guide, block)
		case "sh":
			for _, command := range commandsOf(t, block) {
				all = append(all, found{m[0], command})
			}
		case "powershell":
			for command := range strings.Lines(block) {
				all = append(all, found{m[0], strings.TrimSpace(command)})
			}
		}
	}
	for _, m := range commandsInText.FindAllSubmatchIndex(outside, -1) {
		if call := text[m[2]:m[3]]; !nameOfCommand.MatchString(call) {
			all = append(all, found{m[0], call})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(a.at, b.at) })
	lines := make([]guideLine, len(all))
	for i, f := range all {
		lines[i] = guideLine{guide, f.text}
	}
	return lines
}

// commandsOf cuts a block into commands: a loop is one, and so is a line that goes on in the next.
func commandsOf(t *testing.T, block string) (commands []string) {
	t.Helper()
	command := ""
	for line := range strings.Lines(block) {
		command += line
		if strings.HasSuffix(line, "\\\n") || strings.TrimSpace(command) == "" || exec.Command("bash", "-n", "-c", command).Run() != nil {
			continue
		}
		commands = append(commands, strings.TrimSpace(command))
		command = ""
	}
	if strings.TrimSpace(command) != "" {
		t.Errorf("this is no command of a shell:\n%s", command)
	}
	return commands
}

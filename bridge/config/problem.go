package config

import (
	"fmt"
	"sort"
	"strings"
)

// Problem is one mistake in a configuration.
type Problem struct {
	File    string // as it was named
	Line    int    // 0 when it stands nowhere, e.g. a missing table
	Key     string // e.g. "source[0].tenant_id"
	Message string // what is wrong and what to do
}

// String returns the problem on one line: file:line: key: message.
func (p Problem) String() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Key == "" {
		return at + ": " + p.Message
	}
	return at + ": " + p.Key + ": " + p.Message
}

// Problems are all mistakes of a configuration, by line.
type Problems []Problem

// Error returns one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	sort.SliceStable(p, func(i, j int) bool { return p[i].Line < p[j].Line })
}

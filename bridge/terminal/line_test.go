package terminal

import (
	"bytes"
	"fmt"
	"testing"
)

// TestLine: the line is written over itself, and what is written through it stands above it.
func TestLine(t *testing.T) {
	var out bytes.Buffer
	l := &Line{out: &out, on: true}
	l.Show("12345")
	l.Show("678")
	fmt.Fprintln(l, "log")
	l.Clear()
	if got, want := out.String(), "\r12345\r678  \r   \rlog\n678\r   \r"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	out.Reset()
	l = NewLine(&out)
	l.Show("12345")
	fmt.Fprintln(l, "log")
	l.Clear()
	if got := out.String(); got != "log\n" {
		t.Errorf("no terminal: %q", got)
	}
}

func TestVisible(t *testing.T) {
	if got := Visible("a\tb\x1b[2J\u202ec\nü"); got != "a⇥b?[2J?c?ü" {
		t.Errorf("%q", got)
	}
}

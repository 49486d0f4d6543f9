// Package terminal writes for a person who looks on: a line that is written over itself, and texts of others so that
// they cannot drive the terminal.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Line is a line that is written over itself; on anything but a terminal it is not shown. What is written through
// it stands above the line.
type Line struct {
	out io.Writer
	on  bool

	mu   sync.Mutex
	text string // that is shown
}

// NewLine makes a line on out.
func NewLine(out io.Writer) *Line {
	f, ok := out.(*os.File)
	return &Line{out: out, on: ok && term.IsTerminal(int(f.Fd()))}
}

// Show replaces the line.
func (l *Line) Show(text string) {
	if !l.on {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "\r%s%s", text, strings.Repeat(" ", max(0, len(l.text)-len(text))))
	l.text = text
}

// Clear takes the line away.
func (l *Line) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	l.text = ""
}

func (l *Line) erase() {
	if l.text != "" {
		fmt.Fprintf(l.out, "\r%s\r", strings.Repeat(" ", len(l.text)))
	}
}

// Shown reports whether there is somebody to see it.
func (l *Line) Shown() bool { return l.on }

// Write writes above the line; its error is that of out.
func (l *Line) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	n, err := l.out.Write(b)
	if l.text != "" {
		fmt.Fprint(l.out, l.text)
	}
	return n, err
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/siembridge/siembridge/bridge/admin"
)

// progress is a line that is written over itself; on anything but a terminal it is not shown. What is written through
// it stands above the line.
type progress struct {
	out io.Writer
	on  bool

	mu   sync.Mutex
	text string // that is shown
}

func newProgress(out io.Writer) *progress {
	f, ok := out.(*os.File)
	return &progress{out: out, on: ok && term.IsTerminal(int(f.Fd()))}
}

// show replaces the line.
func (p *progress) show(text string) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "\r%s%s", text, strings.Repeat(" ", max(0, len(p.text)-len(text))))
	p.text = text
}

// clear takes the line away.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.text = ""
}

func (p *progress) erase() {
	if p.text != "" {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", len(p.text)))
	}
}

// Write writes above the line.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	n, err := p.out.Write(b)
	if p.text != "" {
		fmt.Fprint(p.out, p.text)
	}
	return n, err
}

// showBackfill shows on a terminal how far sources have come with files that take a while, until ctx ends.
func (p *progress) showBackfill(ctx context.Context, status func() admin.Status) {
	if !p.on {
		return
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	defer p.clear()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s := status()
		if text := backfill(&s); text != "" {
			p.show(text)
		} else {
			p.clear()
		}
	}
}

// backfill words what is left to do of files; "" when that is nothing.
func backfill(s *admin.Status) string {
	var parts []string
	left := int64(0)
	for i := range s.Destinations {
		left = max(left, s.Destinations[i].Pending)
	}
	for i := range s.Sources {
		x := &s.Sources[i]
		ended := x.State == "ended"
		if done := x.Backfill(); done != "" && (ended && left > 0 || !ended && (x.Total == 0 || x.Read < x.Total)) {
			parts = append(parts, fmt.Sprintf("%s: %s, %d records stored", x.Name, done, x.Pulled))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; %d to deliver", strings.Join(parts, "; "), left)
}

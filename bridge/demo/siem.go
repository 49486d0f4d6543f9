package demo

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/terminal"
)

// siem is an emulated SIEM that counts what it gets by the alert's id.
type siem struct {
	name, key string
	tls       *tls.Config
	receiver  *emulator.Receiver
	killed    int // times

	mu        sync.Mutex
	seen      map[string]int
	repeated  int
	malformed int
	examples  []string
}

func (s *siem) listen() (err error) {
	s.seen = map[string]int{}
	s.receiver, err = emulator.Listen("127.0.0.1:0", s.tls, s.take)
	return err
}

func (s *siem) take(got emulator.Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case got.Partial: // a connection was cut; its events come again
		return
	case got.Err != nil || got.Event == nil || got.Event.Get(s.key) == "":
		s.malformed++
		return
	}
	id := got.Event.Get(s.key)
	if s.seen[id]++; s.seen[id] > 1 {
		s.repeated++
		return
	}
	if len(s.examples) < 2 && len(s.seen)%3 == 1 {
		s.examples = append(s.examples, readable(got))
	}
}

func (s *siem) arrived() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *siem) show(out io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.examples {
		fmt.Fprintf(out, "\n%s received:\n%s", s.name, e)
	}
}

// readable writes an event for a person: the header on one line, then its first attributes.
func readable(got emulator.Received) string {
	e := got.Event
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s from %s: %s %s\n", e.Format, e.Version, got.Header.Hostname, e.EventID, short(e.Name))
	shown := 0
	for _, p := range e.Pairs {
		if strings.HasSuffix(p.Key, "Label") {
			continue
		}
		if shown++; shown > 14 {
			fmt.Fprintf(&b, "    and %d attributes more\n", len(e.Pairs)-shown+1)
			break
		}
		fmt.Fprintf(&b, "    %-26s %s\n", p.Key, short(p.Value))
	}
	return b.String()
}

// short makes a value fit a line.
func short(s string) string {
	s = terminal.Visible(s)
	if r := []rune(s); len(r) > 80 {
		s = string(r[:77]) + "..."
	}
	return s
}

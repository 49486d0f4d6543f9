package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/formats/parse"
)

// sighting is what a SIEM tells events apart by: the record, whether the event is its first sight or an update, and
// with one event per piece of evidence the piece; "" is the record itself.
type sighting struct{ record, kind, piece string }

// eventMode is how a source makes events of a record.
type eventMode struct {
	config string                      // lines of a [[source]]
	piece  func(e *parse.Event) string // which piece of evidence an event is of; nil: there are none
}

// eventPerEvidence makes one event of each piece of evidence.
var eventPerEvidence = eventMode{config: "events = \"evidence\"\n", piece: func(e *parse.Event) string {
	_, piece, _ := strings.Cut(e.Get("devicePayloadId"), "#")
	return e.Get("evidenceId") + piece // LEEF has the first, CEF the second
}}

// siem counts what arrives.
type siem struct {
	name, key, kind string // what it calls the alert's id and the kind of event
	incident        string // and the id of an incident
	mode            eventMode
	first           func(record string) // called when a record arrives for the first time; nil: nothing
	receiver        *emulator.Receiver

	mu            sync.Mutex
	seen          map[sighting]int
	records       map[string]bool // of which something has arrived
	repeatedBytes int
	malformed     []string
	arrived       chan struct{} // a token whenever something arrives
}

func newQRadar(t *testing.T, mode eventMode, config *tls.Config) *siem {
	return (&siem{name: "qradar", key: "alertId", kind: "eventKind", incident: "incidentId", mode: mode}).listen(t, config)
}

func newArcSight(t *testing.T, mode eventMode) *siem {
	return (&siem{name: "arcsight", key: "externalId", kind: "MicrosoftDefenderEventKind", incident: "externalId", mode: mode}).listen(t, nil)
}

func (s *siem) listen(t *testing.T, config *tls.Config) *siem {
	s.seen, s.records, s.arrived = map[sighting]int{}, map[string]bool{}, make(chan struct{}, 1)
	r, err := emulator.Listen("127.0.0.1:0", config, s.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	s.receiver = r
	return s
}

// record is the id of the record that an event was made of. An incident's has a mark: a number may be an alert's too.
func (s *siem) record(e *parse.Event) string {
	if strings.HasSuffix(e.EventID, "Incident") {
		return "incident:" + e.Get(s.incident)
	}
	return e.Get(s.key)
}

func (s *siem) take(got emulator.Received) {
	if got.Partial {
		return // a connection was cut; its event comes again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got.Err != nil || got.Event == nil || s.record(got.Event) == "" || got.Event.Get(s.kind) == "" {
		s.malformed = append(s.malformed, fmt.Sprintf("%.300q: %v", got.Frame, got.Err))
		return
	}
	v := sighting{record: s.record(got.Event), kind: got.Event.Get(s.kind)}
	if s.mode.piece != nil {
		v.piece = s.mode.piece(got.Event)
	}
	if !s.records[v.record] && s.first != nil {
		s.first(v.record)
	}
	s.records[v.record] = true
	if s.seen[v]++; s.seen[v] > 1 {
		s.repeatedBytes += len(got.Frame)
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *siem) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *siem) has(v sighting) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[v] > 0
}

// wait waits until as many different sightings have arrived as want says by then, or nothing comes any more.
func (s *siem) wait(t *testing.T, want func() int, log *watched) {
	t.Helper()
	for s.count() < want() {
		select {
		case <-s.arrived:
		case <-time.After(time.Minute):
			t.Fatalf("%s: %d of %d sightings of records arrived\n%s", s.name, s.count(), want(), tail(log.String()))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// check holds what arrived against what the tenant has: each record once as new, each change once as an update.
func (s *siem) check(t *testing.T, want map[sighting]bool, mayRepeat int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	missing, examples := 0, ""
	for v := range want {
		if s.seen[v] == 0 {
			missing++
			examples = fmt.Sprintf(", e.g. %v", v)
		}
	}
	foreign := 0
	for v := range s.seen {
		if !want[v] {
			foreign++
			examples += fmt.Sprintf(", unasked for e.g. %v", v)
		}
	}
	if missing > 0 || foreign > 0 {
		t.Errorf("%s: %d missing, %d that should not have come%.500s", s.name, missing, foreign, examples)
	}
	if s.repeatedBytes > mayRepeat {
		t.Errorf("%s: %d bytes of repeats, more than %d", s.name, s.repeatedBytes, mayRepeat)
	}
	for i, m := range s.malformed {
		if i == 3 {
			break
		}
		t.Errorf("%s: malformed: %s", s.name, m)
	}
}

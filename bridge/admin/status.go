package admin

import (
	"fmt"
	"time"
)

// Status is a bridge as the operator sees it.
type Status struct {
	Version      string        `json:"version"`      // of siembridge
	Started      time.Time     `json:"started"`      // when this process began
	Sources      []Source      `json:"sources"`      // in the order of the configuration
	Buffer       Buffer        `json:"buffer"`       // what all destinations share
	Destinations []Destination `json:"destinations"` // likewise

	Reconciliation *Reconciliation `json:"last_reconciliation,omitempty"` // nil: there was none

	Cluster *Cluster `json:"cluster,omitempty"` // nil: the buffer is this bridge's alone
}

// Cluster is who shares the buffer.
type Cluster struct {
	Instances []Instance `json:"instances"`           // this one among them
	Away      time.Time  `json:"away_since,omitzero"` // since when the servers do not answer; zero: they do
	Cause     string     `json:"cause,omitempty"`     // how that shows
}

// Instance is a bridge that shares the buffer.
type Instance struct {
	Host         string    `json:"host"`         // the name of its host
	This         bool      `json:"this"`         // the one that answers
	Live         bool      `json:"live"`         // it is heard of
	Started      time.Time `json:"started"`      // when its process began
	Sources      []string  `json:"sources"`      // that it pulls
	Destinations []string  `json:"destinations"` // that it delivers to, with its part, as in "qradar 3/8"
}

// Reconciliation is the outcome of the last one: what the APIs had against what was confirmed.
type Reconciliation struct {
	At      time.Time `json:"at"`               // when it began
	Since   time.Time `json:"since"`            // the period, by when Microsoft changed the records
	Until   time.Time `json:"until"`            // its end
	Missing int       `json:"missing"`          // records that should have been pulled or delivered and were not
	Errors  []string  `json:"errors,omitempty"` // what could not be looked at
}

// Source is the state of one source.
type Source struct {
	Name        string    `json:"name"`                   // of the configuration
	API         string    `json:"api"`                    // of the configuration
	State       string    `json:"state"`                  // starting, ok, failing, ended, standby: another instance pulls it
	LastSuccess time.Time `json:"last_success,omitzero"`  // the last answer that could be read; zero: none since the start
	CoveredTo   time.Time `json:"covered_to,omitzero"`    // up to here everything is read but the holes; zero: nothing is
	Holes       int       `json:"holes"`                  // how many stretches cannot be read; see Unread
	Unread      []Unread  `json:"unread,omitempty"`       // the first of the holes
	Pulled      uint64    `json:"pulled_records"`         // since the start, stored as events
	Duplicates  uint64    `json:"duplicate_records"`      // since the start, pulled again and recognised
	Read        int64     `json:"read_bytes,omitzero"`    // of the files; a source that reads none has no such figures
	Total       int64     `json:"total_bytes,omitzero"`   // there are in the files; 0: not known
	Error       string    `json:"error,omitempty"`        // with its remedy
	Failing     time.Time `json:"failing_since,omitzero"` // the first failure since the last success; zero: it does not fail

	Newest time.Time `json:"newest_record,omitzero"` // when the newest record arrived; zero: not known
	Stale  string    `json:"stale,omitempty"`        // it answers, but its silence is unlike its usual rate, with the age of the newest record

	TokenEnds      time.Time `json:"token_ends,omitzero"`      // renewed by itself; zero: there is none yet
	CredentialEnds time.Time `json:"credential_ends,omitzero"` // refresh token, certificate or secret; zero: not known
	Warning        string    `json:"warning,omitempty"`        // the credential is near its end, with its remedy
}

// Unread is a hole: a stretch of changed-time that the API does not give although it gives its neighbours.
type Unread struct {
	From   time.Time `json:"from"`   // its beginning
	To     time.Time `json:"to"`     // its end, not in it
	Reason string    `json:"reason"` // why the last attempt failed
}

// MaxUnread is how many holes of a source a status names.
const MaxUnread = 10

// Backfill words how much of its files a source has read, in bytes as they are on disk; "" when it reads none.
func (s *Source) Backfill() string {
	switch {
	case s.Total > 0:
		return fmt.Sprintf("%s of %s read (%d %%)", size(s.Read), size(s.Total), int(100*(float64(s.Read)/float64(s.Total))))
	case s.Read > 0:
		return size(s.Read) + " read"
	}
	return ""
}

// Buffer is the state of the buffer.
type Buffer struct {
	Bytes   int64     `json:"bytes"`                  // on the disk, retained records among them
	Pending int64     `json:"pending_bytes"`          // of records that some destination has yet to deliver
	Limit   int64     `json:"limit_bytes"`            // buffer.max_size, which Pending is held to
	Blocked bool      `json:"blocked"`                // it is full and sources wait
	Since   time.Time `json:"blocked_since,omitzero"` // since when; zero: it is not
}

// Destination is the state of one destination.
type Destination struct {
	Name      string    `json:"name"`                    // of the configuration
	State     string    `json:"state"`                   // one of package delivery's states
	Since     time.Time `json:"since,omitzero"`          // when it came to that state
	Address   string    `json:"address,omitempty"`       // of the last connection, as it is configured; "": there was none
	Confirm   string    `json:"confirm"`                 // what counts now: close or ack
	Pending   int64     `json:"pending_records"`         // records it has yet to deliver
	Oldest    time.Time `json:"oldest_pending,omitzero"` // when the oldest of them was pulled; zero: there is none
	Dropped   uint64    `json:"dropped_records"`         // since the destination first came, because the buffer was full
	Delivered uint64    `json:"delivered_events"`        // since the start: confirmed, and the release on disk
	Error     string    `json:"error,omitempty"`         // with its remedy

	CertificateEnds       time.Time `json:"certificate_ends,omitzero"`        // the receiver's, as last seen; zero: without TLS, or not seen yet
	ClientCertificateEnds time.Time `json:"client_certificate_ends,omitzero"` // ours; zero: there is none
	Warning               string    `json:"warning,omitempty"`                // one of them is near its end, with the remedy

	LastSuccess time.Time `json:"last_confirmed,omitzero"` // when events were last confirmed since the start

	Replay *Replay `json:"replay,omitempty"` // nil: none is under way
}

// Replay is one that is under way: retained records that are sent to a destination again.
type Replay struct {
	Since   time.Time `json:"since"`   // the period, by when the records were pulled
	Until   time.Time `json:"until"`   // its end
	Records int64     `json:"records"` // there are to send
	Sent    int64     `json:"sent"`    // of these, confirmed
}

// Trouble lists what is not well, a sentence each; empty when all is.
func (s *Status) Trouble() []string {
	var all []string
	for _, x := range s.Sources {
		if x.State == "failing" {
			all = append(all, fmt.Sprintf("source %s fails%s: %s", x.Name, since(x.Failing), x.Error))
		}
		if x.Stale != "" {
			all = append(all, fmt.Sprintf("source %s: %s", x.Name, x.Stale))
		}
		if x.Holes > 0 {
			first := ""
			if len(x.Unread) > 0 {
				u := x.Unread[0]
				first = fmt.Sprintf("; the first is what was changed from %s to %s: %s", u.From.UTC().Format(instant), u.To.UTC().Format(instant), u.Reason)
			}
			all = append(all, fmt.Sprintf("source %s: holes in what was read: %d; they are tried again every 6 hours%s", x.Name, x.Holes, first))
		}
	}
	if c := s.Cluster; c != nil && !c.Away.IsZero() {
		all = append(all, fmt.Sprintf("the JetStream servers do not answer%s; pulling and delivery wait, nothing is lost: %s", since(c.Away), c.Cause))
	}
	if s.Buffer.Blocked {
		all = append(all, fmt.Sprintf("the buffer is full%s and pulling waits until %s takes records; nothing is lost, Microsoft keeps alerts for months", since(s.Buffer.Since), s.behind()))
	}
	for _, x := range s.Destinations {
		if x.State == "down" || x.State == "stalled" || x.State == "connecting" {
			all = append(all, fmt.Sprintf("destination %s is %s%s: %s", x.Name, x.State, since(x.Since), x.Error))
		}
	}
	if r := s.Reconciliation; r != nil && r.Missing > 0 {
		all = append(all, fmt.Sprintf("the reconciliation of %s found %d records missing; siembridge reconcile names them", r.At.UTC().Format(moment), r.Missing))
	}
	return all
}

// moment is how a time stands in a sentence.
const moment = "2 January 15:04 MST"

// instant is how the ends of a hole are written, which may be a millisecond long.
const instant = "2006-01-02T15:04:05.000Z07:00"

// since words since when something is so; "" when that is not known.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.UTC().Format(moment)
}

// behind names the destination that holds the buffer up: the one whose oldest record waits longest.
func (s *Status) behind() string {
	var last *Destination
	for i := range s.Destinations {
		if d := &s.Destinations[i]; d.Pending > 0 && (last == nil || d.Oldest.Before(last.Oldest)) {
			last = d
		}
	}
	if last == nil {
		return "a destination"
	}
	return "destination " + last.Name
}

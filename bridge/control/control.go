// Package control is the socket by which commands speak to a running siembridge: HTTP with JSON bodies over a Unix
// socket in the state directory, which only its owner can reach.
//
// A Server answers for a Daemon, which package bridge is; a Client asks, one method for each of the Daemon's. What the
// daemon refuses comes back as a *Refusal with the same sentences, and ErrNotRunning says that nobody answers: commands
// that only read then read the state directory themselves. The types here are what the commands print, as text or JSON.
package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/logging"
)

// Daemon is what a running siembridge does for commands.
type Daemon interface {
	// Status returns a snapshot of everything.
	Status() admin.Status
	// Reload reads the configuration again and applies it.
	Reload(ctx context.Context) (Changes, error)
	// Reconcile holds what the APIs have of a period against what was confirmed; a zero until is now.
	Reconcile(ctx context.Context, p Period) (Report, error)
	// Replay sends the retained records of a period to a destination again.
	Replay(ctx context.Context, r ReplayRequest) (Replay, error)
	// Quarantined lists what was set aside.
	Quarantined() (Quarantine, error)
	// QuarantinedRecord returns one of these.
	QuarantinedRecord(id uint64) (QuarantinedRecord, error)
	// Retry has records in quarantine sent again.
	Retry(r RetryRequest) (Retries, error)
	// Log returns the last warnings and errors, oldest first.
	Log() []logging.Line
}

// Changes is what came of a reload.
type Changes struct {
	Sources      Set      `json:"sources"`           // by name
	Destinations Set      `json:"destinations"`      // by name
	Kept         []Kept   `json:"kept,omitempty"`    // what removed destinations have yet to receive
	Restart      []string `json:"restart,omitempty"` // keys and tables that changed and take effect at the next start
}

// Set names what changed of one kind.
type Set struct {
	Added   []string `json:"added,omitempty"`   // were not there before
	Changed []string `json:"changed,omitempty"` // began anew with other settings
	Removed []string `json:"removed,omitempty"` // are not there any more
}

// Kept is the backlog of a removed destination. It goes out when a destination of that name is configured again.
type Kept struct {
	Destination string    `json:"destination"` // its name
	Records     int64     `json:"records"`     // pending
	Until       time.Time `json:"until"`       // then it is dropped
}

// Note adds a name, to the changed ones if there was one of it before.
func (s *Set) Note(name string, before bool) {
	if before {
		s.Changed = append(s.Changed, name)
	} else {
		s.Added = append(s.Added, name)
	}
}

// String is one line.
func (c *Changes) String() string {
	var parts []string
	for _, kind := range []struct {
		name string
		set  *Set
	}{{"source", &c.Sources}, {"destination", &c.Destinations}} {
		for _, what := range []struct {
			verb  string
			names []string
		}{{"added", kind.set.Added}, {"changed", kind.set.Changed}, {"removed", kind.set.Removed}} {
			for _, name := range what.names {
				parts = append(parts, kind.name+" "+name+" "+what.verb)
			}
		}
	}
	if len(parts) == 0 {
		parts = []string{"no source or destination changed"}
	}
	if len(c.Restart) > 0 {
		parts = append(parts, "after the next start: "+strings.Join(c.Restart, ", "))
	}
	return strings.Join(parts, "; ")
}

// socketName is the socket's file in the state directory.
const socketName = "control.sock"

// maxSocketPath is what the systems take as a socket's address, in bytes.
const maxSocketPath = 100

// socketPath returns where the socket of a state directory is.
func socketPath(stateDir string) (string, error) {
	path := filepath.Join(stateDir, socketName)
	if len(path) > maxSocketPath {
		return "", fmt.Errorf("the path of the control socket %s is longer than the %d bytes a socket's can have: use a shorter state_dir", path, maxSocketPath)
	}
	return path, nil
}

// ErrNotRunning: no siembridge runs on this state directory.
var ErrNotRunning = errors.New("no siembridge runs with this state_dir; start it, or give the configuration that it runs with")

// Refusal is an error of the daemon: the problems it has with what it was asked, a sentence each.
type Refusal struct {
	Problems []string `json:"problems"` // each with what to do
}

// Error is the problems, one a line.
func (r *Refusal) Error() string { return strings.Join(r.Problems, "\n") }

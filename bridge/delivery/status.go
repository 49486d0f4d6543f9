package delivery

import (
	"bytes"
	"slices"
	"time"
)

// State says how a destination is.
type State string

// The states.
const (
	StateIdle       State = "idle"       // nothing to send since the start
	StateUp         State = "up"         // the last connection worked
	StateProbing    State = "probing"    // finding out whether the receiver confirms by closing
	StateConnecting State = "connecting" // a connection ended before it was confirmed; trying again
	StateStalled    State = "stalled"    // the receiver takes nothing, but its TCP answers
	StateDown       State = "down"       // no connection can be made
	StateStopped    State = "stopped"
)

// Status is a destination as the operator sees it.
type Status struct {
	Name      string    // of the configuration
	State     State     // see there
	Since     time.Time // of State
	Address   string    // of the last connection
	Error     string    // last error with its remedy; "" when all is well
	ErrorAt   time.Time // when Error was met last
	Confirm   string    // "close", or "ack" when the receiver cannot confirm or is configured so
	Delivered uint64    // events confirmed since the start
	Last      time.Time // when events were last confirmed; zero: not since the start
}

// Status returns a snapshot.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// setState notes a state and, when something changed, logs it once.
func (w *Worker) setState(state State, err error) {
	w.mu.Lock()
	changed := w.status.State != state
	text := ""
	if err != nil {
		text = err.Error()
	}
	fresh := text != "" && text != w.status.Error
	if changed {
		w.status.State, w.status.Since = state, time.Now()
	}
	if text != "" {
		w.status.Error, w.status.ErrorAt = text, time.Now()
	}
	w.mu.Unlock()
	w.o.Metrics.state(w.o.Name, state)
	if changed && err != nil || fresh {
		w.o.Logger.Warn("destination is "+string(state), "destination", w.o.Name, "error", text)
	}
}

// up: something was written.
func (w *Worker) up(c *peerConn) {
	w.mu.Lock()
	w.status.Address = c.peer.address
	w.status.Confirm = "close"
	if w.failover.manner(c.peer) == byAcknowledge {
		w.status.Confirm = "ack"
	}
	w.mu.Unlock()
}

// recovered: the receiver confirmed or made progress.
func (w *Worker) recovered() {
	w.mu.Lock()
	before := w.status.State
	since := w.status.Since
	if before != StateUp {
		w.status.State, w.status.Since = StateUp, time.Now()
	}
	w.status.Error = ""
	w.mu.Unlock()
	w.o.Metrics.state(w.o.Name, StateUp)
	if before == StateDown || before == StateStalled || before == StateConnecting {
		w.o.Logger.Info("destination is up again", "destination", w.o.Name, "was", string(before), "for", time.Since(since).Round(time.Second).String())
	}
}

func (w *Worker) stalled(c *peerConn) {
	w.setState(StateStalled, &stalledError{c.peer.address, w.o.ConfirmTimeout})
}

// stalledError is a receiver that takes nothing while its TCP answers.
type stalledError struct {
	address string
	time    time.Duration
}

func (e *stalledError) Error() string {
	return e.address + ": the receiver has read nothing for " + e.time.String() + ", but its TCP answers; nothing is lost, check its load and queues"
}

func (w *Worker) delivered(items []item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for i := range items {
		if events := items[i].events; events > 0 {
			w.status.Delivered += uint64(events)
			w.status.Last = now
		}
	}
	for _, it := range items[max(0, len(items)-recentEvents):] {
		if it.events > 0 {
			w.recent = append(w.recent, Sent{At: now, Source: it.source, Frames: bytes.Clone(it.frames[:min(len(it.frames), recentBytes)])})
		}
	}
	w.recent = w.recent[max(0, len(w.recent)-recentEvents):]
}

// Bounds of what is kept of the newest events.
const (
	recentEvents = 10
	recentBytes  = 8 << 10 // of one record's frames
)

// Sent is a record that was confirmed, as it was sent.
type Sent struct {
	At     time.Time // when it was confirmed
	Source string    // name of the source
	Frames []byte    // with header and framing, the first 8 KiB of them
}

// Recent returns the newest records that were confirmed, at most 10, oldest first.
func (w *Worker) Recent() []Sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.recent)
}

// problem logs what is wrong on our side, once until it changes.
func (w *Worker) problem(what string, err error) {
	text := what + ": " + err.Error()
	w.mu.Lock()
	fresh := w.status.Error != text
	w.status.Error, w.status.ErrorAt = text, time.Now()
	w.mu.Unlock()
	if fresh {
		w.o.Logger.Error(what, "destination", w.o.Name, "error", err)
	}
}

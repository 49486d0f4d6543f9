package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
)

// replayJob is a replay as it is noted, so that it goes on after a restart.
type replayJob struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Below   uint64    `json:"below"`   // records from this number on were still to be delivered when it began
	Records int64     `json:"records"` // there are to send
	Sent    int64     `json:"sent"`    // of these, confirmed in order
	Last    uint64    `json:"last"`    // number of the last of those
}

// replay is one that runs: a job and what of it is under way. It is not safe for concurrent use.
type replay struct {
	job    replayJob
	read   iter.Seq[buffer.Record]
	next   func() (buffer.Record, bool) // nil before the first is read
	end    func()                       // gives the reading up; the same
	ahead  *buffer.Record
	ended  bool   // all were taken
	flight flight // taken, and not confirmed in order
	moved  bool   // more is confirmed in order than is noted
	err    error  // of the reading: damage
}

// newReplay is what is left of a job. One record is in memory at a time.
func newReplay(job replayJob, wants func(source string) bool, retained buffer.Retained) *replay {
	r := &replay{job: job}
	r.read = func(yield func(buffer.Record) bool) {
		r.err = retained.Retained(job.Since, job.Until, func(x buffer.Record) bool {
			return x.Number <= job.Last || !job.covers(&x, wants) || yield(x)
		})
	}
	return r
}

// stop gives up what is open.
func (r *replay) stop() {
	if r.end != nil {
		r.end()
	}
}

// covers tells whether a record of the period is one to send. The bridge's own events are not.
func (j *replayJob) covers(r *buffer.Record, wants func(source string) bool) bool {
	return r.Number < j.Below && r.API != buffer.APIBridge && wants(r.Source)
}

// take appends the next records: no more than maxBytes of Raw, unless the first alone is larger.
func (r *replay) take(records []buffer.Record, max, maxBytes int) []buffer.Record {
	if r.next == nil {
		r.next, r.end = iter.Pull(r.read)
	}
	for {
		if r.ahead == nil && !r.ended {
			x, ok := r.next()
			if r.ended = !ok; ok {
				r.ahead = &x
			}
		}
		if r.ahead == nil || len(records) == max {
			return records
		}
		if maxBytes -= len(r.ahead.Raw); maxBytes < 0 && len(records) > 0 {
			return records
		}
		r.flight.add(r.ahead.Number)
		r.ahead.Number, r.ahead.Old = replayBit|r.ahead.Number, true
		records, r.ahead = append(records, *r.ahead), nil
	}
}

// release takes a record as confirmed.
func (r *replay) release(number uint64) {
	if n, last := r.flight.release(number); n > 0 {
		r.job.Last = last
		r.job.Sent += int64(n)
		r.moved = true
	}
}

// done tells whether all is confirmed.
func (r *replay) done() bool { return r.ended && r.ahead == nil && len(r.flight.all) == 0 }

// replayNote is under what replays are noted.
const replayNote = "replay"

// readReplay returns the replay that a destination's note tells of; nil: there is none.
func readReplay(notes buffer.Notes, destination string) (*replayJob, error) {
	note, err := notes.Note(replayNote, destination)
	if err != nil || note == nil {
		return nil, err
	}
	var job replayJob
	if err := json.Unmarshal(note, &job); err != nil {
		return nil, fmt.Errorf("the note of a replay cannot be read: %w; run the version that wrote it, or a newer one", err)
	}
	return &job, nil
}

// noteReplay notes how far a replay is; nil: there is none any more.
func noteReplay(notes buffer.Notes, destination string, job *replayJob) error {
	if job == nil {
		return notes.SetNote(replayNote, destination, nil)
	}
	note, err := json.Marshal(job)
	if err != nil {
		return err
	}
	return notes.SetNote(replayNote, destination, note)
}

// errReplaying: a destination has one replay at a time.
var errReplaying = errors.New("a replay to this destination is under way; siembridge status says how far it is")

// begin counts what there is to send again of a period, notes it, and begins. What waits to be delivered anyway is
// left out.
func (q *resendQueue) begin(ctx context.Context, since, until time.Time) (int64, error) {
	q.mu.Lock()
	busy := q.replay
	below, ok := q.settled()
	q.mu.Unlock()
	if busy != nil {
		return 0, errReplaying
	}
	if !ok {
		return 0, errors.New("the destination has only just started: try again in a moment")
	}
	job := replayJob{Since: since, Until: until, Below: below}
	err := q.store.Retained(since, until, func(x buffer.Record) bool {
		if job.covers(&x, q.wants) {
			job.Records++
		}
		return ctx.Err() == nil
	})
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		q.log.Warn("a part of the buffer is damaged; the replay leaves it out", "destination", q.destination, "error", err)
	}
	if job.Records == 0 {
		return 0, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.replay != nil:
		return 0, errReplaying
	case q.stopped: // whoever takes its place has looked for a note by now
		return 0, errors.New("the destination was stopped or has changed meanwhile: try again")
	}
	if err := noteReplay(q.store, q.destination, &job); err != nil {
		// It may be there all the same, and the next start would begin what was refused.
		return 0, errors.Join(err, noteReplay(q.store, q.destination, nil))
	}
	q.replay = newReplay(job, q.wants, q.store)
	q.waken()
	q.log.Info("a replay begins", "destination", q.destination, "since", since, "until", until, "records", job.Records)
	return job.Records, nil
}

// settle ends a period now, unless it has ended before, and returns what is wrong with it.
func settle(p *control.Period, now time.Time) error {
	if p.Until.IsZero() || p.Until.After(now) {
		p.Until = now
	}
	if !p.Since.Before(p.Until) {
		return errors.New("the period is empty: since must be before until and before now")
	}
	return nil
}

// Replay sends the retained records of a period to a destination again, beside what is new. A destination has one replay
// at a time; another is an error, and so is an empty period. It goes on after a restart.
func (b *Bridge) Replay(ctx context.Context, r control.ReplayRequest) (control.Replay, error) {
	if err := settle(&r.Period, time.Now()); err != nil {
		return control.Replay{}, err
	}
	d, err := b.destination(r.Destination)
	if err != nil {
		return control.Replay{}, err
	}
	n, err := d.queue.begin(ctx, r.Since, r.Until)
	if err != nil {
		return control.Replay{}, fmt.Errorf("destination %s: %w", r.Destination, err)
	}
	return control.Replay{Since: r.Since, Until: r.Until, Records: n}, nil
}

// destination returns a running destination by its name.
func (b *Bridge) destination(name string) (*runningDestination, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, d := range b.destinations {
		if d.config.Name == name {
			return d, nil
		}
		names = append(names, d.config.Name)
	}
	return nil, config.NotNamed("destination", name, names)
}

// replaying returns the replay that is under way; nil: there is none.
func (q *resendQueue) replaying() *replayJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.replay == nil {
		return nil
	}
	job := q.replay.job
	return &job
}

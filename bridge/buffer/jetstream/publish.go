package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// message is one to be stored.
type message struct {
	subject string
	body    []byte
	expect  uint64        // sequence number of the message that this one replaces; 0: there is none
	free    bool          // whatever it replaces
	life    time.Duration // 0: for ever
	block   string        // header of a block
}

// largest is how many bytes the body of a message may have.
func (b *Buffer) largest() int { return int(b.nc.MaxPayload()) - 8<<10 }

// commitTime bounds how long the servers may take for a commit.
const commitTime = 10 * time.Second

// What becomes of a commit that fails.
var (
	// errConflict: nothing was stored, since another instance has replaced a message meanwhile.
	errConflict = errors.New("another instance was first")
	// ErrAway: the servers do not answer, and it is not known whether anything was stored.
	ErrAway = errors.New("the JetStream servers do not answer; pulling and delivery wait for them, and nothing is lost; check that they run (two of three are needed) and buffer.jetstream.urls")
)

// commit stores some messages, all or none, one directly behind the other, if all that they replace are as expected.
// It returns the sequence number of the first. They are on the disks of a majority of the servers then, synced if the
// servers are set to sync always. More than one are an atomic batch of JetStream (ADR-50), which has at most 1000.
func (b *Buffer) commit(ctx context.Context, messages []message) (first uint64, err error) {
	if b.isRolledBack() { // what this instance would write is about a stream that is no more
		return 0, errRolledBack
	}
	err = b.o.surround(messages[0].subject, func() error {
		first, err = b.publish(ctx, messages)
		return err
	})
	if err == nil {
		b.mu.Lock()
		b.newest = max(b.newest, first+uint64(len(messages))-1)
		b.mu.Unlock()
	}
	return first, err
}

// publish is commit for an instance of which the view of the stream may be at its end.
func (b *Buffer) publish(ctx context.Context, messages []message) (first uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	batch := newID()
	for i := range messages {
		m := &messages[i]
		out := nats.NewMsg(m.subject)
		out.Data = m.body
		if !m.free {
			out.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(m.expect, 10))
		}
		if m.life > 0 {
			out.Header.Set("Nats-TTL", strconv.Itoa(int(m.life/time.Second))+"s")
		}
		if m.block != "" {
			out.Header.Set(blockHeader, m.block)
		}
		if len(messages) > 1 {
			out.Header.Set("Nats-Batch-Id", batch)
			out.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		}
		if i < len(messages)-1 {
			if err := b.nc.PublishMsg(out); err != nil {
				return 0, b.unanswered(ctx, err)
			}
			continue
		}
		if len(messages) > 1 {
			out.Header.Set("Nats-Batch-Commit", "1")
		}
		answer, err := b.nc.RequestMsgWithContext(ctx, out)
		if err != nil {
			return 0, b.unanswered(ctx, err)
		}
		last, err := parseAck(answer.Data)
		return last - uint64(len(messages)) + 1, err
	}
	return 0, errors.New("there is nothing to store")
}

// unanswered explains why no answer came. Who gave up himself learns that.
func (b *Buffer) unanswered(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, nats.ErrMaxPayload) { // the client library does not send it
		return fmt.Errorf("something is larger than the JetStream servers take: %w; set max_payload of the servers to 1 MiB or more", err)
	}
	return fmt.Errorf("%w (%v)", ErrAway, err)
}

// apiError is how JetStream says no.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// Error codes of JetStream (server/errors.json of nats-server).
var (
	codesConflict = []int{10071, 10164}
	codesNoSpace  = []int{10002, 10023, 10028, 10047, 10077}
	codesAgain    = []int{10008, 10176, 10210, 10059} // leader changes, a batch of which a part went to another leader, too many at once, a stream that was just made and is not known to all servers yet
)

const codeNotFound = 10037

func (e *apiError) err() error {
	switch {
	case slices.Contains(codesConflict, e.ErrCode):
		return errConflict
	case slices.Contains(codesNoSpace, e.ErrCode):
		return fmt.Errorf("the JetStream servers have no room (%s): %w", e.Description, buffer.ErrNoSpace)
	case slices.Contains(codesAgain, e.ErrCode):
		return fmt.Errorf("%w (%s)", ErrAway, e.Description)
	}
	return fmt.Errorf("the JetStream servers refuse: %s (%d)", e.Description, e.ErrCode)
}

func parseAck(data []byte) (last uint64, err error) {
	var ack struct {
		Seq   uint64    `json:"seq"`
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return 0, fmt.Errorf("the JetStream servers' answer cannot be read: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error.err()
	}
	return ack.Seq, nil
}

// put is a state to be written in the place of the one that is known.
type put struct {
	subject string
	body    []byte // nil: forgotten
	life    time.Duration
}

// forgotten is how long a state without a body stays, so that all instances see it.
const forgotten = time.Hour

// write stores states, all or none. errConflict says that others were first; what they wrote is known then. A write
// that went unanswered is repeated until it is known what became of it or ctx ends.
func (b *Buffer) write(ctx context.Context, puts ...put) error {
	messages := make([]message, len(puts))
	b.mu.Lock()
	for i, p := range puts {
		messages[i] = message{subject: p.subject, body: p.body, expect: b.docs[p.subject].seq, life: p.life}
		if p.body == nil {
			messages[i].life = forgotten
		}
	}
	b.mu.Unlock()
	first, err := b.commit(ctx, messages)
	if err == nil {
		b.mu.Lock()
		for i, p := range puts {
			b.apply(p.subject, first+uint64(i), p.body)
		}
		b.mu.Unlock()
		return nil
	}
	if !errors.Is(err, errConflict) && !errors.Is(err, ErrAway) {
		return err
	}
	// What stands there now tells what became of it.
	same := true
	for _, p := range puts {
		body, refreshErr := b.refresh(ctx, p.subject)
		if refreshErr != nil {
			return refreshErr
		}
		same = same && string(body) == string(p.body)
	}
	if same {
		return nil
	}
	return errConflict
}

package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// readTime bounds how long the servers may take for an answer.
const readTime = 5 * time.Second

// stored is a message as it was read.
type stored struct {
	subject string
	seq     uint64
	header  string // of a block
	body    []byte
}

// last returns the newest message of a subject as the leader has it; seq is 0 when there is none. A subject may have
// wildcards.
func (b *Buffer) last(ctx context.Context, subject string) (stored, error) {
	return b.ask(ctx, map[string]any{"last_by_subj": subject})
}

// ask reads one message from the stream's leader.
func (b *Buffer) ask(ctx context.Context, request map[string]any) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+StreamName, encode(request))
	if err != nil {
		return stored{}, b.unanswered(ctx, err)
	}
	var got struct {
		Error   *apiError `json:"error"`
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Header  []byte `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return stored{}, fmt.Errorf("the JetStream servers' answer cannot be read: %w", err)
	}
	if got.Error != nil {
		if got.Error.ErrCode == codeNotFound {
			return stored{}, nil
		}
		return stored{}, got.Error.err()
	}
	s := stored{subject: got.Message.Subject, seq: got.Message.Seq, body: got.Message.Data}
	if header, err := nats.DecodeHeadersMsg(got.Message.Header); err == nil {
		s.header = header.Get(blockHeader)
	}
	return s, nil
}

// refresh reads a state from the leader and takes it in. The error is errRolledBack when the stream cannot have it.
func (b *Buffer) refresh(ctx context.Context, subject string) (body []byte, err error) {
	if body, err = b.refreshFrom(ctx, subject); errors.Is(err, errNotThere) {
		var missing error
		err = b.certainly(ctx, func() error {
			body, missing = b.refreshFrom(ctx, subject)
			return nil
		})
		if err == nil {
			err = b.isMissing(missing)
		}
	}
	return body, err
}

// refreshFrom is refresh from a leader that may not have everything yet.
func (b *Buffer) refreshFrom(ctx context.Context, subject string) (body []byte, err error) {
	b.mu.Lock()
	known, followed := b.docs[subject], b.followed
	b.mu.Unlock()
	s, err := b.last(ctx, subject)
	if err != nil {
		return nil, err
	}
	if s.seq > 0 {
		if err := b.wasFollowed(s, followed); err != nil {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case s.seq > 0 && s.seq >= known.seq:
		b.apply(subject, s.seq, s.body)
	case known.seq == 0:
	case s.seq > 0 || !mayVanish(subject, known):
		return nil, fmt.Errorf("%w: %s in message %d", errNotThere, subject, known.seq)
	case known.seq == b.docs[subject].seq:
		delete(b.docs, subject) // it had been forgotten or is past its time, and is gone
	}
	return b.docs[subject].body, nil
}

// direct reads messages from any server that has them: it may not have the newest yet.
func (b *Buffer) direct(ctx context.Context, request map[string]any) (all []stored, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	inbox := b.nc.NewInbox()
	answers, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, b.unanswered(ctx, err)
	}
	defer answers.Unsubscribe()
	if err := answers.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	if err := b.nc.PublishRequest("$JS.API.DIRECT.GET."+StreamName, inbox, encode(request)); err != nil {
		return nil, b.unanswered(ctx, err)
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil, b.unanswered(ctx, err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // the end, or nothing of that kind
			return all, nil
		default:
			return nil, fmt.Errorf("%w (%s %s)", ErrAway, status, m.Header.Get("Description"))
		}
		seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the JetStream servers' answer has no sequence number: %w", err)
		}
		all = append(all, stored{subject: m.Header.Get("Nats-Subject"), seq: seq, header: m.Header.Get(blockHeader), body: m.Data})
	}
}

// manySubjects is how many keys are asked for at once; the servers answer at most 1024.
const manySubjects = 500

// lastOf returns the newest messages of some subjects.
func (b *Buffer) lastOf(ctx context.Context, subjects []string) (map[string]stored, error) {
	all := make(map[string]stored, len(subjects))
	for len(subjects) > 0 {
		n := min(len(subjects), manySubjects)
		got, err := b.direct(ctx, map[string]any{"multi_last": subjects[:n]})
		if err != nil {
			return nil, err
		}
		for _, s := range got {
			all[s.subject] = s
		}
		subjects = subjects[n:]
	}
	return all, nil
}

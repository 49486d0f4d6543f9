package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// followBeat is how often the servers show that a consumer is there. Without two of them in a row it is made anew, on
	// another server.
	followBeat = 2 * time.Second
	// followWait is how long a message is waited for at once. The client library looks for beats from the beginning of
	// each wait, and no more after a connection that was lost, so that a wait without end may be one for nothing.
	followWait = 5 * followBeat
)

// feed is a part of the stream that is followed.
type feed struct {
	subjects string
	headers  bool // of the messages, without their bodies
	take     func(m jetstream.Msg, seq uint64)
}

// follow has two consumers feed the index and the states, and returns when both have caught up with what is there now.
func (b *Buffer) follow(ctx context.Context) error {
	// States first: a block that was removed is known to be, and a new block meets its destinations.
	for _, f := range []feed{{states + ">", false, b.takeState}, {blocks + ">", true, b.takeBlock}} {
		newest, messages, err := b.consume(ctx, f)
		if err != nil {
			return err
		}
		caughtUp := make(chan struct{})
		b.running.Go(func() { b.takeAll(f, messages, newest, caughtUp) })
		select {
		case <-caughtUp:
		case <-ctx.Done():
			return fmt.Errorf("%w (the stream could not be read in time)", ErrAway)
		}
	}
	return nil
}

// consume begins to read a feed, and tells its newest message as of before; 0: there is none.
func (b *Buffer) consume(ctx context.Context, f feed) (newest uint64, messages jetstream.MessagesContext, err error) {
	err = patiently(ctx, func() error {
		last, err := b.last(ctx, f.subjects)
		if err != nil {
			return err
		}
		newest = last.seq
		short, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		consumer, err := b.js.OrderedConsumer(short, StreamName, jetstream.OrderedConsumerConfig{FilterSubjects: []string{f.subjects}, HeadersOnly: f.headers})
		if err != nil {
			return b.explain(err)
		}
		messages, err = consumer.Messages(jetstream.PullMaxMessages(2000), jetstream.PullHeartbeat(followBeat))
		return b.explain(err)
	})
	return newest, messages, err
}

// takeAll takes the messages of a feed until the buffer is closed. It closes caughtUp when it has come to newest.
func (b *Buffer) takeAll(f feed, messages jetstream.MessagesContext, newest uint64, caughtUp chan<- struct{}) {
	stop := context.AfterFunc(b.ctx, messages.Stop)
	defer func() { stop() }()
	behind := newest > 0
	if !behind {
		close(caughtUp)
	}
	for b.ctx.Err() == nil {
		m, err := messages.Next(jetstream.NextMaxWait(followWait))
		switch {
		case errors.Is(err, nats.ErrTimeout):
			continue
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			if b.ctx.Err() != nil {
				return
			}
			b.log.Debug("the stream is followed from its beginning again", "error", err)
			_, again, err := b.consume(b.ctx, f)
			if err != nil {
				select {
				case <-time.After(time.Second):
				case <-b.ctx.Done():
				}
				continue
			}
			messages = again // what is known is passed over
			stop = context.AfterFunc(b.ctx, messages.Stop)
			continue
		case err != nil:
			b.log.Debug("the stream is followed again", "error", err)
			continue
		}
		at, err := m.Metadata()
		if err != nil {
			continue
		}
		b.mu.Lock()
		b.newest = max(b.newest, at.Sequence.Stream)
		f.take(m, at.Sequence.Stream)
		b.mu.Unlock()
		if behind && at.Sequence.Stream >= newest {
			behind = false
			close(caughtUp)
		}
	}
}

// takeState takes in a state.
func (b *Buffer) takeState(m jetstream.Msg, seq uint64) {
	b.followed = max(b.followed, seq)
	b.apply(m.Subject(), seq, m.Data())
	if m.Subject() == ofMember+b.id {
		b.heardItself()
	}
}

// takeBlock takes in the header of a block. One that cannot be read is passed over: its records are pulled again when
// the source looks back.
func (b *Buffer) takeBlock(m jetstream.Msg, seq uint64) {
	delete(b.own, seq)
	block, err := parseHeader(m.Headers().Get(blockHeader))
	if err != nil {
		b.log.Error("records in the stream cannot be read", "message", seq, "error", err)
		return
	}
	from, _, _ := strings.Cut(m.Subject()[len(blocks):], ".")
	block.seq, block.source = seq, name(from)
	b.addBlock(&block)
}

// reached waits until this instance knows the log up to a block, which makes what is stored visible to its own queues
// at once; no longer than a moment, since the block is safe either way.
func (b *Buffer) reached(ctx context.Context, block uint64) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.index.last < block && b.wait(ctx) == nil {
	}
}

// wait waits until something changes. b.mu is held, but not while it waits.
func (b *Buffer) wait(ctx context.Context) error {
	changed := b.changed
	b.mu.Unlock()
	defer b.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-b.ctx.Done():
		return errClosed
	}
}

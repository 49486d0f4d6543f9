package jetstream

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// readAhead is how many bytes of blocks are read at once, and payloadBytes how many are kept, compressed, for the next
// destination that takes them.
const (
	readAhead    = 1 << 20
	payloadBytes = 16 << 20
)

// payloads keeps the newest blocks that were read.
type payloads struct {
	mu    sync.Mutex
	bytes int
	all   map[uint64][]byte
	order []uint64
}

func (p *payloads) get(seq uint64) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[seq]
}

func (p *payloads) put(seq uint64, payload []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[uint64][]byte{}
	}
	if _, there := p.all[seq]; there || len(payload) > payloadBytes/4 {
		return
	}
	p.all[seq] = payload
	p.order = append(p.order, seq)
	for p.bytes += len(payload); p.bytes > payloadBytes; p.order = p.order[1:] {
		p.bytes -= len(p.all[p.order[0]])
		delete(p.all, p.order[0])
	}
}

// read returns the records of blocks, which are the caller's. A block that is not there any more has none.
func (b *Buffer) read(ctx context.Context, at []*meta) ([][]buffer.Record, error) {
	records := make([][]buffer.Record, len(at))
	got := map[uint64][]byte{}
	for i, m := range at {
		payload := b.payloads.get(m.seq)
		if payload == nil {
			payload = got[m.seq]
		}
		if payload == nil {
			more, err := b.readFrom(ctx, m)
			if err != nil {
				return nil, err
			}
			maps.Copy(got, more)
			payload = got[m.seq]
		}
		if payload == nil {
			if err := b.isGone(ctx, m); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		if records[i], err = m.open(payload); err != nil {
			b.log.Error("records are passed over; the source pulls them again when it looks back", "error", err)
		}
	}
	return records, nil
}

// isGone makes sure that a block is not there any more: a server that has just come back may not have it yet.
func (b *Buffer) isGone(ctx context.Context, m *meta) error {
	b.mu.Lock()
	removed := b.index.block(number(m.seq, 0)) == nil
	b.mu.Unlock()
	if removed {
		return nil
	}
	return b.certainly(ctx, func() error {
		s, err := b.ask(ctx, map[string]any{"seq": m.seq})
		if err == nil && s.seq == m.seq {
			err = fmt.Errorf("%w (message %d was not there for a moment)", ErrAway, m.seq)
		}
		return err
	})
}

// readFrom reads a block, and with it some that follow.
func (b *Buffer) readFrom(ctx context.Context, m *meta) (map[uint64][]byte, error) {
	if m.pieces > 1 {
		payload, err := b.readPieces(ctx, m)
		return map[uint64][]byte{m.seq: payload}, err
	}
	got, err := b.direct(ctx, map[string]any{"seq": m.seq, "next_by_subj": blocks + ">", "batch": 64, "max_bytes": readAhead})
	if err != nil {
		return nil, err
	}
	all := make(map[uint64][]byte, len(got))
	for _, s := range got {
		if one, err := parseHeader(s.header); err == nil && one.pieces == 1 {
			all[s.seq] = s.body
			b.payloads.put(s.seq, s.body)
		}
	}
	if all[m.seq] == nil {
		// The server that was asked may not have it yet.
		s, err := b.ask(ctx, map[string]any{"seq": m.seq})
		if err != nil {
			return nil, err
		}
		if s.seq == m.seq {
			all[m.seq] = s.body
		}
	}
	return all, nil
}

// readPieces puts a block of several messages together.
func (b *Buffer) readPieces(ctx context.Context, m *meta) (payload []byte, err error) {
	for i := range m.pieces {
		s, err := b.ask(ctx, map[string]any{"seq": m.seq + uint64(i)})
		if err != nil {
			return nil, err
		}
		if s.seq == 0 {
			if i == 0 {
				return nil, nil
			}
			return nil, fmt.Errorf("piece %d of %w", i, m.damaged())
		}
		payload = append(payload, s.body...)
	}
	return payload, nil
}

// cache puts blocks into the cache that this instance has just stored, so that it need not read them.
func (w *work) cache(p *payloads) {
	for _, head := range w.heads {
		if next := head + 1; next >= len(w.messages) || w.messages[next].block != "" || w.messages[next].subject[:len(pieces)] != pieces {
			p.put(w.first+uint64(head), w.messages[head].body)
		}
	}
}

package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// The servers may lose what they had acknowledged: a power failure without sync_interval: always, a restored backup. Then
// the stream is what it was earlier, and goes on from there, in time beyond the sequence numbers that it had before. An
// instance that had seen more than that would pass over what gets a number that it believes to have seen. So each finds
// out, for itself and before it counts a beat:
//
// Its own sign of life is replaced by nobody else, and each replaces the one before or is refused. So with each beat
// everything up to the one before is known to be there. For what was seen since, it matters whether the stream has had
// one leader all the time: only with a change of the leader can anything be lost. After such a change what was seen since
// the last beat that is sure is held against what the leader has (isThere). A leader that has just been elected answers
// before it has everything, so it has to store something first (certainly).

// errRolledBack: what this instance knows of the stream is not true any more.
var errRolledBack = errors.New("the JetStream servers have lost writes that they had acknowledged, as after a power failure without sync_interval: always, or a restored backup; siembridge starts anew with what they have, and what is missing is pulled again")

// errNotThere: a server does not have what this instance has seen. A leader that has just been elected may not have
// everything yet.
var errNotThere = errors.New("what was seen is not there")

// errNewLeader: the stream's leader has changed while the stream was read for the first time.
var errNewLeader = errors.New("the stream has another leader than when it was read")

// doubt says that the servers have lost what they had acknowledged.
type doubt struct {
	Since time.Time `json:"since"`
}

// doubtLife is how long a doubt is remembered.
const doubtLife = 24 * time.Hour

// rollBack ends this instance's view of the stream, and leaves word for a reconciliation. It returns errRolledBack. b.mu
// is held.
func (b *Buffer) rollBack(seen string) error {
	if b.isRolledBack() {
		return errRolledBack
	}
	close(b.rolledBack)
	b.log.Error("the stream is not the one that this instance has seen", "seen", seen, "error", errRolledBack)
	since := b.counted
	if since.IsZero() { // it has not heard itself yet
		since = b.started
	}
	since = since.Add(-time.Hour)
	b.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), commitTime)
		defer cancel()
		if _, err := b.publish(ctx, []message{{subject: ofDoubt, free: true, life: doubtLife, body: encode(doubt{since})}}); err != nil {
			b.log.Warn("no word can be left that writes were lost", "error", err)
		}
	})
	return errRolledBack
}

// Broken is closed when the servers have lost what they had acknowledged: the buffer has to be closed and opened
// again.
func (b *Buffer) Broken() (<-chan struct{}, error) { return b.rolledBack, errRolledBack }

func (b *Buffer) isRolledBack() bool {
	select {
	case <-b.rolledBack:
		return true
	default:
		return false
	}
}

// leadership asks since when which server leads the stream; "": it is not known, as for a stream without replicas.
func (b *Buffer) leadership(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+StreamName, nil)
	if err != nil {
		return "", b.unanswered(ctx, err)
	}
	var info struct {
		Error   *apiError `json:"error"`
		Cluster *struct {
			Leader string     `json:"leader"`
			Since  *time.Time `json:"leader_since"`
		} `json:"cluster"`
	}
	if err := json.Unmarshal(answer.Data, &info); err != nil {
		return "", fmt.Errorf("the JetStream servers' answer cannot be read: %w", err)
	}
	switch c := info.Cluster; {
	case info.Error != nil:
		return "", info.Error.err()
	case c == nil: // one server alone; its id is another after each start
		return b.nc.ConnectedServerId(), nil
	case c.Leader == "" || c.Since == nil:
		return "", nil
	default:
		return c.Leader + " " + c.Since.Format(time.RFC3339Nano), nil
	}
}

// certainly asks the stream's leader, by f, when it is certain to have everything: what it has just stored is behind all
// else. The error wraps ErrAway when there was another one meanwhile.
func (b *Buffer) certainly(ctx context.Context, f func() error) error {
	before, err := b.leadership(ctx)
	if err != nil {
		return err
	}
	if _, err := b.commit(ctx, []message{{subject: ofCheck, free: true, life: memberLife}}); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	after, err := b.leadership(ctx)
	if err == nil && after != before {
		err = fmt.Errorf("%w (the stream's leader changes)", ErrAway)
	}
	return err
}

// isMissing ends this instance's view of the stream if what certainly has looked for is not there.
func (b *Buffer) isMissing(err error) error {
	if !errors.Is(err, errNotThere) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rollBack(err.Error())
}

// confirm finds out whether all that this instance has seen of the stream is there, after a beat that was stored as seq.
// b.beating is held.
func (b *Buffer) confirm(ctx context.Context, seq uint64) error {
	now, err := b.leadership(ctx)
	if err != nil {
		return err
	}
	if now == "" || now != b.leader {
		if b.sure == 0 && now != "" {
			return errNewLeader
		}
		if b.sure > 0 {
			var missing error
			err := b.certainly(ctx, func() error {
				missing = b.isThere(ctx, b.sure)
				return nil
			})
			if err != nil {
				return err
			}
			if err := b.isMissing(missing); err != nil {
				return err
			}
		}
	}
	b.leader, b.sure = now, seq
	return nil
}

// isThere holds what this instance has seen behind a sequence number against what the stream's leader has. The error
// wraps errNotThere when something is not there.
func (b *Buffer) isThere(ctx context.Context, behind uint64) error {
	// States that this instance passed over, since others had their sequence numbers.
	for next := behind + 1; ; {
		b.mu.Lock()
		followed := b.followed
		b.mu.Unlock()
		s, err := b.ask(ctx, map[string]any{"seq": next, "next_by_subj": states + ">"})
		if err != nil {
			return err
		}
		if s.seq == 0 || s.seq > followed {
			break
		}
		if err := b.wasFollowed(s, followed); err != nil {
			return err
		}
		next = s.seq + 1
	}
	// States and records that are not there any more.
	b.mu.Lock()
	var subjects []string
	for subject, d := range b.docs {
		if d.seq > behind {
			subjects = append(subjects, subject)
		}
	}
	records := maps.Clone(b.own)
	for _, m := range b.index.blocks[b.index.search(behind+1):] {
		records[m.seq] = head{m.source, m.header()}
	}
	b.mu.Unlock()
	for _, subject := range subjects {
		if _, err := b.refreshFrom(ctx, subject); err != nil {
			return err
		}
	}
	for seq, h := range records {
		if err := b.hasBlock(ctx, seq, h); err != nil {
			return err
		}
	}
	return nil
}

// wasFollowed holds a state that the leader has against what is known here, which is all up to followed.
func (b *Buffer) wasFollowed(s stored, followed uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.seq <= followed && b.docs[s.subject].seq < s.seq {
		return fmt.Errorf("%w: other messages up to %d than %d, %s", errNotThere, followed, s.seq, s.subject)
	}
	return nil
}

// head is what tells a block of records from another.
type head struct{ source, header string }

// hasBlock looks for a block of records, which is there until a horizon says that it was removed.
func (b *Buffer) hasBlock(ctx context.Context, seq uint64, h head) error {
	s, err := b.ask(ctx, map[string]any{"seq": seq})
	if err != nil || s.header == h.header {
		return err
	}
	if _, err := b.refreshFrom(ctx, ofHorizon+token(h.source)); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if seq < b.removed[h.source] {
		return nil
	}
	return fmt.Errorf("%w: records of source %s in message %d", errNotThere, h.source, seq)
}

// mayVanish tells whether the servers remove a state by themselves.
func mayVanish(subject string, d doc) bool {
	return d.body == nil || strings.HasPrefix(subject, ofMember) || subject == ofDoubt
}

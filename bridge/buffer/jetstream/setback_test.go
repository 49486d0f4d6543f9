package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// setBack is a server that can be set back to what it had before.
type setBack struct {
	t      *testing.T
	server *server.Server
	dir    string
}

func (s *setBack) start(port int) {
	s.server = serveWith(s.t, &server.Options{StoreDir: filepath.Join(s.dir, "data"), Port: port, SyncAlways: true})
}

// save keeps a copy of what is stored, as a backup does.
func (s *setBack) save() {
	if err := os.CopyFS(filepath.Join(s.dir, "saved"), os.DirFS(filepath.Join(s.dir, "data"))); err != nil {
		s.t.Fatal(err)
	}
}

// restart ends the server and starts it again; with what was saved, if it is to lose the rest.
func (s *setBack) restart(lose bool) {
	port := s.server.Addr().(*net.TCPAddr).Port
	s.server.Shutdown()
	s.server.WaitForShutdown()
	if lose {
		data := filepath.Join(s.dir, "data")
		if err := errors.Join(os.RemoveAll(data), os.Rename(filepath.Join(s.dir, "saved"), data)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.start(port)
}

// open opens the buffer for an instance that shows that it is there only when it is told to.
func (s *setBack) open() *Buffer {
	b, err := Open(Options{URLs: []string{s.server.ClientURL()}, Replicas: 1, Beat: time.Hour})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = b.Close() })
	return b
}

// append stores a record.
func (s *setBack) append(b *Buffer, source, key string) {
	batch := buffer.Batch{Source: source, Records: []buffer.Record{{API: "alerts", Key: key, Changed: time.Unix(1, 0), Raw: []byte("{}")}}, Checkpoint: []byte(key)}
	if _, err := b.Append(s.t.Context(), batch); err != nil {
		s.t.Fatal(err)
	}
}

func (s *setBack) note(b *Buffer, subject string) {
	if err := b.SetNote(subject, "key", []byte(time.Now().String())); err != nil {
		s.t.Fatal(err)
	}
}

// seen waits until an instance has seen what another has.
func (s *setBack) seen(b, other *Buffer) {
	other.mu.Lock()
	newest, last := other.followed, other.index.last
	other.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.followed < newest || b.index.last < last {
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Millisecond) // what it knew already changes nothing
		_ = b.wait(ctx)
		cancel()
		if s.t.Context().Err() != nil {
			s.t.Fatal("the stream is not followed")
		}
	}
}

func (s *setBack) beat(b *Buffer) error {
	return patiently(s.t.Context(), func() error { return b.beat(s.t.Context()) })
}

// TestSetBack: whatever a stream has lost and however it has gone on since, an instance that had seen more finds out with
// its next beat, and one that has not goes on.
func TestSetBack(t *testing.T) {
	both := func(s *setBack, b, other *Buffer) { // what is lost: records, keys, a checkpoint, a note
		s.append(other, "s", "lost")
		s.note(other, "lost")
		s.seen(b, other)
	}
	for _, c := range []struct {
		name  string
		lost  func(s *setBack, b, other *Buffer) // what is stored after the copy was made
		since func(s *setBack, other *Buffer)    // what another instance stores afterwards
		keep  bool                               // the server is started with all that it had
		want  error
	}{
		{name: "nothing", lost: func(*setBack, *Buffer, *Buffer) {}},
		{name: "nothing, and it goes on", lost: func(*setBack, *Buffer, *Buffer) {}, since: func(s *setBack, other *Buffer) { s.append(other, "u", "new") }},
		{name: "a restart", lost: both, keep: true},
		{name: "a restart, and what was seen is replaced", lost: both, keep: true, since: func(s *setBack, other *Buffer) {
			s.append(other, "u", "new")
			s.note(other, "lost")
			s.note(other, "another")
		}},
		{name: "a restart, and what was seen is removed", lost: both, keep: true, since: func(s *setBack, other *Buffer) {
			other.mu.Lock()
			before := other.index.last + 1
			other.mu.Unlock()
			if err := errors.Join(other.write(s.t.Context(), put{subject: ofHorizon + "s", body: encode(horizon{before})}), other.purge(s.t.Context(), blocks+"s.>", before)); err != nil {
				s.t.Fatal(err)
			}
		}},
		{name: "its last sign of life", lost: func(s *setBack, b, _ *Buffer) {
			if err := s.beat(b); err != nil {
				s.t.Fatal(err)
			}
		}, want: errRolledBack},
		{name: "its last sign of life, and the stream has grown", lost: func(s *setBack, b, _ *Buffer) {
			if err := s.beat(b); err != nil {
				s.t.Fatal(err)
			}
		}, since: func(s *setBack, other *Buffer) {
			for i := range 10 {
				s.append(other, "u", fmt.Sprint(i))
			}
		}, want: errRolledBack},
		{name: "what it had seen since", lost: both, want: errRolledBack},
		{name: "a note that it had seen since, and the stream has grown", lost: func(s *setBack, b, other *Buffer) { s.note(other, "lost"); s.seen(b, other) }, since: func(s *setBack, other *Buffer) {
			for i := range 10 {
				s.append(other, "u", fmt.Sprint(i))
			}
		}, want: errRolledBack},
		{name: "records that it had seen since, and others have their numbers", lost: both, since: func(s *setBack, other *Buffer) {
			for i := range 10 {
				s.append(other, "u", fmt.Sprint(i))
			}
		}, want: errRolledBack},
		{name: "all that it had seen since was stored anew", lost: func(s *setBack, b, other *Buffer) { s.note(other, "lost"); s.note(other, "last"); s.seen(b, other) }, since: func(s *setBack, other *Buffer) {
			s.note(other, "third") // with the number of the first
			for range 10 {
				s.note(other, "lost")
				s.note(other, "last")
			}
		}, want: errRolledBack},
		{name: "what it had stored itself", lost: func(s *setBack, b, _ *Buffer) { s.append(b, "t", "lost") }, since: func(s *setBack, other *Buffer) {
			for i := range 10 {
				s.append(other, "u", fmt.Sprint(i))
			}
		}, want: errRolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &setBack{t: t, dir: t.TempDir()}
			s.start(-1)
			other := s.open()
			s.append(other, "s", "first")
			b := s.open()
			s.seen(b, other)
			s.save()
			c.lost(s, b, other)
			s.restart(!c.keep)
			if c.since != nil {
				c.since(s, s.open())
			}
			if err := s.beat(b); !errors.Is(err, c.want) {
				t.Fatalf("the next beat: %v, want %v", err, c.want)
			}
			over, _ := b.Broken()
			select {
			case <-over:
				if c.want == nil {
					t.Error("the instance ends")
				}
			default:
				if c.want != nil {
					t.Error("the instance goes on")
				}
			}
			if c.want == nil {
				if err := s.beat(b); err != nil {
					t.Errorf("the beat after that: %v", err)
				}
				return
			}
			if err := b.SetNote("s", "key", []byte("stale")); !errors.Is(err, errRolledBack) {
				t.Errorf("something is stored by an instance that is over: %v", err)
			}
			_ = b.Close() // which waits until word is left
			anew := s.open()
			if parts, since := anew.Damage(); parts != 1 || since.IsZero() {
				t.Errorf("no word is left for a reconciliation: %d, %v", parts, since)
			}
		})
	}
}

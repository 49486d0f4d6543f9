package jetstream

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// followed is a state as the stream's consumer brings it.
type followed struct {
	jetstream.Msg
	subject string
	data    []byte
}

func (f followed) Subject() string { return f.subject }
func (f followed) Data() []byte    { return f.data }

// TestDead: an instance that is not heard of for five beats is taken for dead, but not by one that hears nothing.
func TestDead(t *testing.T) {
	b := newBuffer(Options{Beat: 1})
	defer b.abandon()
	b.mu.Lock()
	defer b.mu.Unlock()
	seq := uint64(0)
	hear := func(id string) {
		seq++
		b.takeState(followed{subject: ofMember + id, data: encode(presence{Host: id})}, seq)
	}
	live := func(when string, want ...string) {
		t.Helper()
		want = append(want, b.id)
		slices.Sort(want)
		if got := b.live(func(*member) bool { return true }); !slices.Equal(got, want) {
			t.Errorf("%s: %q are live, want %q", when, got, want)
		}
	}
	hear(b.id)
	hear("other")
	for range 10 { // what is acknowledged and not followed
		seq++
		b.apply(ofMember+b.id, seq, encode(presence{}))
	}
	live("when nothing is followed", "other")
	for range missedBeats - 1 {
		hear(b.id)
	}
	live("after four beats", "other")
	hear(b.id)
	live("after five")
	hear("other")
	live("when it is heard of again", "other")
}

package jetstream

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
)

// TestShareSources: of two sources that this instance pulls another shall have one, and gets it: when pulling has ended
// at once, and when the servers did not answer then, with the next beat.
func TestShareSources(t *testing.T) {
	b := newBuffer(Options{})
	defer b.abandon()
	b.mu.Lock()
	defer b.mu.Unlock()
	seq := uint64(0)
	apply := func(subject string, body any) {
		seq++
		b.apply(subject, seq, encode(body))
	}
	both := []string{"a", "b"}
	apply(ofMember+b.id, presence{Sources: both})
	for _, source := range both {
		l := &lease{epoch: 1, pulling: true}
		l.held, l.end = context.WithCancelCause(t.Context())
		b.leases[source] = l
		apply(ofSource+source, sourceState{Holder: b.id, Epoch: 1})
	}
	share := func(when string, want ...string) {
		t.Helper()
		var got []string
		for _, p := range b.shareSources() {
			var s sourceState
			if err := json.Unmarshal(p.body, &s); err != nil {
				t.Fatal(err)
			}
			got = append(got, name(p.subject[len(ofSource):])+" to "+s.Holder)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: written is %q, want %q", when, got, want)
		}
	}
	share("alone")
	apply(ofMember+"other", presence{Sources: both})
	share("with another")
	if b.leases["a"].held == nil || b.leases["b"].held != nil {
		t.Fatal("one of the leases is to end, and the other not")
	}
	share("while the pulling ends")
	b.leases["b"] = &lease{} // done was called, it could not be given up, and Lease was called again
	share("afterwards", "b to ")
	apply(ofSource+"b", sourceState{Epoch: 1})
	share("when it was given up")
	apply(ofMember+"other", presence{Sources: []string{"a"}})
	share("when the other does not want it any more", "b to "+b.id)
}

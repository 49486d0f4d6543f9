package keys

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// TestHashesBounded: many contents with one changed time do not make a key's state grow without end, and none of
// them is lost.
func TestHashesBounded(t *testing.T) {
	state, seen := State{}, false
	for i := range 100 {
		var v Verdict
		v, state = Decide(state, seen, 1, buffer.Hash{1, byte(i)})
		if v != New && v != Update {
			t.Fatalf("content %d: %v", i, v)
		}
		seen = true
		if len(state.More)+1 > MaxHashes {
			t.Fatalf("%d hashes", len(state.More)+1)
		}
		again, ok := Parse(state.Append(nil))
		if !ok || !cmp.Equal(again, state) {
			t.Fatalf("%+v, stored and read %+v", state, again)
		}
	}
	if v, _ := Decide(state, true, 1, buffer.Hash{1, 99 - MaxHashes + 1}); v != Known {
		t.Fatalf("the oldest that is remembered: %v", v)
	}
}

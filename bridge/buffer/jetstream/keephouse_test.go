package jetstream

import (
	"fmt"
	"testing"
)

// TestSweep: instances that died, and what was forgotten, take no memory when the servers do not have them any more; all
// else stays.
func TestSweep(t *testing.T) {
	b := newBuffer(Options{})
	defer b.end()
	seq := uint64(0)
	apply := func(subject string, body []byte) {
		seq++
		b.apply(subject, seq, body)
	}
	const many = 100
	for i := range many {
		apply(ofMember+fmt.Sprint("dead", i), encode(presence{Host: "h"}))
		apply(ofQuarantined+fmt.Sprint(i), encode(quarantined{Key: "k"}))
		apply(ofQuarantined+fmt.Sprint(i), nil)
	}
	apply(ofMember+b.id, encode(presence{Host: "own"}))
	apply(ofQuarantined+"kept", encode(quarantined{Key: "k"}))
	apply(ofNote+"old", []byte("=v"))
	b.beats += uint64(memberLife / b.o.Beat) // the servers may have them yet
	b.sweep()
	if len(b.members) != many+1 || len(b.docs) != 2*many+3 {
		t.Errorf("%d instances, %d states", len(b.members), len(b.docs))
	}
	apply(ofMember+"alive", encode(presence{Host: "h"}))
	apply(ofNote+"new", nil)
	b.beats += uint64(4 * memberLife / b.o.Beat)
	apply(ofMember+"alive", encode(presence{Host: "h"}))
	b.sweep()
	if len(b.members) != 2 || len(b.docs) != 5 || len(b.Instances()) != 2 || len(b.quarantine.all) != 1 {
		t.Errorf("%d instances, %d states", len(b.members), len(b.docs))
	}
}

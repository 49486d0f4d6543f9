package jetstream

import (
	"slices"
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// TestLaneComesMeanwhile: lanes that are taken over, or taken back, while this instance reads blocks of others are looked
// at from where they stand: nothing of them is passed over, and their order is kept.
func TestLaneComesMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name  string
		comes func(q *Queue, put func(lane int, c cursor))
	}{
		{"from another instance", func(q *Queue, put func(lane int, c cursor)) { put(1, cursor{Holder: q.b.id, Epoch: 2}) }},
		{"given up and taken again", func(q *Queue, put func(lane int, c cursor)) {
			put(1, cursor{Holder: q.b.id, Epoch: 2})
			put(1, cursor{Epoch: 2})
			put(1, cursor{Holder: q.b.id, Epoch: 3})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuffer(Options{})
			defer b.abandon()
			b.mu.Lock()
			defer b.mu.Unlock()
			seq := uint64(10)
			b.apply(ofDestination+token("d"), seq, encode(settings{Born: 5}))
			d := b.destinations["d"]
			q := &Queue{b: b, d: d}
			d.queue = q
			put := func(lane int, c cursor) {
				seq++
				c.Born, c.High = 5, number(5, 0)
				b.apply(laneSubject("d", lane), seq, encode(c))
			}
			put(0, cursor{Holder: b.id, Epoch: 1})
			put(1, cursor{Holder: "another", Epoch: 1})
			add := func(seq uint64, lanes ...byte) { b.addBlock(&meta{seq: seq, source: "s", bytes: 1000, lanes: lanes}) }
			read := func(at []*meta) (read [][]buffer.Record) {
				for _, m := range at {
					var records []buffer.Record
					for i := range m.lanes {
						records = append(records, buffer.Record{Number: number(m.seq, i)})
					}
					read = append(read, records)
				}
				return read
			}
			var got []uint64
			take := func(at []*meta, in lanes) {
				for _, r := range q.pick(nil, at, in, read(at), 100, 1<<20) {
					got = append(got, r.Number)
				}
			}
			add(100, 1)
			add(101, 0, 1)
			at, in := q.look(100, 1<<20)
			if len(at) != 1 || at[0].seq != 101 {
				t.Fatalf("%d blocks are read", len(at))
			}
			c.comes(q, put)
			take(at, in)
			take(q.look(100, 1<<20))
			if want := []uint64{number(101, 0), number(100, 0), number(101, 1)}; !slices.Equal(got, want) {
				t.Errorf("taken %d, want %d", got, want)
			}
			if at, _ := q.look(100, 1<<20); len(at) > 0 {
				t.Errorf("block %d is read again", at[0].seq)
			}
		})
	}
}

// TestLaneStaysMeanwhile: a lane that shall be given up, and then shall not, is looked at from where it stands.
func TestLaneStaysMeanwhile(t *testing.T) {
	b := newBuffer(Options{})
	defer b.abandon()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apply(ofDestination+token("d"), 10, encode(settings{Born: 5}))
	q := &Queue{b: b, d: b.destinations["d"]}
	q.d.queue = q
	for i := range 2 {
		b.apply(laneSubject("d", i), uint64(11+i), encode(cursor{Born: 5, High: number(5, 0), Holder: b.id, Epoch: 1}))
	}
	q.lanes[1].leaving = true
	b.addBlock(&meta{seq: 100, source: "s", bytes: 1000, lanes: []byte{1}})
	b.addBlock(&meta{seq: 101, source: "s", bytes: 1000, lanes: []byte{0}})
	at, in := q.look(100, 1<<20)
	q.lanes[1].leaving = false
	if got := q.pick(nil, at, in, [][]buffer.Record{{{Number: number(101, 0)}}}, 100, 1<<20); len(got) != 1 {
		t.Fatalf("%d records are taken", len(got))
	}
	if at, _ := q.look(100, 1<<20); len(at) != 1 || at[0].seq != 100 {
		t.Fatalf("%d blocks are read, want that of the lane that stays", len(at))
	}
}

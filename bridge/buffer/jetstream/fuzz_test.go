package jetstream

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// FuzzStream reads any bytes as what the stream holds: headers and bodies of blocks, keys, and states on any subject, in
// the place of good ones. Nothing of it ends the program, and no more records come out than the header says.
func FuzzStream(f *testing.F) {
	full := &block{meta: meta{source: "s"}}
	for range 3 {
		full.add(&buffer.Record{Key: "k", Raw: []byte(`{"a":1}`)}, true)
	}
	payload := full.seal(1 << 20)[0]
	state := keys.State{Changed: 1}
	key := state.Append([]byte{keyOfBlock, 5, 2})
	f.Add(full.header(), payload, key, "siembridge.s.l.d.0", cursor{Born: 1, High: 5 << indexBits, Holes: []uint64{1 << indexBits}}.encode())
	f.Add(full.header(), payload[:len(payload)-3], key[:20], "siembridge.s.l.d.-1", []byte(`{"born":1}`))
	f.Add("", []byte{}, []byte{}, "siembridge.s.d.d", []byte(`{"born":9,"sources":["t"]}`))
	f.Add("", []byte{}, []byte{}, "siembridge.s.c.%4", encode(sourceState{Holder: "x"}))
	f.Add("", []byte{}, []byte{}, "siembridge.s.h.s", encode(horizon{1 << 40}))
	f.Add("", []byte{}, []byte{}, "siembridge.s.m.x", encode(presence{Sources: []string{"s"}}))
	f.Add("", []byte{}, []byte{}, "siembridge.s.x.x", encode(quarantined{Bytes: -1, Pieces: -1}))
	f.Fuzz(func(t *testing.T, header string, payload, key []byte, subject string, body []byte) {
		b := newBuffer(Options{})
		b.nc = &nats.Conn{}
		defer b.end()
		b.apply(ofDestination+"d", 1, encode(settings{Born: 1}))
		for seq, head := range []string{full.header(), header, full.header()} {
			m, err := parseHeader(head)
			if err != nil {
				continue
			}
			m.seq, m.source = uint64(seq+2), "s"
			b.addBlock(&m)
			if records, err := m.open(payload); err == nil && len(records) != len(m.lanes) {
				t.Fatalf("%d records of %d", len(records), len(m.lanes))
			}
		}
		if s, ok := parseKey(key, 10); ok && s.Number > 10<<indexBits && len(key) > 0 && key[0] == keyOfBlock {
			t.Fatalf("the key of message 10 is of record %d", s.Number)
		}
		b.apply(subject, 6, body)
		b.apply(laneSubject("d", 1), 7, cursor{Born: 1, High: 3 << indexBits}.encode())
		b.apply(subject, 8, nil)
		if d := b.destinations["d"]; d != nil {
			b.pendingOf(d)
			b.drops(1)
		}
		b.Instances()
		b.Leftovers()
		b.Damage()
	})
}

package buffertest

import (
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

func keyRules() []rule {
	return []rule{
		{"unknown key is an event", "a record whose key is unknown in its source is new", unknownKey},
		{"later and different is an update", "Changed later than the key's last and another Hash: an event, marked as an update", laterDifferent},
		{"later and equal is known", "Changed later and the same Hash: known, and the later Changed is remembered", laterEqual},
		{"earlier is known", "Changed earlier than the key's last: known, whatever its Hash", earlier},
		{"equal time, other content", "Changed equal: an event unless the Hash was seen with that Changed", equalTime},
		{"no changed time", "records without Changed are told apart by their Hash alone", noChanged},
		{"equal time, other hash version", "a Hash of another version with an equal Changed is no change of content", hashVersion},
		{"no updates", "with NoUpdates a changed record counts as known, and its new state is remembered", noUpdates},
		{"key twice in a batch", "a key that comes twice in a batch is decided as if in two batches", twiceInBatch},
		{"summary", "a summary is an event only if its key was known, its content changed and none of its parts is an event", summary},
		{"keys outlive records", "keys are remembered when the records are delivered and the buffer was opened again", keysOutlive},
	}
}

func unknownKey(h *harness) {
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "1")), 1, 0, 0)
	h.wantOutcome(h.append("other", h.record("other", "k", at(1), "1")), 1, 0, 0)
	h.wantOutcome(h.append("s", h.record("s", "", at(1), "1")), 1, 0, 0)
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "1")), 0, 0, 1)
}

func laterDifferent(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	first := h.appendOne(h.record("s", "k", at(1), "1"))
	second := h.appendOne(h.record("s", "k", at(2), "2"))
	if first.Update || !second.Update {
		h.Fatalf("Update of the first %v, of the second %v", first.Update, second.Update)
	}
	if got := h.take(q, 2); got[0].Update || !got[1].Update {
		h.Fatal("Update is not kept")
	}
	h.wantOutcome(h.append("s", h.record("s", "k", at(3), "1")), 0, 1, 0)
}

func laterEqual(h *harness) {
	h.append("s", h.record("s", "k", at(1), "1"))
	h.wantOutcome(h.append("s", h.record("s", "k", at(5), "1")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(4), "2")), 0, 0, 1)
	h.reopen()
	h.wantOutcome(h.append("s", h.record("s", "k", at(4), "2")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(6), "2")), 0, 1, 0)
}

func earlier(h *harness) {
	h.append("s", h.record("s", "k", at(5), "1"))
	h.wantOutcome(h.append("s", h.record("s", "k", at(4), "2")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(5), "1")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(5).Add(-100*time.Nanosecond), "2")), 0, 0, 1)
}

func equalTime(h *harness) {
	h.append("s", h.record("s", "k", at(1), "a"))
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "b")), 0, 1, 0)
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "a")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "b")), 0, 0, 1)
	h.reopen()
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "a"), h.record("s", "k", at(1), "c"), h.record("s", "k", at(1), "b")), 0, 1, 2)
}

func noChanged(h *harness) {
	h.wantOutcome(h.append("s", h.record("s", "k", time.Time{}, "a")), 1, 0, 0)
	h.wantOutcome(h.append("s", h.record("s", "k", time.Time{}, "a")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", time.Time{}, "b")), 0, 1, 0)
	h.wantOutcome(h.append("s", h.record("s", "k", at(1), "c")), 0, 1, 0)
	h.wantOutcome(h.append("s", h.record("s", "k", time.Time{}, "d")), 0, 0, 1)
}

func hashVersion(h *harness) {
	h.append("s", h.record("s", "k", at(1), "a"))
	next := h.record("s", "k", at(1), "a, hashed by a longer list")
	next.Hash[0] = 2
	h.wantOutcome(h.append("s", next), 0, 0, 1)
	changed := h.record("s", "k", at(1), "b")
	changed.Hash[0] = 2
	h.wantOutcome(h.append("s", changed), 0, 1, 0)
	later := h.record("s", "k", at(2), "c")
	later.Hash[0] = 3
	h.wantOutcome(h.append("s", later), 0, 1, 0)
}

func noUpdates(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	changed := func(seconds int, content string) buffer.Batch {
		return buffer.Batch{Source: "s", NoUpdates: true, Records: []buffer.Record{h.record("s", "k", at(seconds), content)}}
	}
	h.wantOutcome(h.batch(changed(1, "1")), 1, 0, 0)
	h.wantOutcome(h.batch(changed(2, "2")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(2), "2")), 0, 0, 1)
	h.wantOutcome(h.append("s", h.record("s", "k", at(3), "3")), 0, 1, 0)
	if got := h.take(q, 2); !got[1].Update || !got[1].Changed.Equal(at(3)) {
		h.Fatalf("taken: %+v", got[1])
	}
	h.nothing(q)
}

func twiceInBatch(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.wantOutcome(h.append("s",
		h.record("s", "k", at(1), "1"), h.record("s", "k", at(1), "1"), h.record("s", "k", at(2), "2"),
		h.record("s", "k", at(1), "1"), h.record("s", "other", at(1), "1"), h.record("s", "k", at(2), "3"),
	), 2, 2, 2)
	got := h.take(q, 4)
	h.wantKeys(got, "k", "k", "other", "k")
	if got[0].Update || !got[1].Update || got[2].Update || !got[3].Update {
		h.Fatal("Update is wrong")
	}
}

func keysOutlive(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	h.fill("s", "k", 50, 20_000)
	h.release(q, h.take(q, 50)...)
	h.advance(100 * 24 * time.Hour)
	h.fill("s", "other", 50, 20_000)
	h.reopen()
	h.wantOutcome(h.append("s", h.record("s", "k0", at(0), "x"), h.record("s", "k49", at(49), "x")), 0, 0, 2)
}

func summary(h *harness) {
	q := h.queue(buffer.Destination{Name: "d"})
	of := func(key string, parts, seconds int, content string) buffer.Record {
		r := h.record("s", key, at(seconds), content)
		r.Summary = parts
		return r
	}
	part := func(key string, seconds int, content string) buffer.Record {
		return h.record("s", key, at(seconds), content)
	}
	h.wantOutcome(h.append("s", part("a1", 1, "1"), part("a2", 1, "1"), of("a", 2, 1, "1"), part("b1", 1, "1"), of("b", 1, 1, "1")), 3, 0, 2)
	h.wantKeys(h.take(q, 3), "a1", "a2", "b1")
	h.wantOutcome(h.append("s", part("a1", 1, "1"), of("a", 1, 1, "1")), 0, 0, 2)
	h.wantOutcome(h.append("s", part("a1", 2, "1"), part("a2", 2, "2"), of("a", 2, 2, "2"), part("b1", 2, "1"), of("b", 1, 2, "2")), 0, 2, 3)
	h.wantKeys(h.take(q, 2), "a2", "b")
	h.wantOutcome(h.append("s", part("a1", 3, "1"), of("a", 1, 3, "2")), 0, 0, 2)
	h.reopen()
	q = h.queue(buffer.Destination{Name: "d"})
	h.take(q, 5)
	h.wantOutcome(h.append("s", part("b1", 3, "1"), of("b", 1, 3, "3"), part("a1", 3, "1"), of("a", 1, 3, "3"), part("c1", 3, "1"), of("c", 1, 3, "3")), 1, 2, 3)
	if got := h.take(q, 3); got[0].Key != "b" || got[1].Key != "a" || !got[1].Update || got[2].Key != "c1" {
		h.Fatalf("taken: %+v", got)
	}
	h.wantOutcome(h.append("s", part("c", 4, "4")), 0, 1, 0)
}

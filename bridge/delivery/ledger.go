package delivery

import (
	"slices"
	"time"
)

// uncleanBeforeHalving is how many unclean ends in a row, without a release, make the next connection carry half as
// many records.
const uncleanBeforeHalving = 3

// attemptsAlone is how often a record that is alone on its connection may end it uncleanly before it is suspected.
const attemptsAlone = 3

// suspectsBeforeGivingUp is how many suspects in a row mean that the receiver cannot confirm at all.
const suspectsBeforeGivingUp = 3

// item is one record on its way: its number and its frames as they are sent, each time the same bytes.
type item struct {
	number    uint64
	frames    []byte
	events    int
	sent      bool      // was sent before: sending it again is a repeat
	delivered bool      // was released before, and is sent again for safety (confirm = "ack")
	repeats   int       // how often it was sent again after that
	since     time.Time // Microsoft's own time on it, for the latency
	source    string    // its record's
	key       string    // likewise
}

// ledger knows of each record on which connection it was sent and decides, when a connection ends, what is confirmed
// and what is sent again: the rules of confirmed by close without socket, clock or goroutine.
//
// One connection is filled at a time. What it carried is in current. After its clean end all but the last 256 KiB are
// confirmed at once; those are held until the receiver has lived through the grace.
type ledger struct {
	current []item // on the connection that is being filled or closed
	held    []tail // of connections whose grace is not over, oldest first
	again   []item // to be sent before anything new, in order

	bytes    int // of current
	limit    int // records a connection may carry; 0: no limit but its bytes
	unclean  int // unclean ends since the last release or halving
	alone    int // unclean ends of the record that is alone
	suspects []item
}

// careful reports whether connections are made smaller: then nothing is sent within a grace, since a record that ends
// every connection would take the tail before it along each time.
func (l *ledger) careful() bool { return l.limit > 0 }

// full reports whether the connection may carry no more records.
func (l *ledger) full() bool { return l.limit > 0 && len(l.current) >= l.limit }

// add notes that it goes out on the current connection. It returns how many of its events are repeats.
func (l *ledger) add(it item) (repeats int) {
	if it.sent {
		repeats = it.events
	}
	it.sent = true
	l.current = append(l.current, it)
	l.bytes += len(it.frames)
	return repeats
}

// next takes the next record that has to be sent again.
func (l *ledger) next() (item, bool) {
	if len(l.again) == 0 {
		return item{}, false
	}
	it := l.again[0]
	l.again[0] = item{} // its frames are not kept by what waits behind it
	l.again = l.again[1:]
	return it, true
}

// ended: the peer closed after our half-close, or closed before it with everything acknowledged. It returns what is
// confirmed now; the tail is held through the grace, which begins now.
func (l *ledger) ended(now time.Time, grace time.Duration) (confirmed []item) {
	if len(l.current) == 0 {
		return nil
	}
	cut := tailStart(l.current, tailBytes)
	confirmed = l.current[:cut:cut]
	l.held = append(l.held, tail{items: slices.Clone(l.current[cut:]), began: now, grace: grace}) // of its own, so that the rest can go before
	l.clear()
	if cut > 0 {
		l.progress()
	}
	return confirmed
}

// early: the peer closed before our half-close, when its TCP had acknowledged the first acked bytes of the current
// connection's frames. What it had not acknowledged, and the 256 KiB before, is sent again; the rest is confirmed. giveUp is
// that of lost.
func (l *ledger) early(acked int) (confirmed []item, giveUp bool) {
	read := 0
	for read < len(l.current) && acked >= len(l.current[read].frames) {
		acked -= len(l.current[read].frames)
		read++
	}
	cut := tailStart(l.current[:read], tailBytes)
	if cut == 0 {
		return nil, l.lost()
	}
	confirmed = l.current[:cut]
	l.again = join(tails(l.held), l.current[cut:], l.again)
	l.held = nil
	l.clear()
	l.progress()
	return confirmed, false
}

// lost: the peer ended the connection before it had read everything. All of it is sent again, and before it the tails
// whose grace was running. giveUp reports that this peer confirms nothing, however little a connection carries.
func (l *ledger) lost() (giveUp bool) {
	if len(l.current) > 0 {
		giveUp = l.regress()
	}
	l.repeat()
	return giveUp
}

// vanished: the connection is over, and the peer did not end it: its machine or the way there is gone. All of it is
// sent again as after lost, but no record is suspected for that.
func (l *ledger) vanished() {
	if len(l.current) > 1 || len(l.held) > 0 {
		l.regress()
	}
	l.repeat()
}

// repeat makes everything be sent again that waits for a confirmation.
func (l *ledger) repeat() {
	l.again = join(tails(l.held), l.current, l.again)
	l.held = nil
	l.clear()
}

// regress makes connections smaller after unclean ends, and sets a record aside that fails alone.
func (l *ledger) regress() (giveUp bool) {
	if len(l.current) == 1 && len(l.held) == 0 {
		if l.alone++; l.alone < attemptsAlone {
			return false
		}
		l.alone = 0
		l.suspects = append(l.suspects, l.current[0])
		l.current = l.current[:0]
		if len(l.suspects) >= suspectsBeforeGivingUp {
			l.forgive()
			return true
		}
		return false
	}
	if l.unclean++; l.unclean >= uncleanBeforeHalving {
		l.unclean = 0
		l.limit = max(1, len(l.current)/2)
	}
	return false
}

// forgive puts the suspects back in their place: the fault was not theirs.
func (l *ledger) forgive() {
	l.retry()
	l.limit, l.unclean, l.alone = 0, 0, 0
}

// retry makes the suspects be sent again: nothing came since that would tell whose fault it was.
func (l *ledger) retry() {
	l.again = join(l.suspects, l.again)
	l.suspects = nil
}

// convicted returns the records to quarantine: others were confirmed since, so the fault is theirs.
func (l *ledger) convicted() []item {
	out := l.suspects
	l.suspects = nil
	return out
}

func (l *ledger) progress() {
	l.unclean, l.alone = 0, 0
	if l.limit > 0 {
		if l.limit *= 2; l.limit > 4096 {
			l.limit = 0
		}
	}
}

func (l *ledger) clear() {
	l.current, l.bytes = nil, 0
}

// acknowledged: the peer's TCP has acknowledged the first acked bytes of the connection's frames (confirm = "ack").
// It returns what is released; from is how many bytes were released before.
func (l *ledger) acknowledged(acked, from int) (released []item, upTo int) {
	n, upTo := 0, from
	for n < len(l.current) && upTo+len(l.current[n].frames) <= acked {
		upTo += len(l.current[n].frames)
		n++
	}
	released = l.current[:n]
	l.current = l.current[n:]
	l.bytes -= upTo - from
	return released, upTo
}

// repeatsAfterRelease bounds how often a record is sent again that was released before: one that ends every connection
// it is on would otherwise be sent for ever.
const repeatsAfterRelease = 20

// broke: a lasting connection has ended. What was not acknowledged on it is sent again, and before it recent, which
// was acknowledged, but perhaps not read.
func (l *ledger) broke(recent []item) {
	var first []item
	for _, it := range recent {
		if it.repeats++; it.repeats <= repeatsAfterRelease {
			first = append(first, it)
		}
	}
	l.again = join(first, l.current, l.again)
	l.clear()
}

// recalled reports whether something that was released before waits to be sent again or to be confirmed.
func (l *ledger) recalled() bool {
	of := func(items []item) bool { return slices.ContainsFunc(items, func(it item) bool { return it.delivered }) }
	return of(l.current) || of(l.again) || of(l.suspects) || slices.ContainsFunc(l.held, func(t tail) bool { return of(t.items) })
}

func join(lists ...[]item) []item {
	var out []item
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

package delivery

import "time"

// tailBytes is how much of a confirmed connection waits for the grace: a process that dies closes its sockets with FIN
// after it has read, but perhaps not stored, this much.
const tailBytes = 256 << 10

// tail is the last of what a confirmed connection carried. It waits for a grace, in which the receiver has to live on
// after it has closed the connection: one that died would close its other sockets within it.
type tail struct {
	items   []item
	began   time.Time
	grace   time.Duration
	proving time.Time // since when a connection has to live that was opened after the end; zero: none has to
}

// over is when the grace is.
func (t *tail) over() time.Time {
	if t.proving.After(t.began) {
		return t.proving.Add(t.grace)
	}
	return t.began.Add(t.grace)
}

// tailStart returns the index from which on the items make up the last n bytes.
func tailStart(items []item, n int) int {
	for i := len(items) - 1; i >= 0; i-- {
		if n -= len(items[i].frames); n < 0 {
			return i + 1
		}
	}
	return 0
}

// tails returns what all of ts hold.
func tails(ts []tail) []item {
	var out []item
	for i := range ts {
		out = append(out, ts[i].items...)
	}
	return out
}

// proves: a connection that was opened at since, after the ends of all tails, has to live through their graces.
func (l *ledger) proves(since time.Time) {
	for i := range l.held {
		l.held[i].proving = since
	}
}

// proved: the receiver has read such a connection to its end. None has to live any more.
func (l *ledger) proved() { l.proves(time.Time{}) }

// survived: the receiver has lived until now. The tails whose grace has been over for late are confirmed; next is when
// that is so of the oldest that is left, zero: there is none.
func (l *ledger) survived(now time.Time, late time.Duration) (confirmed []item, next time.Time) {
	for len(l.held) > 0 {
		if over := l.held[0].over().Add(late); now.Before(over) {
			return confirmed, over
		}
		confirmed = append(confirmed, l.held[0].items...)
		l.held[0] = tail{}
		l.held = l.held[1:]
		l.progress()
	}
	return confirmed, time.Time{}
}

// outlived: a connection that was filled after the ends of the tails was read to its own end, so the receiver lived on. All
// but the last 256 KiB of them are confirmed, whole tails only. So however fast connections follow one another, no more
// than that waits for a grace.
func (l *ledger) outlived() (confirmed []item) {
	size, of := 0, 0
	for i := len(l.held) - 1; i >= 0; i-- {
		for j := range l.held[i].items {
			size += len(l.held[i].items[j].frames)
		}
		if size > tailBytes && i < len(l.held)-1 {
			of = i + 1
			break
		}
	}
	confirmed = tails(l.held[:of])
	clear(l.held[:of])
	if l.held = l.held[of:]; of > 0 {
		l.progress()
	}
	return confirmed
}

// survivedAll confirms every tail: the destination goes on without confirmation by close.
func (l *ledger) survivedAll() (confirmed []item) {
	confirmed = tails(l.held)
	l.held = nil
	return confirmed
}

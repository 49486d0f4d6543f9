package delivery

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLedgerScripts runs testdata/ledger/*.txt: a command a line, then ---- and what came of it.
//
//	send N..M [SIZE]   records are sent on the current connection, each SIZE bytes
//	resend [COUNT]     records that have to be sent again are sent
//	fin                the peer's FIN after our half-close
//	opened             a connection is made after the ends of the tails, and has to live through their graces
//	after D            time passes
//	survived           time passes until the grace of the oldest tail is over
//	outlived           a connection that was filled after the ends of the tails was read to its end
//	early ACKED        the peer's FIN before our half-close, ACKED bytes acknowledged
//	lost               the peer ended it early, by RST or a TLS alert
//	vanished           the peer is dead, or the way to it is cut
func TestLedgerScripts(t *testing.T) {
	runScripts(t, "ledger", func(t *testing.T) func([]string) string {
		m := &ledgerScript{t: t, l: &ledger{}, now: night0}
		return m.command
	})
}

type ledgerScript struct {
	t   *testing.T
	l   *ledger
	now time.Time
}

func (m *ledgerScript) command(words []string) string {
	l := m.l
	m.now = m.now.Add(time.Millisecond)
	var confirmed []item
	giveUp := false
	switch words[0] {
	case "send":
		from, to, _ := strings.Cut(words[1], "..")
		first, _ := strconv.Atoi(from)
		last := first
		if to != "" {
			last, _ = strconv.Atoi(to)
		}
		size := 1024
		if len(words) > 2 {
			size, _ = strconv.Atoi(words[2])
		}
		for n := first; n <= last; n++ {
			l.add(item{number: uint64(n), frames: make([]byte, size), events: 1})
		}
	case "resend":
		most := len(l.again)
		if len(words) > 1 {
			most, _ = strconv.Atoi(words[1])
		}
		for range most {
			if l.full() {
				break
			}
			if it, ok := l.next(); ok {
				l.add(it)
			}
		}
	case "fin":
		confirmed = l.ended(m.now, grace)
	case "survived":
		m.now = l.held[0].over()
		confirmed, _ = l.survived(m.now, 0)
	case "after":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			m.t.Fatal(err)
		}
		m.now = m.now.Add(d - time.Millisecond)
		confirmed, _ = l.survived(m.now, 0)
	case "opened":
		l.proves(m.now)
	case "outlived":
		l.proved()
		confirmed = l.outlived()
	case "early":
		acked, _ := strconv.Atoi(words[1])
		confirmed, giveUp = l.early(acked)
	case "lost":
		giveUp = l.lost()
	case "vanished":
		l.vanished()
	default:
		m.t.Fatalf("unknown command %q", words[0])
	}
	var b strings.Builder
	for _, part := range []struct {
		name  string
		items []item
	}{{"confirmed", confirmed}, {"current", l.current}, {"held", tails(l.held)}, {"again", l.again}, {"suspects", l.suspects}} {
		if len(part.items) > 0 {
			fmt.Fprintf(&b, "%s %s\n", part.name, ranges(part.items))
		}
	}
	if l.limit > 0 {
		fmt.Fprintf(&b, "limit %d\n", l.limit)
	}
	if giveUp {
		b.WriteString("gives up\n")
	}
	if b.Len() == 0 {
		return "nothing outstanding\n"
	}
	return b.String()
}

// ranges writes 1 2 3 7 as 1..3 7.
func ranges(items []item) string {
	var parts []string
	for i := 0; i < len(items); {
		j := i
		for j+1 < len(items) && items[j+1].number == items[j].number+1 {
			j++
		}
		if j > i {
			parts = append(parts, fmt.Sprintf("%d..%d", items[i].number, items[j].number))
		} else {
			parts = append(parts, fmt.Sprint(items[i].number))
		}
		i = j + 1
	}
	return strings.Join(parts, " ")
}

// TestLedgerLosesNothing drives a ledger through random ends against a receiver that keeps what it reads, and loses up
// to the tail when it dies after a FIN. Whatever happens, what is confirmed was kept, and in the end everything is.
func TestLedgerLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, now := &ledger{}, night0
		kept, confirmed := map[uint64]bool{}, map[uint64]bool{}
		total := uint64(rapid.IntRange(1, 60).Draw(t, "records"))
		size := rapid.SampledFrom([]int{100, 40 << 10, 300 << 10}).Draw(t, "size")
		next := uint64(1)
		confirm := func(items []item) {
			for _, it := range items {
				if !kept[it.number] {
					t.Fatalf("record %d was confirmed and the receiver does not have it", it.number)
				}
				confirmed[it.number] = true
			}
		}
		fill := func(most int) {
			for len(l.current) < most && !l.full() {
				it, ok := l.next()
				if !ok {
					if next > total {
						return
					}
					it = item{number: next, frames: make([]byte, size), events: 1}
					next++
				}
				l.add(it)
			}
		}
		keep := func(items []item) {
			for _, it := range items {
				kept[it.number] = true
			}
		}
		for range rapid.IntRange(0, 40).Draw(t, "connections") {
			fill(rapid.IntRange(0, 12).Draw(t, "fill"))
			switch rapid.SampledFrom([]string{"fin", "fin, dies after", "rst", "early"}).Draw(t, "end") {
			case "fin":
				filled := len(l.current) > 0
				keep(l.current)
				confirm(l.ended(now, grace))
				if filled {
					confirm(l.outlived())
				}
				if rapid.Bool().Draw(t, "grace over") {
					keep(tails(l.held))
					now = now.Add(grace)
					survived, _ := l.survived(now, 0)
					confirm(survived)
				}
			case "fin, dies after":
				keep(l.current[:tailStart(l.current, tailBytes)])
				confirm(l.ended(now, grace))
				l.lost()
			case "rst":
				keep(l.current[:len(l.current)/2])
				l.lost()
			case "early":
				n := rapid.IntRange(0, len(l.current)).Draw(t, "read")
				keep(l.current[:tailStart(l.current[:n], tailBytes)]) // dies after it: what was read last is not stored
				confirmed, _ := l.early(n * size)
				confirm(confirmed)
			}
		}
		for range 1000 {
			fill(12)
			keep(l.current)
			confirm(l.ended(now, grace))
			now = now.Add(grace)
			survived, _ := l.survived(now, 0)
			confirm(survived)
			for _, it := range l.convicted() {
				confirmed[it.number] = true // set aside, counted as such
			}
			if next > total && !l.outstanding() {
				break
			}
		}
		for n := uint64(1); n <= total; n++ {
			if !confirmed[n] {
				t.Fatalf("record %d was never confirmed", n)
			}
		}
	})
}

// outstanding reports whether anything waits for its confirmation or to be sent again.
func (l *ledger) outstanding() bool {
	return len(l.current)+len(l.held)+len(l.again)+len(l.suspects) > 0
}

func TestItemsAreSentAgainAsTheyWere(t *testing.T) {
	l := &ledger{}
	first := item{number: 1, frames: []byte("<1>one\n"), events: 2}
	if n := l.add(first); n != 0 {
		t.Errorf("the first sending counts %d repeats", n)
	}
	l.lost()
	it, _ := l.next()
	if n := l.add(it); n != 2 || !bytes.Equal(it.frames, first.frames) {
		t.Errorf("%d repeats, %q", n, it.frames)
	}
}

package delivery

import (
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// Times of connecting and probing.
const (
	passOver     = 30 * time.Second // an address that failed is tried after the others for so long
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 30 * time.Second
	probeSpan    = time.Minute     // this long, and so many probes,
	probeCount   = 3               // met by silence: the receiver cannot confirm
	refusalsMost = 3               // second connections ended in a row: the receiver takes one at a time
	probeAgain   = 5 * time.Minute // for a receiver that cannot
)

// peer is what is known of one address.
type peer struct {
	address string
	failed  time.Time // when it failed last; zero: not since it last worked
	answers bool      // a half-close was answered by FIN: this is remembered on disk, and silence never takes it back
	cannot  bool      // it cannot confirm, and is served by TCP's acknowledgement
	probes  int       // met by silence, in a row
	first   time.Time // when the first of them began
	asked   time.Time // when the last began

	refusals int // second connections that it ended while the first was in use, in a row
}

// takesOne reports whether the receiver takes no second connection beside the first.
func (p *peer) takesOne() bool { return p.refusals >= refusalsMost }

func (p *peer) passedOver(now time.Time) bool {
	return !p.failed.IsZero() && now.Sub(p.failed) < passOver
}

// failover decides which address of a destination is connected to next, what for, and how long to wait before: the
// rules of order, back-off, probing and return to a better address, without socket, clock or goroutine. What happens is
// told to it with its time.
type failover struct {
	acknowledge bool    // confirm = "ack": no receiver is asked whether it confirms
	peers       []*peer // as configured
	rounds      int     // in a row that ended without a connection
	unclean     int     // unclean ends since the last confirmation
}

func newFailover(addresses []string, acknowledge bool) failover {
	f := failover{acknowledge: acknowledge}
	for _, a := range addresses {
		f.peers = append(f.peers, &peer{address: a})
	}
	return f
}

// round returns the addresses as they are to be tried: first the one whose next connection has to prove that it lives
// (nil: none), then as configured, those that failed within 30 s last.
func (f *failover) round(now time.Time, proving *peer) []*peer {
	var first, good, bad []*peer
	for _, p := range f.peers {
		switch {
		case p == proving:
			first = append(first, p)
		case p.passedOver(now):
			bad = append(bad, p)
		default:
			good = append(good, p)
		}
	}
	return append(append(first, good...), bad...)
}

// better returns the address that is to be tried before the one in use; nil: there is none.
func (f *failover) better(used *peer, now time.Time) *peer {
	for _, p := range f.peers {
		switch {
		case p == used:
			return nil
		case !p.passedOver(now):
			return p
		}
	}
	return nil
}

// exhausted: a round ended without a connection. The next one begins after wait.
func (f *failover) exhausted() (wait time.Duration) {
	f.rounds++
	return backoff(f.rounds)
}

// respite is how long to wait before a connection, longer after each unclean end since the last confirmation.
func (f *failover) respite() time.Duration {
	if f.unclean == 0 {
		return 0
	}
	return backoff(f.unclean - 1)
}

// backoff doubles from 0.5 to 30 s.
func backoff(times int) time.Duration {
	return min(backoffFirst<<min(times, 10), backoffMost)
}

// manner is how what an address is sent is confirmed.
type manner int

const (
	unknown       manner = iota // it has to be probed first
	byClose                     // by the FIN that answers our half-close
	byAcknowledge               // by TCP's acknowledgement
)

// manner returns how p confirms, as far as that is known.
func (f *failover) manner(p *peer) manner {
	switch {
	case f.acknowledge || p.cannot:
		return byAcknowledge
	case p.answers:
		return byClose
	}
	return unknown
}

// refused: there is no connection to p, or none that it kept.
func (f *failover) refused(p *peer, now time.Time) {
	p.failed, p.refusals = now, 0
}

// absent: a connection to p for later use, beside the one in use, could not be made.
func (f *failover) absent(p *peer, now time.Time) { p.failed = now }

// asking: a probe of p begins.
func (f *failover) asking(p *peer, now time.Time) { p.asked = now }

// finding is what a probe tells of a receiver.
type finding int

const (
	undecided finding = iota // nothing yet: it is asked again
	confirms                 // it answers a half-close
	refuses                  // it ends even an empty connection
	cannot                   // it cannot confirm
)

// probed: the peer ended its side of an empty connection that we had half-closed, or (nil) met it with silence. With
// idle, nothing waits to be sent, and silence counts for nothing, since nothing is late by asking again. Only silence
// makes a receiver one that cannot confirm: a reset comes also from a load balancer without a receiver behind it, and to
// go by TCP's acknowledgement there would lose everything.
func (f *failover) probed(p *peer, end *transport.End, idle bool, now time.Time) finding {
	switch {
	case end != nil && end.Kind == transport.EndFIN:
		return confirms
	case end != nil:
		return refuses
	case idle:
		return undecided
	}
	if p.probes == 0 {
		p.first = p.asked
	}
	if p.probes++; p.probes >= probeCount && now.Sub(p.first) >= probeSpan {
		p.probes, p.cannot = 0, true
		return cannot
	}
	return undecided
}

// askAgain reports whether it is time to ask p, which could not confirm, whether it has learned to.
func (f *failover) askAgain(p *peer, now time.Time) bool {
	return p.cannot && now.Sub(p.asked) >= probeAgain
}

// unstalled: p makes progress again. Its silence on a probe while it was stalled said nothing, so that it is asked now.
func (f *failover) unstalled(p *peer) { p.asked = time.Time{} }

// answered: p has answered a half-close by FIN. It reports whether that is news.
func (f *failover) answered(p *peer) (news bool) {
	f.rounds = 0
	p.failed, p.probes, p.cannot = time.Time{}, 0, false
	news, p.answers = !p.answers, true
	return news
}

// doubted: p has answered once, but ends every connection now. It is probed before it is used again.
func (f *failover) doubted(p *peer) { p.answers = false }

// released: something was confirmed and released.
func (f *failover) released() { f.unclean = 0 }

// acknowledged: TCP's acknowledgement released something.
func (f *failover) acknowledged() { f.rounds, f.unclean = 0, 0 }

// broke: p ended a connection that carried records before they were confirmed. One that reads on, and closes early, is
// not passed over.
func (f *failover) broke(p *peer, end *transport.End, now time.Time) {
	f.unclean++
	if end.Kind != transport.EndFIN {
		p.failed = now
	}
}

// second: a second connection to p, made while the first was in use, is taken up; lives: p has kept it.
func (f *failover) second(p *peer, lives bool) {
	if lives {
		p.refusals = 0
	} else {
		p.refusals++
	}
}

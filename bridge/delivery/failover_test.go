package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/transport"
)

// TestFailoverScripts runs testdata/failover/*.txt. The answer to each command is what is decided, then what is known of
// each address that is not as at the start.
//
//	addresses A...           the destination's addresses; with ack before them, confirm = "ack"
//	after D                  time passes
//	round [A]                which addresses are tried, in this order; the next connection to A has to prove that it lives
//	refused A                no connection to it
//	absent A                 no second connection to it
//	exhausted                a round ended without a connection
//	probe A END [idle]       a probe ends so: fin, rst, lost, or silence, which takes 20 s; idle: nothing waits to be sent
//	manner A                 how it confirms
//	answered A               its FIN answered a half-close
//	released                 something was confirmed by it
//	acknowledged             TCP's acknowledgement released something
//	broke A END              it ended a connection before it had read everything
//	respite                  how long to wait before the next connection
//	second A lives|died      the second connection to it is taken up
//	better A                 which address is to be tried while A is in use
//	ask A                    whether it is asked again, as one that could not confirm
//	unstalled A              it makes progress after it was stalled
//	doubted A                it ends every connection
func TestFailoverScripts(t *testing.T) {
	runScripts(t, "failover", func(t *testing.T) func([]string) string {
		m := &failoverScript{t: t, now: night0}
		return m.command
	})
}

type failoverScript struct {
	t   *testing.T
	f   failover
	now time.Time
}

func (m *failoverScript) peer(address string) *peer {
	for _, p := range m.f.peers {
		if p.address == address {
			return p
		}
	}
	m.t.Fatalf("no address %q", address)
	return nil
}

var scriptEnds = map[string]*transport.End{"fin": {Kind: transport.EndFIN}, "rst": {Kind: transport.EndRST}, "lost": {Kind: transport.EndLost}, "silence": nil}

func (m *failoverScript) command(words []string) string {
	f, said := &m.f, ""
	arg := func(n int) string {
		if n < len(words) {
			return words[n]
		}
		return ""
	}
	switch words[0] {
	case "addresses":
		ack := words[1] == "ack"
		if ack {
			words = words[1:]
		}
		*f = newFailover(words[1:], ack)
	case "after":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			m.t.Fatal(err)
		}
		m.now = m.now.Add(d)
	case "round":
		var proving *peer
		if len(words) > 1 {
			proving = m.peer(words[1])
		}
		said = "try"
		for _, p := range f.round(m.now, proving) {
			said += " " + p.address
		}
	case "refused":
		f.refused(m.peer(words[1]), m.now)
	case "absent":
		f.absent(m.peer(words[1]), m.now)
	case "exhausted":
		said = "wait " + f.exhausted().String()
	case "probe":
		p := m.peer(words[1])
		f.asking(p, m.now)
		end := scriptEnds[words[2]]
		if end == nil {
			m.now = m.now.Add(probeTime)
		}
		found := f.probed(p, end, arg(3) == "idle", m.now)
		said = map[finding]string{undecided: "not known yet", confirms: "confirms", refuses: "refuses", cannot: "cannot confirm"}[found]
		switch found {
		case confirms:
			f.answered(p)
		case refuses:
			f.refused(p, m.now)
		}
	case "manner":
		said = map[manner]string{unknown: "to be probed", byClose: "by close", byAcknowledge: "by TCP's acknowledgement"}[f.manner(m.peer(words[1]))]
	case "answered":
		said = map[bool]string{true: "remember it", false: "known"}[f.answered(m.peer(words[1]))]
	case "released":
		f.released()
	case "acknowledged":
		f.acknowledged()
	case "broke":
		f.broke(m.peer(words[1]), scriptEnds[words[2]], m.now)
	case "respite":
		said = "wait " + f.respite().String()
	case "second":
		f.second(m.peer(words[1]), words[2] == "lives")
	case "better":
		said = "none"
		if p := f.better(m.peer(words[1]), m.now); p != nil {
			said = "try " + p.address
		}
	case "ask":
		said = map[bool]string{true: "now", false: "not yet"}[f.askAgain(m.peer(words[1]), m.now)]
	case "unstalled":
		f.unstalled(m.peer(words[1]))
	case "doubted":
		f.doubted(m.peer(words[1]))
	default:
		m.t.Fatalf("unknown command %q", words[0])
	}
	if said != "" {
		said += "\n"
	}
	return said + m.known()
}

// known writes what is known of the addresses.
func (m *failoverScript) known() string {
	var b strings.Builder
	for _, p := range m.f.peers {
		var known []string
		if !p.failed.IsZero() {
			known = append(known, fmt.Sprintf("failed %s ago", m.now.Sub(p.failed)))
		}
		if p.answers {
			known = append(known, "answers")
		}
		if p.cannot {
			known = append(known, "cannot confirm")
		}
		if p.probes > 0 {
			known = append(known, fmt.Sprintf("silent %d times in %s", p.probes, m.now.Sub(p.first)))
		}
		if p.takesOne() {
			known = append(known, "takes one connection")
		}
		if len(known) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", p.address, strings.Join(known, ", "))
		}
	}
	return b.String()
}

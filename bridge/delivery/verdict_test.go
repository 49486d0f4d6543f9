package delivery

import (
	"errors"
	"testing"

	"github.com/siembridge/siembridge/bridge/transport"
)

// TestJudge: what each ending of a connection says. The connection carried 100 bytes of frames, unless it is empty.
func TestJudge(t *testing.T) {
	fin, rst, lost := &transport.End{Kind: transport.EndFIN}, &transport.End{Kind: transport.EndRST}, &transport.End{Kind: transport.EndLost, Err: errors.New("silent")}
	for _, test := range []struct {
		name  string
		empty bool // nothing was sent
		tails bool // of an earlier connection wait for their grace
		e     ending
		want  verdict
	}{
		{"the bridge stops", false, false, ending{}, stopped},
		{"FIN answers our half-close", false, false, ending{fin, true, 100, true}, read},
		{"FIN answers our half-close, tails wait", false, true, ending{fin, true, 100, true}, read},
		{"FIN answers our half-close of an empty connection", true, false, ending{fin, true, 0, true}, read},
		{"the system does not tell what was acknowledged", false, false, ending{fin, true, 0, false}, read},
		{"FIN was under way before our data", false, false, ending{fin, true, 60, true}, early},
		{"FIN before our half-close, all acknowledged", false, false, ending{fin, false, 100, true}, burst},
		{"FIN before our half-close, not all acknowledged", false, false, ending{fin, false, 60, true}, early},
		{"FIN before our half-close, and the system does not tell", false, false, ending{fin, false, 0, false}, cut},
		{"FIN before our half-close, while tails wait: it may have died", false, true, ending{fin, false, 100, true}, cut},
		{"FIN was under way before our data, while tails wait", false, true, ending{fin, true, 60, true}, cut},
		{"reset", false, false, ending{rst, true, 100, true}, cut},
		{"reset of an empty connection while tails wait", true, true, ending{rst, true, 0, true}, cut},
		{"its machine is gone", false, false, ending{lost, true, 60, true}, vanished},
		{"its machine is gone while tails wait", true, true, ending{lost, false, 0, true}, vanished},
		{"FIN before our half-close of an empty connection", true, false, ending{fin, false, 0, true}, unused},
		{"reset of an empty connection", true, false, ending{rst, false, 0, true}, unwelcome},
		{"its machine is gone, nothing was sent", true, false, ending{lost, false, 0, true}, unwelcome},
	} {
		l := &ledger{}
		if test.tails {
			l.add(item{number: 1, frames: make([]byte, 10)})
			l.ended(night0, grace)
		}
		if !test.empty {
			l.add(item{number: 2, frames: make([]byte, 100)})
		}
		if got := l.judge(test.e); got != test.want {
			t.Errorf("%s: got verdict %d, want %d", test.name, got, test.want)
		}
	}
}

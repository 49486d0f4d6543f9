package delivery

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// What is announced overtakes the backlog, arrives once, wakes an idle worker, and costs no record.
func TestAnnounceOvertakesTheBacklog(t *testing.T) {
	for name, ack := range map[string]bool{"close": false, "ack": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "siem:6514")
				r.o.RateLimit, r.o.Acknowledge = 10, ack
				siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
				r.start()
				r.worker.Announce([]byte("heartbeat first\n")) // nothing else is there
				<-time.After(10 * time.Second)
				if lines := siem.Lines(); len(lines) != 1 {
					t.Fatalf("the idle worker sent %q", lines)
				}
				r.store.put(500, 300) // 50 seconds of it
				<-time.After(5 * time.Second)
				r.worker.Announce([]byte("heartbeat second\n"))
				r.wait(time.Hour)
				r.stop()
				var beats []int
				lines := siem.Lines()
				for i, line := range lines {
					if strings.HasPrefix(string(line), "heartbeat") {
						beats = append(beats, i)
					}
				}
				if len(beats) != 2 || beats[1] > 200 {
					t.Errorf("of %d lines, those at %v are announced", len(lines), beats)
				}
				if repeated := r.all(500, siem); repeated > 0 {
					t.Errorf("%d bytes twice\n%s", repeated, r.log.String())
				}
			})
		})
	}
}

// A receiver that was away gets the newest of what was announced meanwhile, and nothing of the others.
func TestAnnounceKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "siem:6514")
		r.start()
		for _, beat := range []string{"heartbeat first\n", "heartbeat second\n", "heartbeat third\n"} {
			r.worker.Announce([]byte(beat))
			<-time.After(5 * time.Minute)
		}
		if state := r.worker.Status().State; state != StateDown {
			t.Errorf("the destination is %s", state)
		}
		siem := r.net.Listen("siem:6514", emulator.PeerOptions{})
		<-time.After(10 * time.Minute)
		r.stop()
		lines := siem.Lines()
		if len(lines) != 1 || !strings.HasPrefix(string(lines[0]), "heartbeat third") {
			t.Errorf("arrived: %q", lines)
		}
	})
}

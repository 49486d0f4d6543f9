package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/formats"
)

// Each step is a status and what is told of it, by class and subject.
func TestNotices(t *testing.T) {
	n, now := newNotices(), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	step := func(after time.Duration, change func(*admin.Status), want string) {
		t.Helper()
		now = now.Add(after)
		s := admin.Status{Sources: []admin.Source{{Name: "s", State: "ok"}}, Buffer: admin.Buffer{Limit: 100}, Destinations: []admin.Destination{{Name: "d", State: "up"}}}
		change(&s)
		var told []string
		for _, e := range n.look(&s, now) {
			told = append(told, e.Class+" "+e.Subject)
			if c := formats.EventClass(&formats.Detection{Kind: formats.KindStatus, StatusClass: e.Class}); c == "SiembridgeStatus" {
				t.Errorf("class %q is not in the closed list", e.Class)
			}
		}
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("at %v: told %q, want %q", now.Format(time.TimeOnly), got, want)
		}
	}
	well := func(*admin.Status) {}
	failing := func(s *admin.Status) { s.Sources[0].State = "failing" }
	stale := func(s *admin.Status) { s.Sources[0].Stale = "nothing new" }
	full := func(s *admin.Status) { s.Buffer.Blocked, s.Buffer.Pending = true, 100 }
	fuller := func(pending int64) func(*admin.Status) {
		return func(s *admin.Status) { s.Buffer.Pending = pending }
	}
	dropped := func(count uint64) func(*admin.Status) {
		return func(s *admin.Status) { s.Destinations[0].Dropped = count }
	}
	warned := func(s *admin.Status) { s.Sources[0].Warning = "ends in 3 days" }

	step(0, well, "")
	step(time.Minute, failing, "")
	step(time.Minute, well, "") // it failed for a minute: no event, so no recovery
	step(time.Minute, failing, "")
	step(5*time.Minute, failing, "stale s")
	step(time.Hour, failing, "")
	step(time.Minute, well, "recovered s")
	step(time.Minute, stale, "stale s")
	step(time.Minute, stale, "")
	step(time.Minute, well, "recovered s")
	step(time.Minute, full, "buffer full ")
	step(time.Minute, fuller(80), "") // it has room, but hardly
	step(time.Minute, full, "")
	step(time.Minute, fuller(40), "drained ")
	step(time.Minute, dropped(10), "dropping d")
	step(time.Minute, dropped(20), "")
	step(time.Hour, dropped(30), "dropping d")
	step(2*time.Hour, dropped(30), "")
	step(time.Minute, warned, "credential near its end s")
	step(time.Hour, warned, "")
	step(24*time.Hour, warned, "credential near its end s")
	certificate := func(s *admin.Status) {
		certificates(&s.Destinations[0], now.Add(30*24*time.Hour), now.Add(13*24*time.Hour), now)
	}
	step(time.Minute, certificate, "credential near its end d")
	step(time.Hour, certificate, "")
	step(24*time.Hour, certificate, "credential near its end d")
}

// TestCertificates: the certificate of either end is warned of two weeks before, ours first.
func TestCertificates(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		peer, own int // days; 0: there is none
		want      string
	}{{0, 0, ""}, {15, 15, ""}, {13, 0, "the receiver's certificate ends on 2026-03-15; "}, {90, 13, "the client certificate ends on 2026-03-15; "}, {1, 1, "the client certificate ends on 2026-03-03; "}} {
		in := func(days int) (t time.Time) {
			if days > 0 {
				t = now.AddDate(0, 0, days)
			}
			return t
		}
		var d admin.Destination
		certificates(&d, in(c.peer), in(c.own), now)
		if !strings.HasPrefix(d.Warning, c.want) || (d.Warning == "") != (c.want == "") || !d.CertificateEnds.Equal(in(c.peer)) || !d.ClientCertificateEnds.Equal(in(c.own)) {
			t.Errorf("%d and %d days: %+v", c.peer, c.own, d)
		}
	}
}

func TestHeartbeatCounts(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	s := admin.Status{Sources: []admin.Source{{Name: "a", State: "ok", Pulled: 3}, {Name: "b", State: "failing", Pulled: 4}},
		Buffer:       admin.Buffer{Pending: 500},
		Destinations: []admin.Destination{{Name: "x", Delivered: 5, Pending: 2, Oldest: now.Add(-90 * time.Second)}, {Name: "y", Delivered: 7}}}
	e := heartbeat(&s, "x", now)
	if *e.Records != 7 || *e.Events != 5 || *e.Pending != 2 || *e.Oldest != 90 || *e.Failing != 1 || *e.Buffered != 500 {
		t.Errorf("heartbeat %s", e.Raw())
	}
	if e := heartbeat(&s, "y", now); *e.Oldest != 0 || *e.Events != 7 {
		t.Errorf("heartbeat %s", e.Raw())
	}
}

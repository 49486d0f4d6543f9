package source

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/formats/defender"
)

// TestEvidenceReachesTheQueueOnce drives alerts in evidence mode through the buffer: which records a destination gets
// after each change, over a restart, and when an alert takes more than one batch.
func TestEvidenceReachesTheQueueOnce(t *testing.T) {
	dir := t.TempDir()
	var b *disk.Buffer
	var q buffer.Queue
	reopen := func() {
		t.Helper()
		if b != nil {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if b, err = disk.Open(disk.Options{Dir: dir, MaxSize: 64 << 20}); err != nil {
			t.Fatal(err)
		}
		if q, err = b.Queue(buffer.Destination{Name: "d"}); err != nil {
			t.Fatal(err)
		}
	}
	reopen()
	t.Cleanup(func() { b.Close() })
	pieces := func(n int, verdict func(i int) string) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.%d.%d.%d","verdict":%q}`, i>>16, i>>8&255, i&255, verdict(i)))
		}
		return all
	}
	quiet := func(int) string { return "unknown" }
	alert := func(id string, minute int, status string, evidence []string) string {
		return fmt.Sprintf(`{"id":%q,"createdDateTime":"2026-11-25T00:00:00Z","lastUpdateDateTime":"2026-11-25T00:%02d:00Z","title":"t","status":%q,"evidence":[%s]}`,
			id, minute, status, strings.Join(evidence, ","))
	}
	noUpdates := false
	// send collects alerts and returns how many pieces and alerts the destination gets, and how many of them are updates.
	send := func(alerts ...string) (parts, whole, updates int) {
		t.Helper()
		stored := 0
		c := collector{ctx: context.Background(), source: "s", buffer: b, noUpdates: noUpdates, evidence: true,
			note: func(o buffer.Outcome) { stored += o.New + o.Updated }}
		for _, raw := range alerts {
			key, err := c.collect(defender.Found{API: defender.GraphAlerts, Record: []byte(raw)})
			if err != nil || !strings.HasPrefix(key, "da") || strings.Contains(key, "#") {
				t.Fatal(key, err)
			}
		}
		if err := c.flush(nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for got := 0; got < stored; {
			records, err := buffertest.Take(ctx, q, 1000, 16<<20)
			if err != nil {
				t.Fatal(err)
			}
			var numbers []uint64
			for _, r := range records {
				got++
				numbers = append(numbers, r.Number)
				if strings.Contains(r.Key, "#") {
					parts++
				} else {
					whole++
				}
				if r.Update {
					updates++
				}
			}
			if err := q.Release(ctx, numbers); err != nil {
				t.Fatal(err)
			}
		}
		return parts, whole, updates
	}
	want := func(what string, parts, whole, updates int, alerts ...string) {
		t.Helper()
		if p, w, u := send(alerts...); p != parts || w != whole || u != updates {
			t.Errorf("%s: %d pieces, %d alerts, %d updates; want %d, %d, %d", what, p, w, u, parts, whole, updates)
		}
	}
	three := pieces(3, quiet)
	reversed := []string{three[2], three[1], three[0]}
	one := func(i int) string {
		if i == 1 {
			return "malicious"
		}
		return "unknown"
	}
	want("first seen", 3, 0, 0, alert("da1", 1, "new", three))
	want("seen again", 0, 0, 0, alert("da1", 1, "new", three))
	want("touched and reordered", 0, 0, 0, alert("da1", 2, "new", reversed))
	want("the alert alone changed", 0, 1, 1, alert("da1", 3, "resolved", reversed))
	want("the same again", 0, 0, 0, alert("da1", 3, "resolved", three))
	want("one verdict and the alert", 1, 0, 1, alert("da1", 4, "new", pieces(3, one)))
	reopen()
	want("after a restart", 0, 0, 0, alert("da1", 4, "new", pieces(3, one)))
	want("two pieces more", 2, 0, 0, alert("da1", 5, "new", pieces(5, one)))
	want("without evidence", 0, 1, 0, alert("da2", 1, "new", nil))
	want("evidence comes", 3, 0, 0, alert("da2", 2, "new", three))
	want("neighbours do not count", 3, 2, 1, alert("da3", 1, "new", three), alert("da1", 6, "resolved", pieces(5, one)), alert("da4", 1, "new", nil))
	many := pieces(2500, quiet)
	want("more than a batch", 2500, 0, 0, alert("da5", 1, "new", many))
	want("more than a batch, the alert alone", 0, 1, 1, alert("da5", 2, "resolved", many))
	want("more than a batch, an early piece and the alert", 1, 0, 1, alert("da5", 3, "new", pieces(2500, one)))
	want("more than a batch, seen again", 0, 0, 0, alert("da5", 3, "new", many[:0]), alert("da5", 3, "new", pieces(2500, one)))
	noUpdates = true
	want("no updates", 1, 0, 0, alert("da1", 7, "new", pieces(6, quiet)))
}

package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFold(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	plain := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	h := NewHandler(plain, func() time.Time { return now })
	log := slog.New(h)
	source := log.With("source", "contoso")
	fail := func(port string) { source.Warn("poll failed", "error", errors.New("dial 192.0.2.1:"+port)) }
	expect := func(what string, lines ...string) {
		t.Helper()
		want := ""
		if len(lines) > 0 {
			want = strings.Join(lines, "\n") + "\n"
		}
		if out.String() != want {
			t.Errorf("%s:\n%swant\n%s", what, out.String(), want)
		}
		out.Reset()
	}
	const first = `level=WARN msg="poll failed" source=contoso error="dial 192.0.2.1:50001"`
	fail("50001")
	expect("the first", first)
	for range 10 {
		now = now.Add(10 * time.Second)
		fail("50002")
	}
	expect("repeats")
	log.With("source", "fabrikam").Warn("poll failed", "error", "dial 192.0.2.1:50001")
	expect("another source", strings.Replace(first, "contoso", "fabrikam", 1))
	log.Warn("no error", "key", "1")
	log.Warn("no error", "key", "1")
	expect("what is no error", `level=WARN msg="no error" key=1`, `level=WARN msg="no error" key=1`)
	now = now.Add(Every)
	log.Info("something else")
	expect("when its time has come", `level=WARN msg="poll failed" source=contoso error="dial 192.0.2.1:50002" repeated=10`, `level=INFO msg="something else"`)
	fail("50003")
	now = now.Add(Every)
	fail("50004")
	expect("while it goes on", `level=WARN msg="poll failed" source=contoso error="dial 192.0.2.1:50003" repeated=1`)
	now = now.Add(Every)
	log.Info("something else")
	expect("the last of it", `level=WARN msg="poll failed" source=contoso error="dial 192.0.2.1:50004" repeated=1`, `level=INFO msg="something else"`)
	now = now.Add(Every)
	log.Info("something else")
	fail("50001")
	expect("after a silence", `level=INFO msg="something else"`, first)
	last := h.Last()
	if n := len(last); n != 17 || last[0].Attrs["source"] != "contoso" || last[n-1].Attrs["error"] != "dial 192.0.2.1:50001" {
		t.Errorf("%d lines are kept: %+v", len(last), last)
	}
	for range 2 * maxKept {
		fail("50001")
	}
	if n := len(h.Last()); n != maxKept {
		t.Errorf("%d lines are kept", n)
	}
}

// TestFoldIsBounded: errors beyond those that can be remembered are written.
func TestFoldIsBounded(t *testing.T) {
	f := folder[int]{seen: map[string]*repeats[int]{}}
	now := time.Now()
	for i := range 2 * maxFolded {
		if !f.decide(strings.Repeat("x", i), i, now) {
			t.Fatalf("error %d is not written", i)
		}
	}
	if len(f.seen) != maxFolded {
		t.Errorf("%d errors are remembered", len(f.seen))
	}
}

package source

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the traces of testdata/plan anew")

// TestPlanScripts runs the scripts of testdata/plan against a plan: each command, "----", and the trace that is
// expected. Times are in milliseconds of the server's clock. The commands are
//
//	plan origin=T lookback=D width=D limit=N    a new plan; all others work on it
//	record T KEY                                the server has a record of this changed-time
//	poison T                                    a window that holds T fails
//	cure                                        no window does any more
//	outage on|off                               everything fails
//	coarse                                      a window shows only the whole seconds in it
//	poll now=T [max=N]                          reads windows until the plan has no more, or N of them; neighbours in
//	                                            which nothing was are one line of the trace
//	restart                                     a new plan from the checkpoint
//	state                                       coverage and holes
func TestPlanScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var again strings.Builder
			server := &scriptServer{records: map[string]int64{}}
			for part := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
				commands, want, isCommand := strings.Cut(part, "\n----\n")
				if !isCommand && strings.HasPrefix(part, "#") {
					fmt.Fprintf(&again, "%s\n\n", part)
					continue
				}
				server.trace.Reset()
				for command := range strings.SplitSeq(strings.TrimSuffix(commands, "\n----"), "\n") {
					server.run(t, strings.Fields(command))
				}
				got := strings.TrimSpace(server.trace.String())
				if got != strings.TrimSpace(want) && !*update {
					t.Errorf("%s\ngot:\n%s\nwant:\n%s", commands, got, want)
				}
				fmt.Fprintf(&again, "%s\n----\n%s\n\n", strings.TrimSuffix(commands, "\n----"), got)
			}
			if *update {
				write(t, path, []byte(strings.TrimSpace(again.String())+"\n"))
			}
		})
	}
}

// scriptServer answers a plan's windows as an API would.
type scriptServer struct {
	plan           *plan
	records        map[string]int64
	poison         []int64
	outage, coarse bool
	trace          strings.Builder
}

// held returns the keys in an interval; as many as fit a page unless all is set. false: the request fails.
func (s *scriptServer) held(i Interval, all bool) (map[string]struct{}, bool) {
	if s.coarse {
		i = Interval{ceil(i.From), floor(i.To)}
	}
	for _, at := range s.poison {
		if i.From <= at && at < i.To {
			return nil, false
		}
	}
	keys := map[string]struct{}{}
	for key, at := range s.records {
		if i.From <= at && at < i.To && (all || len(keys) < s.plan.limit) {
			keys[key] = struct{}{}
		}
	}
	return keys, !s.outage
}

func (s *scriptServer) run(t *testing.T, words []string) {
	t.Helper()
	number := func(name string) int64 {
		for _, w := range words {
			if value, ok := strings.CutPrefix(w, name+"="); ok {
				n, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					t.Fatal(words, err)
				}
				return n
			}
		}
		return 0
	}
	at := func() int64 {
		n, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			t.Fatal(words, err)
		}
		return n
	}
	switch words[0] {
	case "plan":
		s.plan = newPlan(number("origin"), number("lookback"), number("width"), int(number("limit")))
	case "record":
		s.records[words[2]] = at()
	case "poison":
		s.poison = append(s.poison, at())
	case "cure":
		s.poison = nil
	case "outage":
		s.outage = words[1] == "on"
	case "coarse":
		s.coarse = true
	case "poll":
		s.poll(number("now"), int(number("max")))
	case "restart":
		data, err := s.plan.encode()
		next := newPlan(0, s.plan.lookback, s.plan.maxWidth, s.plan.limit)
		if err == nil {
			err = next.restore(data)
		}
		fmt.Fprintln(&s.trace, "restarted:", err)
		s.plan = next
	case "state":
		fmt.Fprintln(&s.trace, "covered", s.plan.covered)
		for _, h := range s.plan.holes {
			fmt.Fprintf(&s.trace, "hole %v retry=%d %s\n", h.Interval, h.Retry, h.Reason)
		}
	default:
		t.Fatal("no such command: ", words)
	}
}

func (s *scriptServer) poll(now int64, limit int) {
	p := s.plan
	p.begin(now)
	nothing, windows := Interval{}, 0
	for n := 1; ; n++ {
		w, more := p.next()
		ended := !more || limit > 0 && n > limit || n > 500
		keys, ok := s.held(w.Interval, w.Dense)
		if !ended && ok && len(keys) == 0 && !w.Dense && (windows == 0 || w.From == nothing.To) {
			p.done(w, 0, keys, now)
			if windows++; windows == 1 {
				nothing.From = w.From
			}
			nothing.To = w.To
			continue
		}
		if windows > 0 {
			fmt.Fprintf(&s.trace, "read [%d %d) in %d: 0 records\n", nothing.From, nothing.To, windows)
			windows = 0
		}
		if ended {
			fmt.Fprintf(&s.trace, "end more=%v\n", more)
			return
		}
		fmt.Fprintf(&s.trace, "read [%d %d)", w.From, w.To)
		if w.Dense {
			s.trace.WriteString(" dense")
		}
		switch {
		case !ok:
			v := p.failed(w)
			fmt.Fprintf(&s.trace, " failed: %s", v)
			if v == probe {
				_, good := s.held(p.probeWindow().Interval, true)
				fmt.Fprintf(&s.trace, " ok=%v: %s", good, p.probed(w, good, "it fails"))
			}
		case p.limit > 0 && len(keys) >= p.limit && !w.Dense && p.full(w, keys):
			fmt.Fprintf(&s.trace, " full: width %d", p.width)
		default:
			keys, _ = s.held(w.Interval, true)
			p.done(w, len(keys), keys, now)
			fmt.Fprintf(&s.trace, " %d records", len(keys))
		}
		s.trace.WriteByte('\n')
	}
}

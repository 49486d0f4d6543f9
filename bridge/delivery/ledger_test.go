package delivery

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write what the scripts give into the scripts")

// TestLedgerScripts runs testdata/ledger/*.txt: a command a line, then ---- and what came of it.
//
//	send N..M [SIZE]   records are sent on the current connection, each SIZE bytes
//	resend [COUNT]     records that have to be sent again are sent
//	fin                the peer's FIN after our half-close
//	survived           the next connection lived through the grace
//	outlived           a connection that was filled after the ends of the tails was read to its end
//	early ACKED        the peer's FIN before our half-close, ACKED bytes acknowledged
//	lost               the peer ended it early, by RST or a TLS alert
//	vanished           the peer is dead, or the way to it is cut
func TestLedgerScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/ledger/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := runLedgerScript(t, string(text))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("got:\n%s\nwant:\n%s", got, text)
			}
		})
	}
}

func runLedgerScript(t *testing.T, text string) string {
	l := &ledger{}
	var out strings.Builder
	expected := false
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		line := scan.Text()
		switch {
		case line == "----":
			expected = true
		case line == "":
			expected = false
			out.WriteString("\n")
		case expected:
		case strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			out.WriteString(line + "\n----\n" + ledgerCommand(t, l, strings.Fields(line)))
		}
	}
	return out.String()
}

func ledgerCommand(t *testing.T, l *ledger, words []string) string {
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
		confirmed = l.ended()
	case "survived":
		confirmed = l.survived()
	case "outlived":
		confirmed, _ = l.outlived()
	case "early":
		acked, _ := strconv.Atoi(words[1])
		confirmed = l.early(acked)
	case "lost":
		giveUp = l.lost()
	case "vanished":
		l.vanished()
	default:
		t.Fatalf("unknown command %q", words[0])
	}
	var b strings.Builder
	for _, part := range []struct {
		name  string
		items []item
	}{{"confirmed", confirmed}, {"current", l.current}, {"held", join(l.held...)}, {"again", l.again}, {"suspects", l.suspects}} {
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
		l := &ledger{}
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
				confirm(l.ended())
				if filled {
					outlived, _ := l.outlived()
					confirm(outlived)
				}
				if rapid.Bool().Draw(t, "grace over") {
					keep(join(l.held...))
					for len(l.held) > 0 {
						confirm(l.survived())
					}
				}
			case "fin, dies after":
				keep(l.current[:tailStart(l.current, tailBytes)])
				confirm(l.ended())
				l.lost()
			case "rst":
				keep(l.current[:len(l.current)/2])
				l.lost()
			case "early":
				n := rapid.IntRange(0, len(l.current)).Draw(t, "read")
				keep(l.current[:tailStart(l.current[:n], tailBytes)]) // dies after it: what was read last is not stored
				confirm(l.early(n * size))
			}
		}
		for range 1000 {
			fill(12)
			keep(l.current)
			confirm(l.ended())
			for len(l.held) > 0 {
				confirm(l.survived())
			}
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

package preview

import (
	"bufio"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

// mappingDiff is the events of records with the mapping in force and with another one, side by side.
type mappingDiff struct {
	before, after *Preview
	out           *bufio.Writer

	events, changed int
	fields          map[string]*fieldCount
	line            []byte
}

// fieldCount is in how many events a field appeared, went or changed.
type fieldCount struct{ added, removed, changed int }

// Diff writes to out what another mapping changes in the events of records, and in how many events each field differs.
// Records are taken for such as come live. complete: none was left out, see Records.
func Diff(before, after *Preview, files []string, in io.Reader, out, errs io.Writer) (complete bool, err error) {
	m := &mappingDiff{before: before, after: after, out: bufio.NewWriter(out), fields: map[string]*fieldCount{}}
	unknown, err := Records(files, in, errs, m.record)
	if err != nil {
		return false, err
	}
	m.summary()
	return unknown == 0, m.out.Flush()
}

// record writes what the other mapping changes in the events of one record.
func (m *mappingDiff) record(api defender.API, raw []byte) error {
	return m.before.parts(api, raw, func(raw []byte) error { return m.part(api, raw) })
}

// part writes what the other mapping changes in one event; nothing when it changes nothing.
func (m *mappingDiff) part(api defender.API, raw []byte) error {
	var d formats.Detection
	if err := m.before.decode(api, raw, false, &d); err != nil {
		return err
	}
	if m.before.filter != nil && !m.before.filter.Keep(&d) {
		return nil
	}
	m.events++
	before, err := m.event(m.before, &d)
	if err != nil {
		return fmt.Errorf("with the mapping in force: %w", err)
	}
	after, err := m.event(m.after, &d)
	if err != nil {
		return fmt.Errorf("with the other mapping: %w", err)
	}
	lines := m.compare(before, after)
	if len(lines) == 0 {
		return nil
	}
	m.changed++
	fmt.Fprintf(m.out, "event %d, %s %s: %s\n", m.events, api, oneLine(d.ID, 64), oneLine(d.Title, 80))
	for _, l := range lines {
		fmt.Fprintln(m.out, l)
	}
	return m.out.WriteByte('\n')
}

func (m *mappingDiff) event(p *Preview, d *formats.Detection) ([]formats.Pair, error) {
	m.line, _ = p.encoder.AppendEvent(m.line[:0], d, p.length)
	return config.ReadEvent(p.destination.Format, m.line)
}

// compare lists the fields that differ: those of the event in force in their order, with the new value below the old
// one, then those that only the other mapping makes.
func (m *mappingDiff) compare(before, after []formats.Pair) (lines []string) {
	values := make(map[string]string, len(after))
	for _, p := range after {
		values[p.Key] = p.Value
	}
	for _, p := range before {
		value, kept := values[p.Key]
		delete(values, p.Key)
		switch {
		case !kept:
			lines = append(lines, diffLine('-', p.Key, p.Value))
			m.count(p.Key).removed++
		case value != p.Value:
			lines = append(lines, diffLine('-', p.Key, p.Value), diffLine('+', p.Key, value))
			m.count(p.Key).changed++
		}
	}
	for _, p := range after {
		if value, left := values[p.Key]; left {
			lines = append(lines, diffLine('+', p.Key, value))
			m.count(p.Key).added++
			delete(values, p.Key)
		}
	}
	return lines
}

func (m *mappingDiff) count(key string) *fieldCount {
	if m.fields[key] == nil {
		m.fields[key] = &fieldCount{}
	}
	return m.fields[key]
}

func diffLine(sign byte, key, value string) string {
	return fmt.Sprintf("  %c %s = %s", sign, key, oneLine(value, 300))
}

// oneLine is a text as a terminal may show it: alert texts come from attackers too. What is longer than limit bytes is
// shown with its length.
func oneLine(s string, limit int) string {
	clean := string(formats.AppendClean(nil, s, formats.Cleaning{}, -1))
	if len(clean) <= limit {
		return clean
	}
	end := limit
	for end > 0 && !utf8.RuneStart(clean[end]) {
		end--
	}
	return clean[:end] + fmt.Sprintf("... (%d bytes)", len(clean))
}

// summary says in how many events each field differs.
func (m *mappingDiff) summary() {
	events := "events"
	if m.events == 1 {
		events = "event"
	}
	if m.changed == 0 {
		fmt.Fprintf(m.out, "%d %s compared: the mapping changes nothing\n", m.events, events)
		return
	}
	fmt.Fprintf(m.out, "%d %s compared, %d changed\n", m.events, events, m.changed)
	keys := make([]string, 0, len(m.fields))
	for key := range m.fields {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		var parts []string
		f := m.fields[key]
		for _, n := range []struct {
			count int
			what  string
		}{{f.changed, "changed"}, {f.added, "added"}, {f.removed, "removed"}} {
			if n.count > 0 {
				parts = append(parts, fmt.Sprintf("%s in %d", n.what, n.count))
			}
		}
		fmt.Fprintf(m.out, "  %s: %s\n", key, strings.Join(parts, ", "))
	}
}

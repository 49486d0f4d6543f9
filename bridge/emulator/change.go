package emulator

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Change gives a record, or an alert that an incident carries, another severity now. Touch only moves its changed-time
// and what else moves by itself: comments and the state of the investigation. Both tell whether the API has the record.
func (t *Tenant) Change(api, id string) bool { return t.rewrite(api, id, true) }

// Touch is like Change, but changes nothing that matters.
func (t *Tenant) Touch(api, id string) bool { return t.rewrite(api, id, false) }

func (t *Tenant) rewrite(name, id string, content bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.places[place{name, id}]
	if !ok {
		return false
	}
	a, r := apis[name], &t.records[name][at]
	now := t.Now().Truncate(100 * time.Nanosecond)
	if !now.After(r.Changed) {
		now = r.Changed.Add(100)
	}
	r.Changed = now
	r.fields = maps.Clone(r.fields) // who has a copy of the record keeps the old ones
	r.fields[a.changed] = microsoftTime(now)
	what := r.fields
	if id != r.ID {
		alerts := slices.Clone(r.fields["alerts"].([]any))
		i := slices.Index(r.Carried, id)
		what = maps.Clone(alerts[i].(map[string]any))
		what["lastUpdatedTime"] = microsoftTime(now)
		alerts[i] = what
		r.fields["alerts"] = alerts
	}
	switch {
	case content:
		raise(what)
	case name != "detections":
		what["comments"] = []any{map[string]any{"comment": "looked at " + microsoftTime(now), "createdByDisplayName": "analyst"}}
		what["investigationState"] = "Running"
	}
	r.write(a)
	return true
}

// raise gives the next severity, in the spelling of the one before.
func raise(fields map[string]any) {
	name := "severity"
	if _, ok := fields[name]; !ok {
		name = "Severity"
	}
	words := []string{"low", "medium", "high"}
	word, _ := fields[name].(string)
	next := words[(slices.Index(words, strings.ToLower(word))+1)%len(words)]
	if word != strings.ToLower(word) {
		next = strings.ToUpper(next[:1]) + next[1:]
	}
	fields[name] = next
}

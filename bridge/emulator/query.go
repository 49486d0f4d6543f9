package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// query is what a request asks for.
type query struct {
	conditions []condition
	top, skip  int
	expanded   bool
}

type condition struct {
	created bool // of the creation time, else of the changed-time
	atLeast bool // ge, else lt
	bound   time.Time
}

func (q query) matches(r Record) bool {
	for _, c := range q.conditions {
		at := r.Changed
		if c.created {
			at = r.Created
		}
		if c.atLeast == at.Before(c.bound) {
			return false
		}
	}
	return true
}

// page returns those of the rows that stand on the page asked for.
func (q query) page(rows []Record) []Record {
	rows = rows[min(q.skip, len(rows)):]
	if q.top > 0 {
		rows = rows[:min(q.top, len(rows))]
	}
	return rows
}

// refusal is an answer without records.
type refusal struct {
	status        int
	code, message string
}

func badRequest(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "BadRequest", fmt.Sprintf(format, args...)}
}

func parseQuery(v url.Values, a *api, now time.Time) (query, *refusal) {
	if a.usualTop == 0 {
		return detectionsQuery(v, now)
	}
	q := query{top: a.usualTop}
	for name := range v {
		text := v.Get(name)
		var no *refusal
		switch name {
		case "$filter":
			no = q.filter(text, a)
		case "$top":
			no = number(name, text, &q.top)
		case "$skip":
			no = number(name, text, &q.skip)
		case "$expand":
			switch q.expanded = text == a.expand; {
			case text == a.fails:
				no = &refusal{http.StatusInternalServerError, "InternalServerError", "The request could not be completed in time."}
			case !q.expanded:
				no = badRequest("The property %q cannot be expanded.", text)
			}
		default: // $orderby among them
			no = badRequest("The query option %q is not supported.", name)
		}
		if no != nil {
			return q, no
		}
	}
	if a.maxSkip > 0 && q.skip > a.maxSkip {
		return q, badRequest("The limit of '%d' for Skip query has been exceeded. The value from the incoming request is '%d'.", a.maxSkip, q.skip)
	}
	if q.top > a.maxTop && !a.cutsTop {
		no := badRequest("The limit of '%d' for Top query has been exceeded. The value from the incoming request is '%d'.", a.maxTop, q.top)
		if a.codeless {
			no.code = ""
		}
		return q, no
	}
	q.top = min(q.top, a.maxTop)
	return q, nil
}

func number(name, text string, to *int) *refusal {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return badRequest("Invalid value for %s.", name)
	}
	*to = n
	return nil
}

// comparison is what the emulated OData understands: a time property, ge gt le lt, a literal without quotes.
var comparison = regexp.MustCompile(`^(\w+) (ge|gt|le|lt) (\S+)$`)

// filter reads comparisons that are joined by "and".
func (q *query) filter(text string, a *api) *refusal {
	for part := range strings.SplitSeq(text, " and ") {
		m := comparison.FindStringSubmatch(part)
		if m == nil || m[1] != a.changed && m[1] != a.created {
			return badRequest("Invalid filter clause: %s", part)
		}
		bound, err := time.Parse(time.RFC3339Nano, m[3])
		if err != nil {
			return badRequest("Invalid date literal: %s", m[3])
		}
		if m[2] == "gt" || m[2] == "le" {
			bound = bound.Add(100) // the next time that Microsoft can write
		}
		q.conditions = append(q.conditions, condition{m[1] == a.created, m[2][0] == 'g', bound})
	}
	return nil
}

// detectionsQuery reads sinceTimeUtc and untilTimeUtc; without them the last two hours are meant.
func detectionsQuery(v url.Values, now time.Time) (query, *refusal) {
	since, until := now.Add(-2*time.Hour), now
	for name, to := range map[string]*time.Time{"sinceTimeUtc": &since, "untilTimeUtc": &until} {
		text := v.Get(name)
		if text == "" {
			continue
		}
		t, err := time.Parse("2006-01-02T15:04:05.9999999", strings.TrimSuffix(text, "Z"))
		if err != nil {
			return query{}, badRequest("Malformed %s.", name)
		}
		*to = t
	}
	return query{conditions: []condition{{false, true, since}, {false, false, until}}}, nil
}

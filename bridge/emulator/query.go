package emulator

import (
	"errors"
	"fmt"
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
}

type condition struct {
	atLeast bool // ge, else lt
	bound   time.Time
}

func (q query) matches(r Record) bool {
	for _, c := range q.conditions {
		if c.atLeast == r.Changed.Before(c.bound) {
			return false
		}
	}
	return true
}

// comparison is what the emulated OData understands: a time property, ge gt le lt, a literal without quotes.
var comparison = regexp.MustCompile(`^(lastUpdateTime|lastUpdateDateTime|alertCreationTime|createdDateTime) (ge|gt|le|lt) (\S+)$`)

func parseQuery(v url.Values, api string, now time.Time) (query, error) {
	if api == "detections" {
		return detectionsQuery(v, now)
	}
	q := query{top: 100}
	if filter := v.Get("$filter"); filter != "" {
		for part := range strings.SplitSeq(filter, " and ") {
			m := comparison.FindStringSubmatch(part)
			if m == nil {
				return q, fmt.Errorf("invalid filter clause: %s", part)
			}
			bound, err := time.Parse(time.RFC3339Nano, m[3])
			if err != nil {
				return q, fmt.Errorf("invalid date literal: %s", m[3])
			}
			switch m[2] {
			case "gt":
				bound = bound.Add(100)
			case "le":
				bound = bound.Add(100)
			}
			q.conditions = append(q.conditions, condition{m[2][0] == 'g', bound})
		}
	}
	for name, to := range map[string]*int{"$top": &q.top, "$skip": &q.skip} {
		if text := v.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return q, fmt.Errorf("invalid value for %s", name)
			}
			*to = n
		}
	}
	most := 10_000
	if api == "graph-alerts" {
		most = 1000
		if q.skip > 500 {
			return q, errors.New("the limit of '500' for Skip query has been exceeded")
		}
		q.top = min(q.top, most) // cut without a word
	}
	if q.top > most {
		return q, fmt.Errorf("the limit of '%d' for Top query has been exceeded", most)
	}
	return q, nil
}

// detectionsQuery reads sinceTimeUtc and untilTimeUtc; without them the last two hours are meant.
func detectionsQuery(v url.Values, now time.Time) (query, error) {
	since, until := now.Add(-2*time.Hour), now
	for name, to := range map[string]*time.Time{"sinceTimeUtc": &since, "untilTimeUtc": &until} {
		text := v.Get(name)
		if text == "" {
			continue
		}
		t, err := time.Parse("2006-01-02T15:04:05.9999999", strings.TrimSuffix(text, "Z"))
		if err != nil {
			return query{}, fmt.Errorf("malformed %s", name)
		}
		*to = t
	}
	return query{conditions: []condition{{true, since}, {false, until}}}, nil
}

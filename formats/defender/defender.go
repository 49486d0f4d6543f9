// Package defender reads records of the Microsoft Defender APIs.
//
// A page of any API goes through three functions: Split cuts it into records, Identify says which record one is and
// what matters in it, and Decode turns it into a formats.Detection; SplitFrom does the first two in one. They are
// tolerant on purpose: APIs send numbers as strings, null, "" and missing keys for nothing, unknown types of evidence,
// and once in a while text that is not valid UTF-8. What is JSON is decoded; what is not still becomes a minimal Detection.
package defender

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/formats"
)

// tolerant lets records through that the JSON library would refuse by default.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// ErrNotJSON: the record is not one JSON object.
var ErrNotJSON = errors.New("the record is not a JSON object")

// Decode reads one record into d, which it resets first. Problems are soft: fields that are not what they should be
// and were left out. After an error d still holds what could be found, enough for a minimal event.
//
// d is a new record, as of the time that a new one has. Who knows it to be an update sets Change and calls SetTime;
// Source, Pulled and Fresh are the caller's to set.
func Decode(api API, raw []byte, d *formats.Detection) (problems []string, err error) {
	s := newScanner()
	defer s.release()
	return s.decodeAll(api, raw, d)
}

// Decoder decodes one record after the other in the same memory. The zero Decoder is ready; one goroutine may use it.
type Decoder struct{ s *scanner }

// Decode does what the function of that name does. The texts of d are valid until the next call.
func (r *Decoder) Decode(api API, raw []byte, d *formats.Detection) (problems []string, err error) {
	if r.s == nil {
		r.s = newScanner()
	}
	r.s.forgetTexts()
	defer r.s.forget()
	return r.s.decodeAll(api, raw, d)
}

func (s *scanner) decodeAll(api API, raw []byte, d *formats.Detection) (problems []string, err error) {
	d.Reset()
	s.whole = true
	problems, err = s.decode(api, raw, d)
	s.fillDetails(d)
	d.Change = formats.ChangeNew
	SetTime(d)
	return problems, err
}

// decode is decodeAll for a detection that is empty, without its details.
func (s *scanner) decode(api API, raw []byte, d *formats.Detection) (problems []string, err error) {
	d.API, d.Raw, d.Kind = string(api), raw, formats.KindAlert
	readPart(raw, d)
	p := &s.problems
	p.list = nil
	if k := kindOf(api); k != nil {
		err = k.decode(s, raw, d, p)
	} else {
		err = errors.New("the record is of no known kind")
	}
	if err != nil && s.whole {
		d.Title = "Record that could not be read"
		if d.ID == "" {
			d.ID = salvageID(raw)
		}
	}
	if d.AlertID == "" && d.Kind == formats.KindAlert {
		d.AlertID = d.ID
	}
	return p.list, err
}

// SetTime sets d.Time from d.Change: creation of a new record, last update of an update. A record of the detections
// API happened when it says it did.
func SetTime(d *formats.Detection) {
	d.Time = d.Created
	if d.Change == formats.ChangeUpdate && !d.Updated.IsZero() && d.API != string(Detections) {
		d.Time = d.Updated
	}
	if d.EvidenceID != "" && d.Change == formats.ChangeNew && len(d.Evidence) > 0 && d.Evidence[0].Created.After(d.Time) {
		d.Time = d.Evidence[0].Created // evidence that came later than the alert
	}
	if d.Time.IsZero() {
		d.Time = d.Updated
	}
	if d.Time.IsZero() {
		d.Time = d.FirstActivity
	}
}

// problemList collects what was left out of a record.
type problemList struct{ list []string }

func (p *problemList) add(field, why string) {
	if len(p.list) < 32 {
		p.list = append(p.list, field+": "+why)
	}
}

// salvageID finds an id in text that is not JSON.
func salvageID(raw []byte) string {
	s := string(raw[:min(len(raw), 64<<10)])
	for _, name := range []string{`"FullId"`, `"AlertId"`, `"id"`, `"alertId"`, `"incidentId"`} {
		_, rest, ok := strings.Cut(s, name)
		if !ok {
			continue
		}
		rest = strings.TrimLeft(rest, " \t\r\n:")
		if value, ok := strings.CutPrefix(rest, `"`); ok {
			if id, _, ok := strings.Cut(value, `"`); ok && len(id) <= 255 {
				return id
			}
		}
	}
	return ""
}

// severityOf reads a severity word of any API.
func severityOf(word string) formats.Severity {
	switch {
	case word == "":
		return formats.SeverityNone
	case strings.EqualFold(word, "informational"), strings.EqualFold(word, "information"):
		return formats.SeverityInformational
	case strings.EqualFold(word, "low"):
		return formats.SeverityLow
	case strings.EqualFold(word, "medium"):
		return formats.SeverityMedium
	case strings.EqualFold(word, "high"):
		return formats.SeverityHigh
	}
	return formats.SeverityUnknown
}

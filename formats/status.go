package formats

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
)

// StatusEvent is what the bridge says of itself in an event: the record of a KindStatus detection. Counts and lag are
// of the moment of the event; a class that has no use for one leaves it out.
type StatusEvent struct {
	Class    string    `json:"class"`                 // a status word of classes.toml
	ID       string    `json:"id"`                    // of this event alone
	Time     time.Time `json:"time"`                  // of the event, by the bridge's clock
	Severity string    `json:"severity"`              // informational, low, medium, high
	Title    string    `json:"title"`                 // one line
	Text     string    `json:"text,omitzero"`         // what it means and what the operator does
	Subject  string    `json:"subject,omitzero"`      // the source or destination it is about
	Records  *uint64   `json:"pulled,omitzero"`       // records pulled since the start, all sources
	Events   *uint64   `json:"delivered,omitzero"`    // events confirmed since the start, this destination
	Pending  *int64    `json:"pending,omitzero"`      // records the destination has yet to receive
	Oldest   *int64    `json:"lag_seconds,omitzero"`  // age of the oldest of these, 0 when there is none
	Failing  *int      `json:"failing,omitzero"`      // sources that fail or are stale
	Buffered *int64    `json:"buffer_bytes,omitzero"` // bytes some destination has yet to receive
}

// Raw returns the event as a record's JSON.
func (s *StatusEvent) Raw() []byte {
	raw, err := json.Marshal(s)
	if err != nil { // no field of it can fail
		panic("formats: " + err.Error())
	}
	return raw
}

// DecodeStatus reads the record of a status event into d, which it resets first. After an error d is a minimal event.
func DecodeStatus(raw []byte, d *Detection) error {
	d.Reset()
	d.Kind, d.Raw, d.Title, d.Severity = KindStatus, raw, "siembridge status", SeverityInformational
	var s StatusEvent
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	if s.Class == "" {
		return errors.New("the status event has no class")
	}
	d.StatusClass, d.ID, d.Title, d.Description = s.Class, s.ID, s.Title, s.Text
	d.Created, d.Updated, d.Time = s.Time, s.Time, s.Time
	d.SeverityText = s.Severity
	for level, word := range severityWords {
		if word == s.Severity && word != "" {
			d.Severity = Severity(level)
		}
	}
	return nil
}

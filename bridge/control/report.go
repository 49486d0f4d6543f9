package control

import "time"

// Report is the outcome of a reconciliation: what the APIs have of a period, held against what was confirmed.
type Report struct {
	At      time.Time      `json:"at"`      // when it began
	Since   time.Time      `json:"since"`   // the period, by when Microsoft changed the records
	Until   time.Time      `json:"until"`   // its end
	Sources []SourceReport `json:"sources"` // in the order of the configuration
}

// SourceReport is the part of one source.
type SourceReport struct {
	Name   string `json:"name"`             // of the configuration
	Has    int    `json:"has"`              // records the API has
	Behind int    `json:"behind"`           // of these, changed after what was read so far; pulled now
	Missed IDs    `json:"missed"`           // of these, should have been pulled and were not; pulled now
	Unread []Span `json:"unread,omitempty"` // parts of the period that the API does not give
	Error  string `json:"error,omitempty"`  // the API could not be asked; the rest counts what was seen until then

	Destinations []DestinationReport `json:"destinations"` // in the order of the configuration
}

// Span is a stretch of changed-time.
type Span struct {
	From time.Time `json:"from"` // its beginning
	To   time.Time `json:"to"`   // its end, not in it
}

// DestinationReport says what became of a source's records at one destination. The records that were known are
// Confirmed + Pending + Filtered + Unrouted + Quarantined + Dropped + Missing.
type DestinationReport struct {
	Name        string `json:"name"`        // of the configuration
	Confirmed   int    `json:"confirmed"`   // read by the receiver
	Pending     int    `json:"pending"`     // yet to be delivered
	Filtered    int    `json:"filtered"`    // kept back by the destination's filter
	Unrouted    int    `json:"unrouted"`    // the destination does not want the source, or was added later
	Quarantined int    `json:"quarantined"` // refused by the receiver and set aside
	Dropped     int    `json:"dropped"`     // when the buffer was full
	Missing     IDs    `json:"missing"`     // neither confirmed nor any of the others
}

// maxIDs bounds the names in a list; the count goes on.
const maxIDs = 10_000

// IDs counts records and names them.
type IDs struct {
	Count int      `json:"count"`         // all of them
	IDs   []string `json:"ids,omitempty"` // at most 10,000
}

// Add counts a record.
func (i *IDs) Add(id string) {
	if i.Count++; i.Count <= maxIDs {
		i.IDs = append(i.IDs, id)
	}
}

// Missing counts what was not where it should have been.
func (r *Report) Missing() (n int) {
	for _, s := range r.Sources {
		n += s.Missed.Count
		for _, d := range s.Destinations {
			n += d.Missing.Count
		}
	}
	return n
}

// Failed tells whether something is missing or could not be looked at.
func (r *Report) Failed() bool {
	for _, s := range r.Sources {
		if s.Error != "" || len(s.Unread) > 0 {
			return true
		}
	}
	return r.Missing() > 0
}

// Period is a stretch of time that a command is about.
type Period struct {
	Since time.Time `json:"since"` // its beginning
	Until time.Time `json:"until"` // its end; zero: now
}

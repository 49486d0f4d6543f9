package control

import (
	"time"
)

// ReplayRequest asks for the retained records of a period to be sent to a destination again; a zero until is now.
type ReplayRequest struct {
	Destination string `json:"destination"` // its name
	Period             // by when the records were pulled
}

// Replay is one that has begun.
type Replay struct {
	Since   time.Time `json:"since"`   // the period, as asked for
	Until   time.Time `json:"until"`   // its end
	Records int64     `json:"records"` // that are sent again
}

// Quarantine is what was set aside.
type Quarantine struct {
	Records []Quarantined `json:"records"` // oldest first
	Dropped uint64        `json:"dropped"` // that had to go because it was full
}

// Quarantined describes a record that was set aside.
type Quarantined struct {
	ID      uint64    `json:"id"`               // what the commands name it by
	At      time.Time `json:"at"`               // when it was set aside
	Source  string    `json:"source"`           // name of the source
	API     string    `json:"api"`              // of the source
	Key     string    `json:"key"`              // of the record
	Changed time.Time `json:"changed,omitzero"` // Microsoft's changed-time; zero: not known
	Pulled  time.Time `json:"pulled"`           // when the bridge pulled it
	Update  bool      `json:"update"`           // it was seen before
	Reason  string    `json:"reason"`           // the destination's name before it
}

// QuarantinedRecord is one with what Microsoft sent, which may be no JSON.
type QuarantinedRecord struct {
	Quarantined
	Raw []byte `json:"raw"` // at most 32 MiB
}

// byID names a record in quarantine.
type byID struct {
	ID uint64 `json:"id"`
}

// RetryRequest asks for records in quarantine to be tried again.
type RetryRequest struct {
	IDs   []uint64 `json:"ids,omitempty"`   // of Quarantined
	All   bool     `json:"all,omitempty"`   // instead of IDs
	Force bool     `json:"force,omitempty"` // also those that still cannot be read, and those the receiver refused
}

// Retry is what came of one.
type Retry struct {
	ID          uint64 `json:"id"`                    // of Quarantined
	Destination string `json:"destination,omitempty"` // it is sent there
	Error       string `json:"error,omitempty"`       // it stays, and why
}

// Retries are what came of a RetryRequest.
type Retries []Retry

// Failed tells whether some stay.
func (r Retries) Failed() bool {
	for _, one := range r {
		if one.Error != "" {
			return true
		}
	}
	return false
}

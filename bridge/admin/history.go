package admin

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Bounds of the history.
const (
	historySpan = 24 * time.Hour
	historyStep = time.Minute
	saveEvery   = 5 * time.Minute
	maxHistory  = 64 << 20 // bytes of the file
)

// Point is what the counters stand at, by name of source and destination.
type Point struct {
	Sources      map[string]uint64           // records pulled since the start
	Destinations map[string]DestinationPoint // events and backlog
}

// DestinationPoint is one destination's part of a Point.
type DestinationPoint struct {
	Delivered    uint64  // events confirmed since the start
	Backlog      int64   // records pending
	LatencySum   float64 // seconds from Microsoft's own time to confirmed, of all events since the start
	LatencyCount uint64  // how many events that is
}

// Minute is what happened in a minute.
type Minute struct {
	At        time.Time        `json:"at"`                    // its end
	Pulled    uint64           `json:"pulled"`                // records, of all sources
	Delivered uint64           `json:"delivered"`             // events, to all destinations
	Backlog   int64            `json:"backlog"`               // of the destination that is furthest behind, at its end
	Latency   *float64         `json:"latency,omitempty"`     // mean of what was confirmed, in seconds; nil: nothing was
	Source    map[string]Rates `json:"source,omitempty"`      // by name
	Dest      map[string]Rates `json:"destination,omitempty"` // by name
}

// Rates counts one source's records or one destination's events of a minute.
type Rates struct {
	Count uint64 `json:"n"` // records, or events
}

// History is the last 24 hours by the minute. Its file may be lost: it is of use for the plots, and for what is usual
// of a source, alone.
type History struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	file  historyFile
	last  Point     // at the end of the last minute
	begun bool      // last is set
	saved time.Time // to the file
}

// historyFile is the file's content.
type historyFile struct {
	Minutes []Minute                   `json:"minutes"`
	Notes   map[string]json.RawMessage `json:"notes"`
}

// OpenHistory reads the history at path; one that cannot be read begins anew.
func OpenHistory(path string, log *slog.Logger) *History {
	h := &History{path: path, log: log, saved: time.Now()}
	if info, err := os.Stat(path); err == nil && info.Size() <= maxHistory {
		if text, err := os.ReadFile(path); err == nil {
			if err := json.Unmarshal(text, &h.file); err != nil {
				log.Warn("the history of the status page cannot be read and begins anew", "file", path, "error", err)
				h.file = historyFile{}
			}
		}
	}
	if h.file.Notes == nil {
		h.file.Notes = map[string]json.RawMessage{}
	}
	return h
}

// Add notes what the counters stand at. Once a minute it becomes a Minute.
func (h *History) Add(now time.Time, p Point) {
	h.mu.Lock()
	at := now.Truncate(historyStep)
	switch n := len(h.file.Minutes); {
	case !h.begun:
		h.last, h.begun = p, true
	case n > 0 && !at.After(h.file.Minutes[n-1].At):
	default:
		h.file.Minutes = append(h.file.Minutes, minute(at, h.last, p))
		h.file.Minutes = slices.DeleteFunc(h.file.Minutes, func(m Minute) bool { return now.Sub(m.At) > historySpan })
		h.last = p
	}
	due := now.Sub(h.saved) >= saveEvery
	h.mu.Unlock()
	if due {
		h.Save()
	}
}

// minute is what happened between two points.
func minute(at time.Time, from, to Point) Minute {
	m := Minute{At: at, Source: map[string]Rates{}, Dest: map[string]Rates{}}
	for name, n := range to.Sources {
		d := n - min(n, from.Sources[name])
		m.Pulled += d
		m.Source[name] = Rates{d}
	}
	sum, count := 0.0, uint64(0)
	for name, x := range to.Destinations {
		old := from.Destinations[name]
		d := x.Delivered - min(x.Delivered, old.Delivered)
		m.Delivered += d
		m.Dest[name] = Rates{d}
		m.Backlog = max(m.Backlog, x.Backlog)
		if x.LatencyCount > old.LatencyCount {
			sum, count = sum+x.LatencySum-old.LatencySum, count+x.LatencyCount-old.LatencyCount
		}
	}
	if count > 0 {
		mean := sum / float64(count)
		m.Latency = &mean
	}
	return m
}

// Minutes returns the last 24 hours, oldest first.
func (h *History) Minutes() []Minute {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.file.Minutes)
}

// Note replaces what is kept under a key by what change makes of it; nil: nothing was kept.
func (h *History) Note(key string, change func(old []byte) []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.file.Notes[key] = change(h.file.Notes[key])
}

// Save writes the file, in place of the old one.
func (h *History) Save() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saved = time.Now()
	text, err := json.Marshal(h.file)
	if err == nil {
		err = replaceFile(h.path, text)
	}
	if err != nil {
		h.log.Warn("the history of the status page cannot be stored", "file", h.path, "error", err)
	}
}

func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".history-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after the rename
	_, err = f.Write(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

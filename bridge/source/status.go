package source

import (
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Status is a source as the operator sees it.
type Status struct {
	State       string    // starting, ok, failing, ended
	LastSuccess time.Time // the last answer that could be read; zero: none since the start
	CoveredTo   time.Time // up to here everything is read but the holes; zero: nothing is
	Holes       []Hole    // by time
	Error       string    // with its remedy; "" when all is well
	ErrorSince  time.Time // of the first failure since the last success; zero: there was none
	Pulled      uint64    // records stored since the start
	Duplicates  uint64    // records recognised since the start
	TokenEnds   time.Time // of the access token in use; zero: there is none yet

	// Of a source that reads files: bytes that are read, and that there are, as they are on disk. Total is 0 where
	// nobody knows, in a pipe.
	Read, Total int64
}

// Status returns a snapshot.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	if end := s.client.tokenEnds.Load(); end != 0 {
		status.TokenEnds = time.Unix(end, 0).UTC()
	}
	return status
}

// note brings the status up to date after a poll or a window.
func (s *Source) note(outcome buffer.Outcome) {
	stored := outcome.New + outcome.Updated
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Pulled += uint64(stored)
	s.status.Duplicates += uint64(outcome.Known)
	s.status.CoveredTo = time.UnixMilli(s.plan.covered.end(s.plan.origin)).UTC()
	s.status.Holes = append([]Hole(nil), s.plan.holes...)
	s.o.Metrics.pulled(s.o.Name, stored, outcome.Known)
	s.o.Metrics.coverage(s.o.Name, s.status.CoveredTo, len(s.plan.holes))
}

// progressed notes that a window was read: what failed before it does not any more, though the poll may go on for hours.
// Its error stays to be seen until the poll ends.
func (s *Source) progressed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.LastSuccess, s.status.ErrorSince = time.Now(), time.Time{}
	if s.status.State == "failing" {
		s.status.State = "ok"
	}
}

// worked notes that a poll came to its end.
func (s *Source) worked() {
	s.mu.Lock()
	was, warned := s.status.Error, s.warned
	s.warned = false
	s.status.State, s.status.Error, s.status.ErrorSince, s.status.LastSuccess = "ok", "", time.Time{}, time.Now()
	s.mu.Unlock()
	s.o.Metrics.success(s.o.Name)
	if warned {
		s.log.Info("the source works again", "was", was)
	}
}

// failed notes what went wrong and logs it when it is news.
func (s *Source) failed(e *Error) {
	s.o.Metrics.failure(s.o.Name, e.Reason)
	text := e.Error()
	s.mu.Lock()
	news := s.status.Error != text
	s.status.Error = text
	if s.status.ErrorSince.IsZero() {
		s.status.ErrorSince = time.Now()
	}
	throttled := e.Reason == ReasonThrottled // is part of the API's day
	if e.Slow || !throttled && s.status.LastSuccess.IsZero() || !s.status.LastSuccess.IsZero() && time.Since(s.status.LastSuccess) > 5*time.Minute {
		s.status.State = "failing"
	}
	s.warned = s.warned || news && !throttled
	s.mu.Unlock()
	switch {
	case !news:
	case throttled:
		s.log.Info("the API asks to wait", "error", text)
	case e.Slow:
		s.log.Error("pulling fails", "reason", string(e.Reason), "error", text)
	default:
		s.log.Warn("a request brought nothing", "reason", string(e.Reason), "error", text)
	}
}

package source

import (
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// Status returns a snapshot.
func (f *File) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Total = f.work.total.Load()
	if s.Read = f.work.read.Load(); s.Total > 0 {
		s.Read = min(s.Read, s.Total)
	}
	return s
}

// note counts what became of records.
func (f *File) note(outcome buffer.Outcome) {
	f.mu.Lock()
	f.status.Pulled += uint64(outcome.New + outcome.Updated)
	f.status.Duplicates += uint64(outcome.Known)
	f.mu.Unlock()
	f.o.Metrics.pulled(f.o.Name, outcome.New+outcome.Updated, outcome.Known)
}

func (f *File) worked(state string) {
	f.mu.Lock()
	was := f.status
	f.status.State, f.status.Error, f.status.ErrorSince, f.status.LastSuccess = state, "", time.Time{}, time.Now()
	f.mu.Unlock()
	f.o.Metrics.success(f.o.Name)
	if was.State == "failing" {
		f.log.Info("reading works again", "was", was.Error)
	}
}

func (f *File) failed(err error) {
	f.o.Metrics.failure(f.o.Name, ReasonFile)
	f.mu.Lock()
	news := f.status.Error != err.Error()
	f.status.State, f.status.Error = "failing", err.Error()
	if f.status.ErrorSince.IsZero() {
		f.status.ErrorSince = time.Now()
	}
	f.mu.Unlock()
	if news {
		f.log.Error("reading fails; it is tried again", "error", err)
	}
}

package bench

import (
	"fmt"
	"runtime"
	"time"
)

// result is what one run took.
type result struct {
	wall, cpu time.Duration
	memory    int64 // bytes of anonymous memory at most; 0: the system does not tell
	stages    []stage
}

func (r *result) peak() string {
	if r.memory == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", float64(r.memory)/1e6)
}

// stage is what one stage takes of a core for one event.
type stage struct {
	name string
	time time.Duration
}

// bottleneck names what holds a run back.
func (r *run) bottleneck(got result) string {
	events := float64(r.input.records * r.destinations)
	cores := got.cpu.Seconds() / got.wall.Seconds()
	if written := float64(r.input.bytes) / got.wall.Seconds(); written > r.disk/2 {
		return fmt.Sprintf("disk: %.0f%% of what it can sync", 100*written/r.disk)
	}
	rest := stage{"buffer and network", got.cpu / time.Duration(events)}
	most := stage{}
	for _, s := range got.stages {
		rest.time -= s.time
		if s.time > most.time {
			most = s
		}
	}
	if rest.time > most.time {
		most = rest
	}
	// A stage is timed by the clock: where others use the machine, it may seem to take more than there was.
	most.time = min(most.time, time.Duration(float64(got.cpu)/events))
	what := fmt.Sprintf("%s (%.1f of %.1f us CPU an event)", most.name, float64(most.time.Nanoseconds())/1e3, got.cpu.Seconds()*1e6/events)
	if cores > 0.6*float64(runtime.NumCPU()) {
		return "CPU: " + what
	}
	return fmt.Sprintf("waiting (%.1f cores busy); then %s", cores, what)
}

package jetstream

import (
	"slices"
	"strings"
	"time"
)

// Instance is one of those that share the buffer.
type Instance struct {
	Host    string         // Options.Host of it
	Own     bool           // it is this one
	Live    bool           // it is heard of
	Started time.Time      // when it opened the buffer
	Sources []string       // that it pulls
	Lanes   map[string]int // by destination, how many of the 8 lanes it delivers
}

// Instances returns who shares the buffer, as this instance knows it, by host and start.
func (b *Buffer) Instances() (all []Instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, m := range b.members {
		one := Instance{Host: m.Host, Own: id == b.id, Live: b.isLive(id), Started: m.Started, Lanes: map[string]int{}}
		for source, s := range b.sources {
			if s.Holder == id {
				one.Sources = append(one.Sources, source)
			}
		}
		for to, d := range b.destinations {
			for i := range d.lanes {
				if d.lanes[i].Holder == id {
					one.Lanes[to]++
				}
			}
		}
		slices.Sort(one.Sources)
		all = append(all, one)
	}
	slices.SortFunc(all, func(x, y Instance) int {
		if n := strings.Compare(x.Host, y.Host); n != 0 {
			return n
		}
		return x.Started.Compare(y.Started)
	})
	return all
}

// Share is this instance's part of a destination, 0 to 1: that of its lanes.
func (b *Buffer) Share(to string) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := 0
	if d := b.destinations[to]; d != nil {
		for i := range d.lanes {
			if d.lanes[i].Holder == b.id {
				own++
			}
		}
	}
	return float64(own) / Lanes
}

// First tells whether this instance comes first among those that are there: it does what one of them has to do.
func (b *Buffer) First() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	live := b.live(func(*member) bool { return true })
	return len(live) == 0 || live[0] == b.id
}

// isLive tells whether an instance is there. b.mu is held.
func (b *Buffer) isLive(id string) bool {
	m := b.members[id]
	return m != nil && (id == b.id || b.beats < m.heard+missedBeats)
}

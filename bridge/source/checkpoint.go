package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// checkpoint is what a source keeps in the buffer: what it has read to its end, and what it could not read.
type checkpoint struct {
	Version int        `json:"v"`
	Origin  int64      `json:"origin"` // first start, resolved; Unix milliseconds as all times here
	Covered []Interval `json:"covered,omitempty"`
	Holes   []Hole     `json:"holes,omitempty"`
}

const checkpointVersion = 1

// maxCheckpoint bounds a checkpoint in bytes; a thousand holes have about 300 kB.
const maxCheckpoint = 8 << 20

// encode returns the plan's checkpoint.
func (p *plan) encode() ([]byte, error) {
	return json.Marshal(checkpoint{checkpointVersion, p.origin, p.covered, p.holes})
}

// restore takes over a checkpoint. An error leaves the plan as it was.
func (p *plan) restore(data []byte) error {
	c, err := decodeCheckpoint(data)
	if err != nil {
		return err
	}
	p.origin, p.covered, p.holes = c.Origin, c.Covered, c.Holes
	return nil
}

// ReadCheckpoint tells of a checkpoint up to when its source has read without a gap, and what it could not read.
func ReadCheckpoint(data []byte) (covered time.Time, holes []Hole, err error) {
	c, err := decodeCheckpoint(data)
	if err != nil {
		return covered, nil, err
	}
	return time.UnixMilli(coverage(c.Covered).end(c.Origin)).UTC(), c.Holes, nil
}

func decodeCheckpoint(data []byte) (checkpoint, error) {
	var c checkpoint
	if len(data) > maxCheckpoint {
		return c, fmt.Errorf("the checkpoint has %d bytes, more than any that is written", len(data))
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("the checkpoint cannot be read: %w", err)
	}
	if c.Version != checkpointVersion {
		return c, fmt.Errorf("the checkpoint has version %d, which this version does not know", c.Version)
	}
	if floor(c.Origin) != c.Origin || !sane(Interval{c.Origin, c.Origin + 1}) {
		return c, errors.New("the checkpoint's origin is no whole second")
	}
	for n, i := range c.Covered {
		if !sane(i) || n > 0 && i.From <= c.Covered[n-1].To {
			return c, errors.New("the checkpoint's coverage is not in order")
		}
	}
	for _, h := range c.Holes {
		if !sane(h.Interval) || len(c.Holes) > maxHoles {
			return c, errors.New("the checkpoint's holes are not in order")
		}
	}
	return c, nil
}

// sane keeps times within years that can be written, so that no sum of them overflows.
func sane(i Interval) bool {
	const years10000 = 253402300800000
	return -years10000 < i.From && i.From < i.To && i.To < years10000
}

package jetstream

import (
	"encoding/json"
	"slices"
	"sort"
)

// cursor is where a destination stands in one of its lanes, and whose it is. It is a value: what changes it makes a new
// one.
type cursor struct {
	Born   uint64 `json:"born"`   // the destination's; another one's cursor says nothing
	Holder string `json:"holder"` // instance that delivers the lane; "": none
	Epoch  uint64 `json:"epoch"`  // one more with each holder

	// Settled are all records below High but Holes: released, dropped, or not wanted.
	High  uint64   `json:"high"`
	Holes []uint64 `json:"holes,omitempty"` // ascending

	Dropped uint64      `json:"dropped,omitempty"` // records
	Lost    [][2]uint64 `json:"lost,omitempty"`    // first and last number of those dropped, newest last
}

// maxLost bounds what is remembered of the numbers that were dropped; older ones count as released.
const maxLost = 500

// settled tells whether a record of the lane is not needed any more.
func (c *cursor) settled(n uint64) bool {
	if n >= c.High {
		return false
	}
	_, hole := slices.BinarySearch(c.Holes, n)
	return !hole
}

// lost tells whether a record was dropped.
func (c *cursor) lost(n uint64) bool {
	i := sort.Search(len(c.Lost), func(i int) bool { return c.Lost[i][1] >= n })
	return i < len(c.Lost) && c.Lost[i][0] <= n
}

// low is the lowest number that may be needed.
func (c *cursor) low() uint64 {
	if len(c.Holes) > 0 {
		return c.Holes[0]
	}
	return c.High
}

// settle returns the cursor behind some records of its lane, which are ascending, and those that it had not settled
// before. walk calls its function with the numbers of the lane that the destination wants, from one on and below
// another.
func (c cursor) settle(numbers []uint64, walk func(from, below uint64, f func(n uint64))) (next cursor, fresh []uint64) {
	next = c
	next.Holes = nil
	at := 0
	for _, hole := range c.Holes {
		for at < len(numbers) && numbers[at] < hole {
			at++
		}
		if at < len(numbers) && numbers[at] == hole {
			fresh = append(fresh, hole)
		} else {
			next.Holes = append(next.Holes, hole)
		}
	}
	for at < len(numbers) && numbers[at] < c.High {
		at++
	}
	if numbers = numbers[at:]; len(numbers) == 0 {
		return next, fresh
	}
	next.High = numbers[len(numbers)-1] + 1
	walk(c.High, next.High, func(n uint64) {
		for len(numbers) > 0 && numbers[0] < n {
			numbers = numbers[1:]
		}
		if len(numbers) > 0 && numbers[0] == n {
			fresh = append(fresh, n)
		} else {
			next.Holes = append(next.Holes, n)
		}
	})
	return next, fresh
}

// drop is settle for records that are not delivered.
func (c cursor) drop(numbers []uint64, walk func(from, below uint64, f func(n uint64))) (next cursor, fresh []uint64) {
	next, fresh = c.settle(numbers, walk)
	if len(fresh) == 0 {
		return next, nil
	}
	next.Dropped += uint64(len(fresh))
	next.Lost = slices.Clone(c.Lost)
	first, last := fresh[0], fresh[0]
	for _, n := range fresh[1:] {
		between := false // something of the lane stands between that was not dropped
		walk(last+1, n, func(uint64) { between = true })
		if between {
			next.Lost = append(next.Lost, [2]uint64{first, last})
			first = n
		}
		last = n
	}
	next.Lost = append(next.Lost, [2]uint64{first, last})
	// A lane's records are dropped from the oldest on, but ones that were held back before may be older.
	slices.SortFunc(next.Lost, func(a, b [2]uint64) int { return int(int64(a[0] - b[0])) })
	next.Lost = next.Lost[max(0, len(next.Lost)-maxLost):]
	return next, fresh
}

func (c cursor) encode() []byte { return encode(c) }

// encode makes the body of a state's message.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // none of the types can fail
	}
	return b
}

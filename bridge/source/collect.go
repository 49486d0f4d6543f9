package source

import (
	"bytes"
	"context"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/formats/defender"
)

// collector makes records of what an API or a file gives and appends them in batches.
type collector struct {
	ctx       context.Context
	source    string
	buffer    buffer.Appender
	noUpdates bool
	evidence  bool
	note      func(buffer.Outcome)
	position  func() []byte // what is stored with each batch: up to where its records reach; nil: nothing

	// With ahead a full batch is stored while the next one is read, and texts of records are the caller's again when they
	// are collected. Not with evidence, which has to know the outcome.
	ahead   bool
	storing chan error // of the batch handed over last; nil: none is being stored

	records []buffer.Record
	texts   texts // of records, with ahead
	bytes   int
	handed  []buffer.Record // the batch handed over last, and its texts: used again when it is stored
	behind  texts

	first  int // of the records of the alert whose evidence is being collected
	events int // of that alert, in batches appended already
}

// collect takes one record, or with evidence the records that it is split into, and returns its key.
func (c *collector) collect(f defender.Found) (key string, err error) {
	if !c.evidence {
		return f.Identity.Key, c.add(f.API, defender.Part{Identity: f.Identity, Record: f.Record})
	}
	c.first, c.events = len(c.records), 0
	err = defender.SplitEvidence(f.API, f.Record, func(p defender.Part) error {
		key = p.Key // the last one is the alert's own
		if p.Summary && c.events > 0 {
			return c.remember(f.API, p)
		}
		return c.add(f.API, p)
	})
	return key, err
}

func (c *collector) record(api defender.API, p defender.Part) buffer.Record {
	now := time.Now()
	return buffer.Record{Source: c.source, API: string(api), Key: p.Key, Changed: p.Changed, Hash: p.Hash,
		Pulled: now, Old: !p.Changed.IsZero() && now.Sub(p.Changed) > oldAfter, Raw: p.Record}
}

// add takes a record. A batch that is full is stored before it, when the position is still the one behind the batch.
func (c *collector) add(api defender.API, p defender.Part) error {
	if !p.Summary && c.full() {
		if err := c.handOver(); err != nil {
			return err
		}
	}
	if c.ahead {
		p.Record = c.texts.keep(p.Record)
	}
	r := c.record(api, p)
	if p.Summary {
		r.Summary = max(1, len(c.records)-c.first)
	}
	c.records = append(c.records, r)
	c.bytes += len(p.Record)
	return nil
}

// full tells whether what there is makes a batch. Reading ahead, it may grow while the one before is being stored, so
// that a slow disk gets fewer and larger ones.
func (c *collector) full() bool {
	switch {
	case c.bytes >= batchBytes:
		return true
	case !c.ahead:
		return len(c.records) >= batchRecords
	case c.storing == nil || len(c.storing) > 0: // nothing is being stored
		return c.bytes >= batchAhead
	}
	return len(c.records) >= 4*batchRecords
}

// handOver has a full batch stored, with ahead without waiting for it but for the one before.
func (c *collector) handOver() error {
	if !c.ahead {
		return c.flush(nil)
	}
	if err := c.settle(); err != nil {
		return err
	}
	storing, batch := make(chan error, 1), buffer.Batch{Source: c.source, Records: c.records, NoUpdates: c.noUpdates}
	if c.position != nil {
		batch.Checkpoint = c.position()
	}
	c.storing, c.bytes = storing, 0
	c.records, c.handed = c.handed[:0], c.records
	c.texts, c.behind = c.behind, c.texts
	go func() { storing <- c.store(batch) }() // settle waits for it
	return nil
}

// settle waits for the batch that was handed over. Who reads ahead calls it before he leaves.
func (c *collector) settle() error {
	if c.storing == nil {
		return nil
	}
	err := <-c.storing
	c.storing = nil
	if err != nil {
		c.handed, c.behind = nil, texts{} // the buffer may not be done with them
		return err
	}
	clear(c.handed)
	c.behind.reset()
	return nil
}

// remember stores the state of an alert whose evidence took more than one batch and was an event in an earlier one:
// the alert itself is none then. After a crash in between it may be one, which repeats and loses nothing.
func (c *collector) remember(api defender.API, p defender.Part) error {
	if err := c.flush(nil); err != nil {
		return err
	}
	r := c.record(api, p)
	r.Summary = 1
	return c.append(buffer.Batch{Source: c.source, NoUpdates: true, Records: []buffer.Record{r}})
}

// flush appends what there is, with a new checkpoint; nil: the position, if there is one. What was handed over is stored
// before.
func (c *collector) flush(checkpoint []byte) error {
	if err := c.settle(); err != nil {
		return err
	}
	if checkpoint == nil && c.position != nil {
		checkpoint = c.position()
	}
	if len(c.records) == 0 && checkpoint == nil {
		return nil
	}
	err := c.append(buffer.Batch{Source: c.source, Records: c.records, NoUpdates: c.noUpdates, Checkpoint: checkpoint})
	if err == nil {
		c.records, c.bytes, c.first = nil, 0, 0
		c.texts.reset()
	}
	return err
}

func (c *collector) append(b buffer.Batch) error {
	if err := c.store(b); err != nil {
		return err
	}
	for _, r := range b.Records[min(c.first, len(b.Records)):] {
		if r.Number != 0 {
			c.events++
		}
	}
	return nil
}

func (c *collector) store(b buffer.Batch) error {
	outcome, err := c.buffer.Append(c.ctx, b)
	if err != nil {
		return &storeError{err}
	}
	c.note(outcome)
	return nil
}

// texts hold copies of records in blocks that are used again for the next batch.
type texts struct {
	blocks [][]byte
	used   int // blocks; the last of these is being filled
}

const textBlock = 256 << 10

// keep returns a copy of a text, which is valid until reset.
func (t *texts) keep(text []byte) []byte {
	if len(text) > textBlock/4 {
		return bytes.Clone(text)
	}
	if t.used == 0 || len(t.blocks[t.used-1])+len(text) > textBlock {
		if t.used == len(t.blocks) {
			t.blocks = append(t.blocks, make([]byte, 0, textBlock))
		}
		t.blocks[t.used] = t.blocks[t.used][:0]
		t.used++
	}
	block := &t.blocks[t.used-1]
	start := len(*block)
	*block = append(*block, text...)
	return (*block)[start:len(*block):len(*block)]
}

func (t *texts) reset() { t.used = 0 }

package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// input is a file of records, one a line.
type input struct {
	path           string
	records, bytes int
	sample         [][]byte // some of them
}

// sampled is how many records the stages are timed with: few, so that other programs come in between less often.
const sampled = 20

// typicalSIEM is about how long a record of the SIEM shape is.
const typicalSIEM = 1700

// generate writes the records of a shape.
func (o *Options) generate(dir, shape string) (in input, err error) {
	in.path = filepath.Join(dir, shape+".ndjson")
	f, err := os.Create(in.path)
	if err != nil {
		return in, err
	}
	generator, start := emulator.NewGenerator(1, false), time.Now().Add(-time.Hour)
	var text bytes.Buffer
	for in.records < o.Count && in.bytes < o.Count*typicalSIEM {
		record := generator.Record(shape, start.Add(time.Duration(in.records)*time.Millisecond)).JSON()
		if in.records < sampled {
			in.sample = append(in.sample, record)
		}
		text.Write(record)
		text.WriteByte('\n')
		in.records++
		in.bytes += len(record)
		if text.Len() > 1<<20 {
			if _, err := text.WriteTo(f); err != nil {
				return in, err
			}
		}
	}
	if _, err := text.WriteTo(f); err != nil {
		return in, err
	}
	return in, f.Close()
}

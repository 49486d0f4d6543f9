package disk

import (
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

// store gives a way to open a buffer in a folder of its own.
func store(t *testing.T) buffertest.Open {
	dir := t.TempDir()
	return func(o buffertest.Options) (buffer.Buffer, error) {
		b, err := Open(Options{Dir: dir, MaxSize: o.MaxSize, Retain: o.Retain, Now: o.Now})
		if err != nil {
			return nil, err
		}
		return b, nil
	}
}

func TestConformance(t *testing.T) { buffertest.Run(t, store) }

func TestModel(t *testing.T) {
	buffertest.Model(t, func(t *testing.T) buffertest.Open {
		dir := t.TempDir()
		return func(o buffertest.Options) (buffer.Buffer, error) {
			// Small segments, so that a run of the model goes through many.
			return Open(Options{Dir: dir, MaxSize: o.MaxSize, Retain: o.Retain, Now: o.Now, segmentSize: 20_000, Simulated: true})
		}
	})
}

package flexconnector_test

import (
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

// BenchmarkEncode is one event by Microsoft's table read from a parser file, to be held against the built-in table.
func BenchmarkEncode(b *testing.B) {
	c := flexconnector.Convert(read(b, "WDATP-connector.jsonparser.properties"))
	for _, bb := range []struct {
		name string
		m    *formats.Mapping
	}{{"parser file", c.Mapping}, {"built in", &formats.Mapping{}}} {
		b.Run(bb.name, func(b *testing.B) {
			encoder, err := cef.New(cef.Options{Additions: formats.Additions{Extend: bb.m}})
			if err != nil {
				b.Fatal(err)
			}
			d := decode(b, defender.Detections, read(b, "mapping-doc-av-mikatz.json"))
			var line []byte
			b.ReportAllocs()
			for b.Loop() {
				line, _ = encoder.AppendEvent(line[:0], d, 8192)
			}
		})
	}
}

package formats_test

import (
	"bytes"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/leef"
)

// A record of each kind as it is common: one of the detections API of 1.9 KB, an alert with nine pieces of evidence,
// and one of Graph with two.
var measured = []struct {
	api  defender.API
	path string
}{
	{defender.Detections, "detections/docs-2020-edr-file-activity.json"},
	{defender.Alerts, "alerts/splunk-impacket-nine-evidence.json"},
	{defender.GraphAlerts, "graph-alerts/demisto-customti-centos.json"},
}

// BenchmarkStages measures what an event goes through, one stage at a time, by kind of record. split is per record of a
// page of 100, and page is split and identify in one; recognize is identify for records of files; map is the part of leef and cef that evaluates the table.
func BenchmarkStages(b *testing.B) {
	for _, kind := range measured {
		d := formatstest.Detections(b, "defender/testdata/"+kind.path)[0]
		record := bytes.Clone(d.Raw)
		stage := func(name string, f func()) {
			b.Run(name+"/"+string(kind.api), func(b *testing.B) {
				b.SetBytes(int64(len(record)))
				perUnit(b, 1, "record", f)
			})
		}
		const rows = 100
		page := append(append([]byte(`{"value":[`), bytes.Join(repeated(record, rows), []byte(","))...), "]}"...)
		b.Run("split/"+string(kind.api), func(b *testing.B) {
			b.SetBytes(int64(rows * len(record)))
			perUnit(b, rows, "record", func() {
				if got, err := defender.Split(kind.api, bytes.NewReader(page), func([]byte) error { return nil }); err != nil || got.Records != rows {
					b.Fatal(got, err)
				}
			})
		})
		b.Run("page/"+string(kind.api), func(b *testing.B) {
			b.SetBytes(int64(rows * len(record)))
			perUnit(b, rows, "record", func() {
				if got, _, err := defender.SplitFrom(kind.api, bytes.NewReader(page), defender.Place{}, func(defender.Found) error { return nil }); err != nil || got.Records != rows {
					b.Fatal(got, err)
				}
			})
		})
		stage("recognize", func() { _, _, _ = defender.Recognize(kind.api, record) })
		stage("identify", func() { _, _ = defender.Identify(kind.api, record) })
		var decoded formats.Detection
		var decoder defender.Decoder
		stage("decode", func() { _, _ = decoder.Decode(kind.api, record, &decoded) })
		l, c := must(leef.New(leef.Options{})), must(cef.New(cef.Options{}))
		stage("map-leef", func() { l.Table().Make(d).Release() })
		stage("map-cef", func() { c.Table().Make(d).Release() })
		var out []byte
		stage("leef", func() { out, _ = l.AppendEvent(out[:0], d, 4096) })
		stage("cef", func() { out, _ = c.AppendEvent(out[:0], d, 8192) })
	}
}

func repeated(record []byte, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = record
	}
	return all
}

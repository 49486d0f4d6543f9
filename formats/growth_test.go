package formats_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/internal/formatstest"
	"github.com/siembridge/siembridge/formats/leef"
)

// withEvidence returns an alert that has n pieces of evidence, no two alike, made from its own.
func withEvidence(b *testing.B, path string, n int) []byte {
	text, err := os.ReadFile("defender/testdata/" + path)
	if err != nil {
		b.Fatal(err)
	}
	var page struct{ Value []map[string]any }
	alert := map[string]any{}
	if err := json.Unmarshal(text, &page); err == nil && len(page.Value) > 0 {
		alert = page.Value[0]
	} else if err := json.Unmarshal(text, &alert); err != nil {
		b.Fatal(err)
	}
	samples, all := alert["evidence"].([]any), make([]any, n)
	for i := range all {
		all[i] = renamed(samples[i%len(samples)], i)
	}
	alert["evidence"] = all
	record, err := json.Marshal(alert)
	if err != nil {
		b.Fatal(err)
	}
	return record
}

// renamed returns a copy of a piece of evidence that is about file, process, address, account and device number i.
func renamed(v any, i int) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	other := make(map[string]any, len(object))
	for name, v := range object {
		if other[name] = renamed(v, i); v == nil {
			continue
		}
		switch name {
		case "sha1":
			other[name] = fmt.Sprintf("%040x", i)
		case "sha256":
			other[name] = fmt.Sprintf("%064x", i)
		case "ipAddress":
			other[name] = fmt.Sprintf("10.0.%d.%d", i/250, i%250)
		case "processId":
			other[name] = i
		case "fileName", "accountName", "userSid", "mdeDeviceId", "deviceDnsName":
			other[name] = fmt.Sprintf("%v%04d", v, i)
		}
	}
	return other
}

// BenchmarkGrowthEvidence measures each stage by the pieces of evidence that an alert has. With events = "evidence" an
// alert goes through parts once, and then each of its pieces is decoded and written as CEF: part-events.
func BenchmarkGrowthEvidence(b *testing.B) {
	l, c := must(leef.New(leef.Options{})), must(cef.New(cef.Options{}))
	for _, kind := range measured[1:] {
		for _, n := range []int{1, 10, 100, 1000} {
			record := withEvidence(b, kind.path, n)
			d := &formats.Detection{}
			if _, err := defender.Decode(kind.api, record, d); err != nil {
				b.Fatal(err)
			}
			d.Change, d.Fresh = formats.ChangeNew, true
			var parts [][]byte
			split := func(p defender.Part) error {
				parts = append(parts, p.Record)
				return nil
			}
			if err := defender.SplitEvidence(kind.api, record, split); err != nil || len(parts) != n+1 {
				b.Fatal(len(parts), err)
			}
			decoder, decoded, out := defender.Decoder{}, formats.Detection{}, []byte(nil)
			for _, stage := range []struct {
				name string
				do   func()
			}{
				{"identify", func() { _, _ = defender.Identify(kind.api, record) }},
				{"decode", func() { _, _ = decoder.Decode(kind.api, record, &decoded) }},
				{"leef", func() { out, _ = l.AppendEvent(out[:0], d, 65536) }},
				{"cef", func() { out, _ = c.AppendEvent(out[:0], d, 65536) }},
				{"parts", func() { parts = parts[:0]; _ = defender.SplitEvidence(kind.api, record, split) }},
				{"part-events", func() {
					for _, p := range parts[:n] {
						_, _ = decoder.Decode(kind.api, p, &decoded)
						out, _ = c.AppendEvent(out[:0], &decoded, 65536)
					}
				}},
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", kind.api, stage.name, n), func(b *testing.B) { perUnit(b, n, "piece", stage.do) })
			}
		}
	}
}

// BenchmarkGrowthMapping measures encoding by the entries that a mapping has, all of which have a value: a field, or a
// JSON Pointer into the record.
func BenchmarkGrowthMapping(b *testing.B) {
	d := formatstest.Detections(b, "defender/testdata/"+measured[2].path)[0]
	for _, from := range []string{"alert_id", "/serviceSource"} {
		for _, n := range []int{10, 20, 50, 100} {
			user := &formats.Mapping{Replace: true}
			for i := range n {
				user.Attributes = append(user.Attributes, formats.Attribute{Key: fmt.Sprintf("MicrosoftDefenderEntry%02d", i), From: formats.Names{from}})
			}
			add := formats.Additions{Extend: user}
			l, c := must(leef.New(leef.Options{Additions: add})), must(cef.New(cef.Options{Additions: add}))
			var out []byte
			for name, f := range map[string]func(){
				"leef": func() { out, _ = l.AppendEvent(out[:0], d, 65536) },
				"cef":  func() { out, _ = c.AppendEvent(out[:0], d, 65536) },
			} {
				b.Run(fmt.Sprintf("%s/%s/%d", name, strings.Trim(from, "/"), n), func(b *testing.B) { perUnit(b, n, "entry", f) })
			}
		}
	}
}

// perUnit measures something that is done to n units: CPU time per unit.
func perUnit(b *testing.B, n int, unit string, f func()) {
	b.ReportAllocs()
	start := spent()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64((spent()-start).Nanoseconds())/float64(b.N*n), "CPU-ns/"+unit)
}

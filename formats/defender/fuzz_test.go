package defender

import (
	"bytes"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats"
)

func everyAPI() (all []API) {
	for _, k := range recordKinds {
		all = append(all, k.api)
	}
	return all
}

// FuzzDecode: whatever is JSON decodes, nothing panics, a Decoder says the same, Identify says the same twice and keeps
// its bounds.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a","comments":"x","evidence":[null,{"entityType":"User"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var decoder Decoder
		var again formats.Detection
		for _, api := range everyAPI() {
			var d formats.Detection
			problems, err := Decode(api, raw, &d)
			other, _ := decoder.Decode(api, raw, &again)
			var one, two strings.Builder
			dump(&one, &d, problems)
			if dump(&two, &again, other); one.String() != two.String() {
				t.Fatalf("%s: %s by a Decoder: %s", api, one.String(), two.String())
			}
			if err != nil && d.Title == "" {
				t.Fatal("an error without a minimal detection")
			}
			id, _ := Identify(api, raw)
			same, _ := Identify(api, bytes.Clone(raw))
			if id != same || len(id.Key) > maxKey || id.Key == "" {
				t.Fatalf("%s: %+v and %+v", api, id, same)
			}
			checkRecognize(t, api, raw)
			checkIdentity(t, api, raw)
		}
	})
}

// checkIdentity: what Identify passes over identifies nothing.
func checkIdentity(t *testing.T, api API, raw []byte) {
	t.Helper()
	s := newScanner()
	defer s.releaseAll()
	defer s.detection.Reset()
	s.whole = true
	want, _ := s.identify(api, raw)
	if got, _ := Identify(api, raw); got != want {
		t.Fatalf("%s: %+v; of the whole record it is %+v: %s", api, got, want, raw)
	}
}

// checkRecognize: whatever API a record is guessed to be of, it is found to be of the same, with the same identity, as
// one that is read for each question by itself.
func checkRecognize(t *testing.T, guess API, raw []byte) {
	t.Helper()
	api, id, ok := Recognize(guess, raw)
	detected, _, detects := Detect(raw)
	if api != detected || ok != detects {
		t.Fatalf("guessed %s: %s, %v; Detect says %s, %v: %s", guess, api, ok, detected, detects, raw)
	}
	if want, _ := Identify(detected, raw); ok && id != want {
		t.Fatalf("guessed %s: %+v; Identify says %+v: %s", guess, id, want, raw)
	}
}

// FuzzSplit: nothing panics and every record of a page that was read is an object or a scalar that Decode can be given.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`{"value":[{"incidentId":7,"alerts":[{},{"alertId":"a"}]}],"@odata.nextLink":"n"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, api := range []API{GraphAlerts, Incidents} {
			total := 0
			_, _ = Split(api, bytes.NewReader(body), func(r []byte) error {
				var d formats.Detection
				_, _ = Decode(api, r, &d)
				total += len(r)
				return nil
			})
			if total > 64*(len(body)+64)*(len(body)+64) {
				t.Fatalf("%d bytes of records from %d", total, len(body))
			}
		}
	})
}

// largest returns the largest sample below 12 KB of each API.
func largest(b *testing.B) map[API][]byte {
	records := map[API][]byte{}
	samples(b, func(api API, _ string, text []byte) {
		_, _ = Split(api, bytes.NewReader(text), func(r []byte) error {
			if n := len(r); n > len(records[api]) && n < 12_000 {
				records[api] = r
			}
			return nil
		})
	})
	return records
}

func BenchmarkDecode(b *testing.B) {
	records := largest(b)
	for _, api := range everyAPI() {
		b.Run(string(api), func(b *testing.B) {
			var d formats.Detection
			b.SetBytes(int64(len(records[api])))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Decode(api, records[api], &d)
			}
		})
	}
}

func BenchmarkIdentify(b *testing.B) {
	records := largest(b)
	for _, api := range everyAPI() {
		b.Run(string(api), func(b *testing.B) {
			b.SetBytes(int64(len(records[api])))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Identify(api, records[api])
			}
		})
	}
}

// BenchmarkSplit reads a page of 100 records.
func BenchmarkSplit(b *testing.B) {
	for api, record := range largest(b) {
		page := append(bytes.Repeat(append(record[:len(record):len(record)], ','), 99), record...)
		page = append(append([]byte(`{"value":[`), page...), "]}"...)
		b.Run(string(api), func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				if got, err := Split(api, bytes.NewReader(page), func([]byte) error { return nil }); err != nil || got.Records != 100 {
					b.Fatal(got, err)
				}
			}
		})
	}
}

package defender

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// compare reads raw with the scanner and with the JSON library. What the scanner takes, the library has to take for the
// same; what it refuses goes to the library anyway.
func compare[T any](t *testing.T, r reader[T], raw []byte) (taken bool) {
	t.Helper()
	s := newScanner()
	defer s.release()
	_, taken = r.scan(s, raw)
	s.whole = true
	got, same := r.scan(s, raw)
	if same != taken {
		t.Fatalf("%T: %q is taken by one of identifying and reading it whole", *got, raw)
	}
	var want T
	err := unmarshal(raw, &want)
	if !taken {
		return false
	}
	if err != nil {
		t.Fatalf("%T: the scanner takes %q, the library says %v", want, raw, err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Fatalf("%T: %q\nscanner %+v\nlibrary %+v", want, raw, *got, want)
	}
	return true
}

func compareAll(t *testing.T, raw []byte) (taken bool) {
	t.Helper()
	taken = compare(t, detectionReader, raw)
	for _, same := range []bool{compare(t, alertReader, raw), compare(t, graphAlertReader, raw), compare(t, graphIncidentReader, raw),
		compare(t, xdrReader, raw), compare(t, signReader, raw)} {
		if same != taken {
			t.Errorf("one reader takes what another refuses: %q", raw)
		}
	}
	return taken
}

// FuzzScanner: the scanner and the JSON library read the same.
func FuzzScanner(f *testing.F) {
	for _, seed := range scannerSeeds {
		f.Add([]byte(seed))
	}
	samples(f, func(api API, _ string, text []byte) {
		_, _ = Split(api, bytes.NewReader(text), func(r []byte) error {
			f.Add(r)
			return nil
		})
	})
	f.Fuzz(func(t *testing.T, raw []byte) { compareAll(t, raw) })
}

var scannerSeeds = []string{
	`{}`, ` { } `, `{"id":"a","id":null,"title":7,"title":{"x":[]},"comments":[{"comment":"\u00e9\ud83d\ude00"},3,null,{"comment":-1.5e+7}]}`,
	`{"id":"\\\"\/\b\f\n\r\t","title":"` + "\u00e4\u20ac\U0001f600" + `","severity":true,"status":"null","category":null}`,
	`{"mitreTechniques":["a",null,"null",1,{},[],"b"],"systemTags":"one","categories":{}}`,
	`{"evidence":[{"@odata.type":"#microsoft.graph.security.deviceEvidence","loggedOnUsers":[{"userName":"\u0061","extra":[[[{"x":0}]]]}],"host":{"host":{}}},null,4]}`,
	`{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":tru}`, `{"a":"\x"}`, `{"a":"\ud800"}`, "{\"a\":\"\x01\"}", "{\"id\":\"\xff\"}", `{"id":"a"`, `{"id":"a",}`, `{"id":"a"}x`, `{"i\u0064":"a"}`, `[]`, `null`,
	`{"\u0069d":"a","id\u0000":"b","ti\"tle":{"\u00e9":[{"a\/":1}]},"evidence":[{"ipAddress":"a","\u0069pAddress":"b","\n":{"\\":{}}}]}`,
	`{"fileDetails":{"sha1":"x"},"userAccount":{"accountName":"a"},"displayName":"outer","domainName":"d"}`,
}

// TestScannerTakesWhatTheAPIsSend: no sample needs the library, but for those with invalid UTF-8.
func TestScannerTakesWhatTheAPIsSend(t *testing.T) {
	taken := 0
	samples(t, func(api API, path string, text []byte) {
		_, _ = Split(api, bytes.NewReader(text), func(r []byte) error {
			if compareAll(t, r) {
				taken++
			} else if bytes.Equal(bytes.ToValidUTF8(r, nil), r) && !strings.Contains(string(r), `\ud8`) {
				t.Errorf("%s: refused: %.300s", path, r)
			}
			return nil
		})
	})
	if taken < 20 {
		t.Errorf("%d records were taken", taken)
	}
	for _, seed := range scannerSeeds {
		compareAll(t, []byte(seed))
	}
	for _, deep := range []string{`{"a":`, `{"host":`, `{"evidence":[{"host":`} {
		compareAll(t, []byte(strings.Repeat(deep, 100)))
	}
}

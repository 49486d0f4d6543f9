package formats

import (
	"encoding/json"
	"testing"
)

func TestFirst(t *testing.T) {
	e, err := NewJSON(JSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := &Detection{API: "alerts", Kind: KindAlert, Title: "a\tb|c\n\x00\xff\u2028", Severity: SeverityHigh, Techniques: []string{"T1", "T2"}}
	d.File.Path = `C:\x=y\`
	d.URL = "http://x?a=b\nfoo"
	d.Extra = []Pair{{"customer", "x"}}
	d.Raw = []byte("{\n \"a\": 1, \"b\":\"\\u0000\xff\"}")
	b, l := e.AppendEvent(nil, d, 4096)
	t.Logf("%s %v", b, l)
	var v any
	if json.Unmarshal(b, &v) != nil {
		t.Fatal("bad")
	}
	d.Raw = make([]byte, 10000)
	b, l = e.AppendEvent(nil, d, 512)
	t.Logf("%s %v", b, l)
	if json.Unmarshal(b, &v) != nil {
		t.Fatal("bad")
	}
}

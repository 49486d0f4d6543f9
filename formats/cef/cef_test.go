package cef

import (
	"testing"
	"time"

	"github.com/siembridge/siembridge/formats"
)

func TestFirst(t *testing.T) {
	for _, v := range []string{"0", "1"} {
		e, err := New(Options{Version: v})
		if err != nil {
			t.Fatal(err)
		}
		d := &formats.Detection{API: "alerts", Kind: formats.KindAlert, Change: formats.ChangeNew, AlertID: "x", Title: "a\tb|c\n", Severity: formats.SeverityHigh, Time: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Category: "Malware", Techniques: []string{"T1", "T2"}}
		d.File.Path = `C:\x=y\`
		d.URL = "http://x?a=b\nfoo"
		b, l := e.AppendEvent(nil, d, 4096)
		t.Logf("%q %v", b, l)
	}
}

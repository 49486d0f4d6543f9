package delivery

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/siembridge/siembridge/formats"
)

func TestFilter(t *testing.T) {
	d := &formats.Detection{
		Kind: formats.KindAlert, Change: formats.ChangeNew, Severity: formats.SeverityMedium, Category: "Exploit",
		Title: "Suspicious PowerShell", Device: formats.Device{Name: "ws-1", Tags: []string{"lab"}},
		RemediationSuccess: formats.FlagTrue,
	}
	for expression, want := range map[string]bool{
		`severity >= medium`:                           true,
		`severity > medium`:                            false,
		`severity >= medium && category != "Exploit"`:  false,
		`category in ["Exploit", "Malware"]`:           true,
		`device.name == "ws-1"`:                        true,
		`device.name startsWith "srv"`:                 false,
		`"lab" in device.tags`:                         true,
		`title matches "(?i)powershell"`:               true,
		`kind == "alert" && event_kind == "new"`:       true,
		`remediation_success and not was_executing`:    true,
		`resolved_time.IsZero()`:                       true,
		`user.name == "" || user.domain == "contoso"`:  true,
		`unknown < low && informational < unknown`:     true,
		`severity in [low, medium] && source == "src"`: false,
	} {
		f, err := NewFilter(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		for range 2 { // the second time over a refilled environment
			if got := f.Keep(d); got != want {
				t.Errorf("%s: got %v", expression, got)
			}
		}
	}
}

func TestFilterUnknownSeverityCountsAsUnknown(t *testing.T) {
	f, err := NewFilter(`severity == unknown`)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Keep(&formats.Detection{}) {
		t.Error("a record without severity is not of unknown severity")
	}
}

func TestFilterMistakesNameTheColumn(t *testing.T) {
	for expression, want := range map[string]string{
		`severity >= mediun`: "column 13: unknown name mediun",
		`severity >= mediun && !(titel == "x" || title contains 3) and device.nam == "y"`: "column 13: unknown name mediun; column 25: unknown name titel; " +
			"column 47: invalid operation: contains (mismatched types string and int); column 70: unknown field nam",
		`severity >=`: "column 11: unexpected token EOF",
		`severity >= && titel == "x" and (category = "y") or device.name == `: "column 13: unexpected token Operator(\"&&\"); column 16: unknown name titel; " +
			"column 43: unexpected token Operator(\"=\"); column 67: unexpected token EOF",
		`"ü" in device.tags && title == && category ==`: "column 32: unexpected token Operator(\"&&\"); column 45: unexpected token EOF",
		`(severity >= low && titel == "x"`:              "column 32: unexpected token EOF",
		`severity >= low) && titel == "x"`:              "column 16: unexpected token Bracket(\")\")",
		`title == "x && category ==`:                    "column 27: literal not terminated",
		`title`:                                         "expected bool, but got string",
		`severity == "high"`:                            "column 10: invalid operation: == (mismatched types int and string)",
		`device.nam == "x"`:                             "column 8: unknown field nam",
		`len(title) + category`:                         "column 12: invalid operation: + (mismatched types int and string)",
	} {
		_, err := NewFilter(expression)
		if err == nil {
			t.Errorf("%s: accepted", expression)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

// TestFilterOfEachGoroutine: each taker's filter sees the record at hand and no other's, members of groups included.
func TestFilterOfEachGoroutine(t *testing.T) {
	f, err := NewFilter(`device.name == "ws-1" && severity >= medium`)
	if err != nil {
		t.Fatal(err)
	}
	kept := []bool{true, false}
	var takers sync.WaitGroup
	for i, want := range kept {
		own := f.clone()
		d := &formats.Detection{Severity: formats.SeverityHigh, Device: formats.Device{Name: fmt.Sprint("ws-", i+1)}}
		takers.Go(func() {
			for range 1000 {
				if own.Keep(d) != want {
					t.Errorf("%s: kept %v", d.Device.Name, !want)
					return
				}
			}
		})
	}
	takers.Wait()
}

package formats_test

import (
	"fmt"
	"strings"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/leef"
)

// A page of Microsoft Graph, record by record, becomes lines of LEEF as QRadar reads them.
func Example() {
	page := strings.NewReader(`{"value":[{"id":"da1","createdDateTime":"2026-11-23T10:11:12Z","title":"Mimikatz","category":"Malware",
		"severity":"high","serviceSource":"microsoftDefenderForEndpoint","status":"new"}]}`)
	encoder, err := leef.New(leef.Options{Delimiter: "^"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var d formats.Detection // used again for each record, as is the line
	var line []byte
	_, err = defender.Split(defender.GraphAlerts, page, func(record []byte) error {
		if _, err := defender.Decode(defender.GraphAlerts, record, &d); err != nil {
			return err
		}
		line, _ = encoder.AppendEvent(line[:0], &d, 4096)
		fmt.Printf("%s\n", line)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// LEEF:2.0|Microsoft|Microsoft Defender for Endpoint|1.0|Malware|^|cat=microsoftDefenderForEndpoint^devTime=1795428672000^sev=8^alertId=da1^eventKind=new^alertTitle=Mimikatz^alertCategory=Malware^alertStatus=new^serviceSource=microsoftDefenderForEndpoint^severityText=high^createdTime=1795428672000^bridgeApi=graph-alerts
}

// JSON carries every field of a detection under its own name.
func ExampleJSON() {
	encoder, err := formats.NewJSON(formats.JSONOptions{OmitRaw: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := formats.Detection{Kind: formats.KindAlert, AlertID: "da1", Title: "Mimikatz\nfound", Severity: formats.SeverityHigh}
	d.Device.Name = "desktop-1"
	event, _ := encoder.AppendEvent(nil, &d, 4096)
	fmt.Printf("%s\n", event)
	// Output:
	// {"event_class":"Other","service_word":"other","kind":"alert","alert_id":"da1","title":"Mimikatz\nfound","severity":"high","device":{"name":"desktop-1"}}
}

// A user's table is laid over the built-in one; what is wrong with it comes all at once.
func ExampleParseMapping() {
	table, err := formats.ParseMapping(`
attributes = [
  { key = "policy", from = "detector_id" },
  { key = "mysrc", from = "actor" },
  { key = "src", from = "time" },
]`)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = leef.New(leef.Options{Additions: formats.Additions{Extend: table}})
	fmt.Println(err)
	// Output:
	// src: time cannot become a value of type ip
	// mysrc: ends in the key "src": expressions that are not anchored would read one for the other
}

// What had to be cut is told by key, for who counts it.
func ExampleLoss() {
	encoder, err := leef.New(leef.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := formats.Detection{Kind: formats.KindAlert, AlertID: "da1", Title: "t", Description: strings.Repeat("long ", 1000)}
	event, loss := encoder.AppendEvent(nil, &d, 512)
	fmt.Println(len(event) <= 512, loss.Shortened)
	// Output:
	// true [alertDescription]
}

package defender_test

import (
	"fmt"
	"strings"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

const record = `{"AlertTime":"2026-11-23T10:11:12.123Z","AlertTitle":"Mimikatz","Severity":"High","FullId":"da1_2:x","MachineName":"desktop-1"}`

func ExampleDecode() {
	var d formats.Detection
	problems, err := defender.Decode(defender.Detections, []byte(record), &d)
	fmt.Println(d.FullID, d.Severity, d.Time, d.Device.Name, problems, err)
	// Output:
	// da1_2:x high 2026-11-23 10:11:12.123 +0000 UTC desktop-1 [] <nil>
}

// A page may be a list, an object with a list "value", or records one a line.
func ExampleSplit() {
	page, err := defender.Split(defender.Detections, strings.NewReader("["+record+","+record+"]"), func(record []byte) error {
		fmt.Println(len(record), "bytes")
		return nil
	})
	fmt.Println(page.Records, "records", err)
	// Output:
	// 127 bytes
	// 127 bytes
	// 2 records <nil>
}

// An alert that was merely touched keeps its hash, one that was resolved does not.
func ExampleIdentify() {
	identify := func(record string) defender.Identity {
		id, err := defender.Identify(defender.GraphAlerts, []byte(record))
		if err != nil {
			fmt.Println(err)
		}
		return id
	}
	alert := identify(`{"id":"da1","status":"new","lastUpdateDateTime":"2026-11-23T10:11:12Z"}`)
	touched := identify(`{"lastUpdateDateTime":"2026-11-23T10:15:00Z","status":"New","id":"da1"}`)
	resolved := identify(`{"id":"da1","status":"resolved","lastUpdateDateTime":"2026-11-23T10:20:00Z"}`)
	fmt.Println(alert.Key, touched.Hash == alert.Hash, resolved.Hash == alert.Hash)
	// Output:
	// da1 true false
}

func ExampleDetect() {
	api, legacy, ok := defender.Detect([]byte(record))
	fmt.Println(api, legacy, ok)
	// Output:
	// detections false true
}

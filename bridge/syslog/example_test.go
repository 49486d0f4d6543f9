package syslog_test

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/formats"
)

// A sender appends header and event between Begin and End; a receiver cuts frames from the stream, of whatever framing,
// and takes each apart.
func Example() {
	header := syslog.Header{Format: syslog.RFC5424, Facility: 20, AppName: "siembridge"}
	pulled := time.Date(2026, 11, 23, 10, 11, 12, 0, time.UTC)

	frame, start := syslog.OctetCounting.Begin(nil)
	frame = header.Append(frame, pulled, "bridge.example.org", syslog.SeverityOf(formats.SeverityHigh))
	frame = append(frame, `CEF:0|Vendor|Product|1|100|Login|8|src=192.0.2.1`...)
	frame = syslog.OctetCounting.End(frame, start)
	fmt.Printf("%s\n", frame)

	frames := syslog.NewScanner(bytes.NewReader(frame), syslog.DefaultMaxFrame)
	for {
		received, err := frames.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		m, err := syslog.Parse(received)
		fmt.Printf("%s %s %d %s %v\n", m.Hostname, m.AppName, m.Severity, m.Payload, err)
	}
	// Output:
	// 116 <163>1 2026-11-23T10:11:12.000Z bridge.example.org siembridge - - - CEF:0|Vendor|Product|1|100|Login|8|src=192.0.2.1
	// bridge.example.org siembridge 3 CEF:0|Vendor|Product|1|100|Login|8|src=192.0.2.1 <nil>
}

package cef_test

import (
	"fmt"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// The header's severity is a number, the class id a class, and what would be structure is escaped.
func ExampleNew() {
	encoder, err := cef.New(cef.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := formats.Detection{Kind: formats.KindAlert, AlertID: "da1", Category: "Malware", Severity: formats.SeverityHigh,
		ServiceSource: "microsoftDefenderForEndpoint", Title: "a|b = c", ThreatName: "Mikatz"}
	d.Network.RemoteAddress = "2001:DB8::10"
	event, _ := encoder.AppendEvent(nil, &d, 8192)
	fmt.Printf("%s\n", event)
	// Output:
	// CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|microsoftDefenderForEndpoint/Malware|a\|b = c|8|externalId=da1 cat=Malware sourceServiceName=microsoftDefenderForEndpoint c6a2Label=Source IPv6 Address c6a2=2001:db8::10 cs1Label=ThreatName cs1=Mikatz MicrosoftDefenderServiceSource=microsoftDefenderForEndpoint
}

// Constants for every event, and the strings and slots of the retired FlexConnector.
func ExampleNew_profile() {
	encoder, err := cef.New(cef.Options{Profile: cef.ProfileArcSightLegacy,
		Additions: formats.Additions{Fields: []formats.Pair{{Key: "dvcpid", Value: "7"}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := formats.Detection{API: "detections", Kind: formats.KindAlert, FullID: "da1_2:x", Severity: formats.SeverityLow, SeverityText: "Low", Title: "t"}
	event, _ := encoder.AppendEvent(nil, &d, 8192)
	fmt.Printf("%s\n", event)
	// Output:
	// CEF:0|Microsoft|Microsoft Defender ATP|2.0|microsoftDefenderForEndpoint/Other|t|Low|MicrosoftDefenderFullId=da1_2:x dvcpid=7
}

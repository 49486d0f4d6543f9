package leef_test

import (
	"fmt"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/leef"
)

// The delimiter ^ passes relays that rewrite tabs. No text of an alert can forge an attribute.
func ExampleNew() {
	encoder, err := leef.New(leef.Options{Version: leef.Version2, Delimiter: "^"})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := formats.Detection{Kind: formats.KindAlert, AlertID: "da1", Category: "Malware", Severity: formats.SeverityHigh,
		ServiceSource: "microsoftDefenderForEndpoint", Title: "evil^usrName=root\nLEEF:1.0|x"}
	d.User.Name = "liz"
	event, _ := encoder.AppendEvent(nil, &d, 4096)
	fmt.Printf("%s\n", event)
	// Output:
	// LEEF:2.0|Microsoft|Microsoft Defender for Endpoint|1.0|Malware|^|cat=microsoftDefenderForEndpoint^sev=8^usrName=liz^alertId=da1^alertTitle=evil usrName＝root LEEF:1.0|x^alertCategory=Malware^serviceSource=microsoftDefenderForEndpoint
}

package flexconnector_test

import (
	"fmt"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
	"github.com/siembridge/siembridge/formats/defender"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

// A parser file becomes a table for CEF. What is not understood is reported with its line.
func ExampleConvert() {
	converted := flexconnector.Convert([]byte(`
trigger.node.location=/
token.count=2
token[0].name=Title
token[0].location=AlertTitle
token[1].name=Host
token[1].location=MachineName
event.name=Title
event.sourceHostName=Host
event.deviceVendor=__stringConstant("Microsoft")
event.message=__callTheDatabase(Title)
`))
	for _, p := range converted.Problems {
		fmt.Println("not understood:", p)
	}
	encoder, err := cef.New(cef.Options{Additions: formats.Additions{Extend: converted.Mapping}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var d formats.Detection
	record := `{"AlertTime":"2026-11-23T10:11:12Z","AlertTitle":"Mimikatz","Severity":"High","FullId":"da1_2:x","MachineName":"desktop-1"}`
	if _, err := defender.Decode(defender.Detections, []byte(record), &d); err != nil {
		fmt.Println(err)
		return
	}
	event, _ := encoder.AppendEvent(nil, &d, 8192)
	fmt.Printf("%s\n", event)
	// Output:
	// not understood: line 11: event.message: not understood: the function "__callTheDatabase" is not known
	// CEF:0|Microsoft|Microsoft Defender for Endpoint|2.0|microsoftDefenderForEndpoint/Other|Mimikatz|8|shost=desktop-1 MicrosoftDefenderEventKind=new
}

package delivery_test

import (
	"fmt"

	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
)

// A filter speaks of a detection's fields by their names in mapping tables; severities compare by their order.
func ExampleNewFilter() {
	filter, err := delivery.NewFilter(`severity >= medium && category != "Exploit"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range []formats.Detection{
		{Severity: formats.SeverityHigh, Category: "Malware"},
		{Severity: formats.SeverityLow, Category: "Malware"},
		{Severity: formats.SeverityHigh, Category: "Exploit"},
	} {
		fmt.Println(filter.Keep(&d))
	}
	_, err = delivery.NewFilter(`severety >= medium`)
	fmt.Println(err)
	// Output:
	// true
	// false
	// false
	// column 1: unknown name severety
}

package content_test

import (
	"fmt"

	"github.com/siembridge/siembridge/formats/content"
)

// Every event that siembridge can write has a name in QRadar, looked up by EventID and cat.
func ExampleEventMappings() {
	for _, m := range content.EventMappings() {
		if m.EventID == "Malware" && m.Category == "microsoftDefenderForEndpoint" {
			fmt.Println(m.QIDName)
		}
	}
	// Output:
	// Defender: Malware
}

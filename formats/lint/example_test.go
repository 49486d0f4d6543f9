package lint_test

import (
	"fmt"
	"strings"

	"github.com/siembridge/siembridge/formats/lint"
)

func ExampleLine() {
	for _, f := range lint.Line(`<999>Nov 23 10:11:12 host CEF:0|V|P|1|a|b|11|src=desktop-1 cn1=5`) {
		fmt.Println(f.Column, f.Fault)
	}
	// Output:
	// 2 the priority is 0 to 191, not "999"
	// 27 the severity is 0 to 10, Unknown, Low, Medium, High or Very-High, not "11"
	// 50 src is of type ipv4, which "desktop-1" is not
	// 60 cn1 has no label (cn1Label)
}

func ExampleStream() {
	stream := "# a comment\nCEF:0|V|P|1|a|b|5|msg=x\nLEEF:1.0|V|P|1|a|sev=0\n"
	events, err := lint.Stream(strings.NewReader(stream), func(f lint.Finding) { fmt.Println(f) })
	fmt.Println(events, "events", err)
	// Output:
	// 3:22: sev is of type severity, which "0" is not (LEEF version 2, IBM)
	// 2 events <nil>
}

package config

import (
	"fmt"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/flexconnector"
)

// readParserFile makes a mapping of an ArcSight *.jsonparser.properties file. A line that is not understood is a
// mistake like any other: an event without the field it fills would be silently poorer. Who can do without it puts a #
// before the line.
func readParserFile(text []byte) (*formats.Mapping, error) {
	c := flexconnector.Convert(text)
	if len(c.Problems) == 0 {
		return c.Mapping, nil
	}
	var problems formats.Problems
	for _, p := range c.Problems {
		entry := fmt.Sprintf("line %d", p.Line)
		if p.Key != "" {
			entry += ": " + p.Key
		}
		problems = append(problems, formats.Problem{Entry: entry, Text: p.Text + " (put a # before the line to do without it)"})
	}
	return nil, problems
}

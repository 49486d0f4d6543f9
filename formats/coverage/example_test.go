package coverage_test

import (
	"encoding/json"
	"fmt"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/coverage"
)

// A format that shows nothing but the title: the report says what of a record reaches it, and what never does.
func Example() {
	tracer := coverage.New(coverage.Format{Name: "titles", Encode: func(_ string, record []byte) ([][]formats.Pair, error) {
		var alert struct{ Title string }
		err := json.Unmarshal(record, &alert)
		return [][]formats.Pair{{{Key: "title", Value: alert.Title}}}, err
	}})
	if err := tracer.Add("graph-alerts", []byte(`{"title":"Mimikatz","severity":"high"}`)); err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range tracer.Report().APIs[0].Paths {
		fmt.Println(path.Path, path.Reached())
	}
	// Output:
	// /title true
	// /severity false
}

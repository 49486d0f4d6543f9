package defender

import (
	"slices"
	"testing"

	"github.com/siembridge/siembridge/formats"
)

// TestEveryAPIHasItsRecords holds the table of APIs against the names that a configuration may use.
func TestEveryAPIHasItsRecords(t *testing.T) {
	var names []string
	for _, k := range recordKinds {
		names = append(names, string(k.api))
	}
	slices.Sort(names)
	if want := slices.Sorted(slices.Values(formats.APIs())); !slices.Equal(names, want) {
		t.Errorf("this package reads %v, the configuration knows %v", names, want)
	}
}

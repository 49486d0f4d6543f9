package keys_test

import (
	"fmt"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/keys"
)

// A record is new, comes again by looking back, and is an update when Microsoft has changed it and its content differs.
func ExampleDecide() {
	var remembered keys.State
	seen := false
	for _, r := range []struct {
		changed int64
		hash    buffer.Hash
	}{{100, buffer.Hash{1}}, {100, buffer.Hash{1}}, {200, buffer.Hash{1}}, {300, buffer.Hash{2}}} {
		var v keys.Verdict
		v, remembered = keys.Decide(remembered, seen, r.changed, r.hash)
		seen = true
		fmt.Println(v == keys.New, v == keys.Update)
	}
	// Output:
	// true false
	// false false
	// false false
	// false true
}

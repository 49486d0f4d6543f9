//go:build !linux

package formats_test

import "time"

var began = time.Now()

// spent returns the time of the clock, in place of the CPU's.
func spent() time.Duration { return time.Since(began) }

package formats_test

import (
	"syscall"
	"time"
)

// spent returns the CPU time of this process so far: the clock's would count what other programs took.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

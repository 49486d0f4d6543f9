package bench

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// WatchMemory looks at a process's anonymous memory until the returned function is called, which tells the most it had.
func WatchMemory(pid int) (most func() int64) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	var peak int64
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, Memory(pid))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return peak
	}
}

// Memory returns the bytes of a process that are neither of a file nor shared; 0 where the system does not tell.
func Memory(pid int) int64 {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	value, _, _ := strings.Cut(rest, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	return n * 1024
}

package disk

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestHouseOnFullDisk: housekeeping for which there is no space is tried, and told of, once a minute, not with each
// request; and when there is space again it is done.
func TestHouseOnFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		var log bytes.Buffer
		b := open(t, Options{
			Dir: t.TempDir(), Simulated: true, Retain: time.Hour, segmentSize: 4000, keep: -1, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Transaction: func(commit func() error) error {
				if full.Load() {
					return syscall.ENOSPC
				}
				return commit()
			}})
		q := openQueue(t, b, "d")
		appendNumbered(t, b, 0, 30)
		released(t, q, 10)
		before := b.Usage().Bytes
		<-time.After(2 * putOffFor) // what was put off is committed
		full.Store(true)
		<-time.After(time.Hour)
		<-time.After(housekeeping / 2)
		synctest.Wait()
		log.Reset()
		released(t, q, 10)
		synctest.Wait()
		if n := strings.Count(log.String(), "cannot be removed"); n > 1 {
			t.Errorf("it is told of %d times:\n%s", n, log.String())
		}
		full.Store(false)
		<-time.After(housekeeping)
		synctest.Wait()
		if after := b.Usage().Bytes; after >= before {
			t.Errorf("%d bytes before, %d after", before, after)
		}
	})
}

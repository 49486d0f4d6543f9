package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// TestRoomOfFailedAppend: the room that was set aside for a batch is given back when making it fails, as where delivered
// records cannot be removed.
func TestRoomOfFailedAppend(t *testing.T) {
	var failing atomic.Bool
	fault := errors.New("a fault of the test")
	b, err := Open(Options{URLs: []string{serve(t).ClientURL()}, Replicas: 1, MaxSize: 1 << 20, surround: func(subject string, commit func() error) error {
		if failing.Load() && strings.HasPrefix(subject, ofHorizon) {
			return fault
		}
		return commit()
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	keys := 0
	add := func() error {
		keys++
		_, err := b.Append(t.Context(), buffer.Batch{Source: "s", Records: []buffer.Record{{Key: fmt.Sprint(keys), Raw: make([]byte, 300_000)}}})
		return err
	}
	for range 3 { // that nobody wants
		if err := add(); err != nil {
			t.Fatal(err)
		}
	}
	failing.Store(true)
	for range 2 {
		if err := add(); !errors.Is(err, fault) {
			t.Fatal(err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.underway != 0 {
		t.Errorf("%d bytes are still set aside", b.underway)
	}
}

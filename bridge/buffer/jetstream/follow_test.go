package jetstream

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// ended is a feed that the client library has given up.
type ended struct{ jetstream.MessagesContext }

func (ended) Next(...jetstream.NextOpt) (jetstream.Msg, error) {
	return nil, jetstream.ErrMsgIteratorClosed
}
func (ended) Stop() {}

// TestFollowedAgain: a feed that ends while the buffer is open is followed from its beginning again.
func TestFollowedAgain(t *testing.T) {
	b, err := Open(Options{URLs: []string{serve(t).ClientURL()}, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	taken := make(chan uint64, 1)
	b.running.Go(func() {
		b.takeAll(feed{subjects: states + ">", take: func(_ jetstream.Msg, seq uint64) {
			select {
			case taken <- seq:
			default:
			}
		}}, ended{}, 0, make(chan struct{}))
	})
	if first := <-taken; first == 0 {
		t.Error("a state has no number")
	}
}

package control

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// slow is a daemon whose replay goes on until it is told to stop.
type slow struct {
	Daemon
	begun chan struct{}
	ended bool
}

func (d *slow) Replay(ctx context.Context, _ ReplayRequest) (Replay, error) {
	close(d.begun)
	<-ctx.Done()
	d.ended = true
	return Replay{}, ctx.Err()
}

// TestServeEnds: at the end a command that is being answered is told to stop and waited for, and gets an answer.
func TestServeEnds(t *testing.T) {
	dir := t.TempDir()
	d := &slow{begun: make(chan struct{})}
	s, err := Listen(dir, d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		client, err := NewClient(dir)
		if err == nil {
			_, err = client.Replay(t.Context(), ReplayRequest{})
		}
		answer <- err
	}()
	go func() { <-d.begun; cancel() }()
	s.Serve(ctx)
	if !d.ended {
		t.Error("it was not waited for")
	}
	var refusal *Refusal
	if err := <-answer; !errors.As(err, &refusal) || !strings.Contains(err.Error(), "is stopping") {
		t.Errorf("the answer: %v", err)
	}
}

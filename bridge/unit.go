package bridge

import "context"

// unit is a source or a destination that runs in a goroutine of its own.
type unit struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// launch runs a unit until ctx ends or it is stopped.
func launch(ctx context.Context, run func(ctx context.Context)) *unit {
	ctx, cancel := context.WithCancel(ctx)
	u := &unit{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		defer cancel()
		run(ctx)
	}()
	return u
}

// stop ends a unit and waits for it. One that was never launched is nil.
func (u *unit) stop() {
	if u != nil {
		u.cancel()
		<-u.done
	}
}

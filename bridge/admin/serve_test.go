package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// line is a listener in memory that accepts one connection.
type line struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l line) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errors.New("closed")
	}
}
func (l line) Close() error   { close(l.closed); return nil }
func (l line) Addr() net.Addr { return &net.TCPAddr{} }

// TestServeEnds: at the end a request that is being answered gets its answer, and one that takes too long, or never
// comes, is not waited for.
func TestServeEnds(t *testing.T) {
	for name, test := range map[string]struct {
		asks     bool
		takes    time.Duration
		answered bool
	}{"answered": {true, time.Second, true}, "too long": {true, time.Hour, false}, "never asked": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := line{make(chan net.Conn, 1), make(chan struct{})}
				handler := newHandler(Options{Gatherer: prometheus.NewRegistry(), Status: func() Status { <-time.After(test.takes); return Status{} }, Logger: slog.New(slog.DiscardHandler)})
				s := &Server{listener: l, log: slog.New(slog.DiscardHandler), http: &http.Server{Handler: handler}}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan struct{})
				go func() { defer close(served); s.Serve(ctx) }()
				here, there := net.Pipe()
				l.conns <- there
				answer := make(chan string, 1)
				if test.asks {
					go func() {
						_, _ = io.WriteString(here, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
						text, _ := io.ReadAll(here)
						answer <- string(text)
					}()
				}
				synctest.Wait()
				begun := time.Now()
				cancel()
				<-served
				if took := time.Since(begun); took > answerTime {
					t.Errorf("it took %s to end", took)
				}
				if test.asks {
					if got := <-answer; (got != "") != test.answered {
						t.Errorf("the answer: %q", got)
					}
				}
				here.Close()
				<-time.After(test.takes) // a handler cannot be ended
			})
		})
	}
}

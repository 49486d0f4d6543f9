package source

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestConnectionThatDies: a connection on which nothing comes back any more, as after a change of the way there, is given
// up: the request after the one that met it goes over another.
func TestConnectionThatDies(t *testing.T) {
	template := httptest.NewUnstartedServer(nil) // for its certificate
	template.EnableHTTP2 = true
	template.StartTLS()
	certificates := template.TLS.Certificates
	template.Close()
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{accept: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, empty)
		}), TLSConfig: &tls.Config{Certificates: certificates, NextProtos: []string{"h2"}}, ErrorLog: log.New(io.Discard, "", 0)}
		go func() { _ = server.ServeTLS(listener, "", "") }()
		defer server.Close()
		h, err := newHTTP(&Options{})
		if err != nil {
			t.Fatal(err)
		}
		transport := h.Transport.(*http.Transport)
		transport.Proxy = nil
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.DialContext = listener.dial
		get := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), bodyTimeout)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := h.Do(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			if resp.ProtoMajor != 2 {
				t.Errorf("HTTP/%d", resp.ProtoMajor)
			}
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		listener.mute()
		if err := get(); err == nil {
			t.Error("an answer over a connection that is dead")
		}
		if err := get(); err != nil {
			t.Errorf("the next request: %v", err)
		}
		transport.CloseIdleConnections()
		time.Sleep(time.Minute)
	})
}

// pipes is a network in memory whose connections can go dead: what is written to them is lost.
type pipes struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
	mu     sync.Mutex
	all    []*mutedConn
}

type mutedConn struct {
	net.Conn
	muted atomic.Bool
}

func (c *mutedConn) Write(p []byte) (int, error) {
	if c.muted.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	c := &mutedConn{Conn: here}
	p.mu.Lock()
	p.all = append(p.all, c)
	p.mu.Unlock()
	p.accept <- there
	return c, nil
}

func (p *pipes) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		c.muted.Store(true)
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

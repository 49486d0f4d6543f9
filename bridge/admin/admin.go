// Package admin serves the status page, the metrics and the health of a running bridge.
//
//	/         the status page, with plots of the last 24 hours (History) and the newest events
//	/metrics  for Prometheus
//	/healthz  200 while the process answers
//	/readyz   200 when all is well, else 503 with Status.Trouble
//	/status.json, /history.json  what the page shows, for programs
//
// Status is what the page, siembridge status and the support bundle show. Package bridge fills it and this package
// declares it, so that nothing here knows of sources, queues or connections.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options say what to serve, and where.
type Options struct {
	Address   string              // host:port
	TokenFile string              // bearer token that requests have to carry; "": none
	Gatherer  prometheus.Gatherer // what /metrics shows
	Status    func() Status       // asked for each page; any goroutine may call it
	History   *History            // for the plots
	Events    func() []Event      // the newest events; nil: their contents are not shown
	Logger    *slog.Logger        // says when serving ends
}

// Server is the HTTP server.
type Server struct {
	http     *http.Server
	listener net.Listener
	log      *slog.Logger
}

// Listen opens the port; Serve answers on it. The error names the key of the configuration that is wrong.
func Listen(o Options) (*Server, error) {
	handler := newHandler(o)
	if o.TokenFile != "" {
		text, err := os.ReadFile(o.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("admin.token_file: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" {
			return nil, fmt.Errorf("admin.token_file %s is empty; write a token into it", o.TokenFile)
		}
		handler = withToken(token, handler)
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("admin.listen %s: %w; give it another port, or \"\" to do without", o.Address, err)
	}
	return &Server{listener: l, log: o.Logger, http: &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug)}}, nil
}

// answerTime is how long a request that is being answered is waited for at the end.
const answerTime = 2 * time.Second

// Serve answers requests until ctx ends; then those that are being answered, for at most 2 seconds.
func (s *Server) Serve(ctx context.Context) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
		defer cancel()
		if s.http.Shutdown(within) != nil {
			_ = s.http.Close()
		}
	})
	if err := s.http.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the status page is not served any more", "error", err)
	}
	if !stop() {
		<-closed
	}
}

// Close closes a server that does not serve.
func (s *Server) Close() { _ = s.listener.Close() }

func newHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	// Alive as long as it answers: a SIEM that is down is no reason to restart the bridge.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status := o.Status()
		if trouble := status.Trouble(); len(trouble) > 0 {
			http.Error(w, strings.Join(trouble, "\n"), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(o.Status())
	})
	servePage(mux, o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// withToken lets requests through that carry the token.
func withToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, password, ok := r.BasicAuth(); ok && !bearer { // what a browser can ask its user for
			got = password
		}
		sum := sha256.Sum256([]byte(got))
		if subtle.ConstantTimeCompare(sum[:], want[:]) != 1 {
			w.Header().Add("WWW-Authenticate", `Bearer realm="siembridge"`)
			w.Header().Add("WWW-Authenticate", `Basic realm="siembridge"`)
			http.Error(w, "give the token of admin.token_file as Authorization: Bearer, or as the password", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Event is one of the newest events as it was sent.
type Event struct {
	At          time.Time // when it was confirmed
	Source      string    // name of the source
	Destination string    // name of the destination
	Text        string    // with header, without framing
}

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// maxRequest bounds the body of a request in bytes.
const maxRequest = 64 << 10

// Server answers commands.
type Server struct {
	http     *http.Server
	listener net.Listener
	log      *slog.Logger
}

// Listen makes the socket of a state directory, with mode 0600. The caller holds the directory's lock, so a socket
// that is there already was left by a siembridge that was killed.
func Listen(stateDir string, d Daemon, log *slog.Logger) (*Server, error) {
	path, err := socketPath(stateDir)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &Server{listener: l, log: log, http: &http.Server{Handler: handler(d), ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}}, nil
}

// answerTime is how long a command that is being answered is waited for at the end.
const answerTime = 2 * time.Second

// Serve answers until ctx ends, and removes the socket. Then it ends what it was asked and waits for that, for at most 2
// seconds.
func (s *Server) Serve(ctx context.Context) {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
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
		s.log.Error("commands are not answered any more", "error", err)
	}
	if !stop() {
		<-closed
	}
}

func handler(d Daemon) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { reply(w, d.Status(), nil) })
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) { reply(w, d.Log(), nil) })
	mux.Handle("POST /reload", call(func(ctx context.Context, _ struct{}) (Changes, error) { return d.Reload(ctx) }))
	mux.Handle("POST /reconcile", call(d.Reconcile))
	mux.Handle("POST /replay", call(d.Replay))
	mux.Handle("POST /quarantine/list", call(func(context.Context, struct{}) (Quarantine, error) { return d.Quarantined() }))
	mux.Handle("POST /quarantine/show", call(func(_ context.Context, r byID) (QuarantinedRecord, error) { return d.QuarantinedRecord(r.ID) }))
	mux.Handle("POST /quarantine/retry", call(func(_ context.Context, r RetryRequest) (Retries, error) { return d.Retry(r) }))
	return mux
}

// errStopping: what was asked for had not come to its end when the bridge was stopped.
var errStopping = errors.New("siembridge is stopping: ask again when it runs")

// call answers a request whose body is an In with an Out.
func call[In, Out any](f func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&in); err != nil {
			reply(w, nil, fmt.Errorf("the request cannot be read: %w", err))
			return
		}
		out, err := f(r.Context(), in)
		if err != nil && r.Context().Err() != nil {
			err = errStopping
		}
		reply(w, out, err)
	}
}

// reply writes the answer, or the error as a Refusal.
func reply(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			refusal = &Refusal{Problems: []string{err.Error()}}
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		out = refusal
	}
	_ = json.NewEncoder(w).Encode(out)
}

package emulator

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/formats/parse"
)

// Received is one frame as a receiver read it.
type Received struct {
	Frame   []byte         // with its syslog header, without framing; valid during the call only
	Header  syslog.Message // its syslog header taken apart
	Event   *parse.Event   // nil for JSON and for what does not parse
	Err     error          // what is wrong with header or event
	Partial bool           // the connection ended within the frame
	Remote  string         // host:port of the sender
}

// Receiver is a SIEM's syslog listener: it reads frames of any framing from any number of connections, takes them apart
// strictly, and closes its side when the sender has closed his and everything is read, as SIEMs do.
type Receiver struct {
	handle   func(Received)
	listener net.Listener
	conns    sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool
	done bool
}

// Listen starts a receiver at address; config nil means plain TCP. handle is called for one frame at a time. The
// receiver's goroutines end with Close.
func Listen(address string, config *tls.Config, handle func(Received)) (*Receiver, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	var handling sync.Mutex
	r := &Receiver{listener: l, open: map[net.Conn]bool{}, handle: func(got Received) {
		handling.Lock()
		defer handling.Unlock()
		handle(got)
	}}
	r.conns.Go(func() { r.accept(config) })
	return r, nil
}

// Address returns host:port.
func (r *Receiver) Address() string { return r.listener.Addr().String() }

func (r *Receiver) accept(config *tls.Config) {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		if !r.track(c) {
			c.Close()
			return
		}
		r.conns.Go(func() {
			defer r.untrack(c)
			stream := c
			if config != nil {
				stream = tls.Server(c, config)
			}
			r.read(stream)
			stream.Close()
		})
	}
}

func (r *Receiver) track(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.done {
		r.open[c] = true
	}
	return !r.done
}

func (r *Receiver) untrack(c net.Conn) {
	r.mu.Lock()
	delete(r.open, c)
	r.mu.Unlock()
	c.Close()
}

// read reads frames to the end of the sender's side.
func (r *Receiver) read(c net.Conn) {
	scanner := syslog.NewScanner(c, 0)
	for {
		frame, err := scanner.Next()
		switch {
		case err == nil:
			got := Inspect(frame)
			got.Remote = c.RemoteAddr().String()
			r.handle(got)
		case errors.Is(err, syslog.ErrFrameTooLong):
			r.handle(Received{Frame: frame, Err: err, Remote: c.RemoteAddr().String()})
		case errors.Is(err, io.ErrUnexpectedEOF) && len(frame) > 0:
			r.handle(Received{Frame: frame, Err: err, Partial: true, Remote: c.RemoteAddr().String()})
			return
		default:
			return
		}
	}
}

// Inspect takes one frame apart.
func Inspect(frame []byte) Received {
	got := Received{Frame: frame}
	if got.Header, got.Err = syslog.Parse(frame); got.Err != nil {
		return got
	}
	payload := string(got.Header.Payload)
	switch {
	case strings.HasPrefix(payload, "LEEF:"):
		got.Event, got.Err = parse.LEEF(payload)
	case strings.HasPrefix(payload, "CEF:"):
		got.Event, got.Err = parse.CEF(payload)
	case strings.HasPrefix(payload, "{"):
	default:
		got.Err = errors.New("neither LEEF, CEF nor JSON")
	}
	return got
}

// Close stops listening, cuts the connections and waits for their ends.
func (r *Receiver) Close() {
	r.mu.Lock()
	r.done = true
	for c := range r.open {
		c.Close()
	}
	r.mu.Unlock()
	r.listener.Close()
	r.conns.Wait()
}

// Drain stops listening and waits until every connection has been read to its end. The senders have to end them.
func (r *Receiver) Drain() {
	r.listener.Close()
	r.conns.Wait()
}

// Kill ends all connections as a killed process would: with RST where something was not read.
func (r *Receiver) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.Close()
	}
}

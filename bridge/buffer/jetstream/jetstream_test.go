package jetstream

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/buffertest"
)

// serve starts a server in this process that lives as long as the test.
func serve(t testing.TB) *server.Server { return serveWith(t, &server.Options{}) }

func serveWith(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.JetStream, o.NoSigs, o.NoLog = "127.0.0.1", true, true, true
	if o.Port == 0 {
		o.Port = -1
	}
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

// serveAt starts a server that was shut down again, on the same port.
func serveAt(t *testing.T, dir, address string) *server.Server {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return serveWith(t, &server.Options{StoreDir: strings.TrimSuffix(dir, "/jetstream"), Port: n})
}

// store gives a way to open a buffer on a server of its own.
func store(t *testing.T) buffertest.Open { return on(serve(t), false) }

// on gives a way to open a buffer on a server.
func on(s *server.Server, memory bool) buffertest.Open {
	return func(o buffertest.Options) (buffer.Buffer, error) {
		b, err := Open(Options{URLs: []string{s.ClientURL()}, Replicas: 1, MaxSize: o.MaxSize, Retain: o.Retain, Now: o.Now, memory: memory})
		if err != nil {
			return nil, err
		}
		return b, nil
	}
}

func TestConformance(t *testing.T) { buffertest.Run(t, store) }

// TestModel has one server for all runs of the model, since a test's servers live as long as it does.
func TestModel(t *testing.T) {
	s := serve(t)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	buffertest.Model(t, func(t *testing.T) buffertest.Open {
		if err := js.DeleteStream(t.Context(), StreamName); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Fatal(err)
		}
		return on(s, true)
	})
}

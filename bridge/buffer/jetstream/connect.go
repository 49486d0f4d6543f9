package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connectTime is how long a start waits for a server to be there.
const connectTime = 10 * time.Second

// connect connects to the servers. The connection is kept up for ever after.
func (b *Buffer) connect(ctx context.Context) (err error) {
	options := []nats.Option{
		nats.Name("siembridge " + b.o.Host),
		nats.Timeout(5 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 500*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ReconnectBufSize(-1), // what cannot be sent now is not sent later, when others may hold what we held
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.setAway("disconnected", err)
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			b.log.Info("connected to JetStream again", "server", c.ConnectedUrlRedacted())
			b.poke()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("a JetStream server reports an error", "error", err)
		}),
	}
	if b.o.CredentialsFile != "" {
		options = append(options, nats.UserCredentials(b.o.CredentialsFile))
	}
	if b.o.CAFile != "" {
		options = append(options, nats.RootCAs(b.o.CAFile))
	}
	if b.o.CertFile != "" {
		options = append(options, nats.ClientCert(b.o.CertFile, b.o.KeyFile))
	}
	servers := ""
	for i, u := range b.o.URLs {
		if i > 0 {
			servers += ","
		}
		servers += u
	}
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		b.nc, err = nats.Connect(servers, options...)
		if !errors.Is(err, nats.ErrNoServers) || time.Since(begun) > connectTime {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("the JetStream servers %s cannot be reached: %w; check buffer.jetstream, and that they run", b.servers(), err)
	}
	b.js, err = jetstream.New(b.nc)
	return err
}

// stream makes the stream, or brings one that is there up to date with the configuration. A cluster that has no leader
// yet is waited for.
func (b *Buffer) stream(ctx context.Context) error {
	want := jetstream.StreamConfig{
		Name: StreamName, Description: "siembridge: records, keys and positions", Subjects: []string{prefix + ">"},
		Storage: jetstream.FileStorage, Replicas: max(1, b.o.Replicas), MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
		AllowAtomicPublish: true, AllowMsgTTL: true, AllowDirect: true,
		Duplicates: time.Minute, // unused: what is expected of a subject says more than a message id
	}
	if b.o.memory {
		want.Storage = jetstream.MemoryStorage
	}
	return patiently(ctx, func() error { return b.makeStream(ctx, want) })
}

// patiently tries until the servers answer or ctx ends: a cluster that has just started, or lost a server, is without a
// leader for some seconds.
func patiently(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil || !errors.Is(err, ErrAway) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (b *Buffer) makeStream(ctx context.Context, want jetstream.StreamConfig) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	s, err := b.js.Stream(ctx, StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = b.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return fmt.Errorf("%w (another instance makes the stream)", ErrAway)
		}
		if err != nil {
			return fmt.Errorf("stream %s cannot be made on %s with %d replicas: %w; it needs nats-server 2.12 or newer with JetStream on as many servers as buffer.jetstream.replicas says",
				StreamName, b.servers(), want.Replicas, b.explain(err))
		}
		return nil
	}
	if err != nil {
		return b.explain(err)
	}
	is := s.CachedInfo().Config
	if !slices.Equal(is.Subjects, want.Subjects) || is.MaxMsgsPerSubject != 1 {
		return fmt.Errorf("the servers have a stream named %s that siembridge did not make; give siembridge an account of its own", StreamName)
	}
	if is.Replicas == want.Replicas && is.AllowAtomicPublish && is.AllowMsgTTL && is.AllowDirect {
		return nil
	}
	b.log.Info("the stream gets another number of replicas", "before", is.Replicas, "now", want.Replicas)
	is.Replicas, is.AllowAtomicPublish, is.AllowMsgTTL, is.AllowDirect = want.Replicas, true, true, true
	_, err = b.js.UpdateStream(ctx, is)
	if err != nil {
		return fmt.Errorf("stream %s cannot be given %d replicas: %w", StreamName, want.Replicas, b.explain(err))
	}
	return nil
}

// setAway notes that the servers do not answer, and says so once.
func (b *Buffer) setAway(what string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if err != nil {
		what += ": " + err.Error()
	}
	if b.away.IsZero() {
		b.away = time.Now()
		b.log.Warn("the JetStream servers do not answer: pulling and delivery wait for them; nothing is lost", "cause", what)
	}
	b.awayCause = what
}

// setBack notes that they do.
func (b *Buffer) setBack() {
	if b.away.IsZero() {
		return
	}
	b.log.Info("the JetStream servers answer again", "after", time.Since(b.away).Round(time.Millisecond))
	b.away, b.awayCause = time.Time{}, ""
}

package emulator

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"github.com/siembridge/siembridge/bridge/transport"
)

// Network is a network in memory whose receivers treat a connection as Linux does: bytes lie in a receive buffer until
// the program reads them, a close with unread bytes is a reset, one without is FIN, and a stopped program's TCP goes on
// answering until its buffer is full. It has no clock of its own, so it runs in a testing/synctest bubble.
type Network struct {
	mu    sync.Mutex
	peers map[string]*Peer
}

// NewNetwork returns a network without receivers.
func NewNetwork() *Network { return &Network{peers: map[string]*Peer{}} }

// Close ends all receivers; what they do is over a minute later.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.peers {
		p.up, p.stopped = false, false
		for c := range p.conns {
			c.shut()
		}
		p.change.Broadcast()
	}
}

// Listen makes a receiver exist.
func (n *Network) Listen(address string, o PeerOptions) *Peer {
	if o.Buffer == 0 {
		o.Buffer = 64 << 10
	}
	p := &Peer{n: n, address: address, o: o, up: true, conns: map[*pipe]bool{}, rest: map[*pipe][]byte{}}
	p.change = sync.NewCond(&n.mu)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers[address] = p
	return p
}

// Dial connects to a receiver; resolved is ignored but for being the address of an earlier connection.
func (n *Network) Dial(ctx context.Context, address, resolved string) (*Pipe, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	p := n.peers[address]
	switch {
	case p == nil || !p.up && !p.silent || p.up && p.o.OneAtATime && len(p.conns) > 0:
		n.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", address, syscall.ECONNREFUSED)
	case p.silent:
		n.mu.Unlock()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	defer n.mu.Unlock()
	c := &pipe{peer: p, ended: make(chan transport.End, 1)}
	p.conns[c] = true
	go p.serve(c) // ends with the connection
	return &Pipe{c}, nil
}

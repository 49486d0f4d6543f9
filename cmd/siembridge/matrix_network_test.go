//go:build matrix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// Addresses in every cell's network.
const (
	senderAddress   = "10.77.1.2"
	receiverAddress = "10.77.2.2"
	receiverPort    = "6514"
)

// cellNetwork is three machines made of network namespaces: a sender's, a router, a receiver's. The router drops packets or
// answers for the receiver, and the receiver's machine can be replaced by one that knows of no connection. It needs
// root and iproute2.
type cellNetwork struct {
	t      *testing.T
	id     string
	booted int // receiver's machines so far
}

var networks atomic.Int64

func newCellNetwork(t *testing.T) *cellNetwork {
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	n := &cellNetwork{t: t, id: fmt.Sprintf("siembridge-%d-%d-", os.Getpid(), networks.Add(1))}
	n.addMachine(n.sender())
	n.addMachine(n.router())
	n.connect(n.sender(), "1")
	n.forward(true)
	n.boot()
	return n
}

func (n *cellNetwork) sender() string   { return n.id + "sender" }
func (n *cellNetwork) router() string   { return n.id + "router" }
func (n *cellNetwork) receiver() string { return fmt.Sprintf("%sreceiver%d", n.id, n.booted) }

func (n *cellNetwork) addMachine(name string) {
	n.ip("netns add %s", name)
	n.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() }) // a replaced one is gone already
	n.ip("-n %s link set lo up", name)
}

// connect lays a cable from a machine to the router: 10.77.subnet.2 to 10.77.subnet.1.
func (n *cellNetwork) connect(machine, subnet string) {
	n.ip("-n %s link add eth0 type veth peer name to%s netns %s", machine, subnet, n.router())
	n.ip("-n %s addr add 10.77.%s.2/24 dev eth0", machine, subnet)
	n.ip("-n %s addr add 10.77.%s.1/24 dev to%s", n.router(), subnet, subnet)
	n.ip("-n %s link set eth0 up", machine)
	n.ip("-n %s link set to%s up", n.router(), subnet)
	n.ip("-n %s route add default via 10.77.%s.1", machine, subnet)
}

// forward makes the router pass packets on, or drop all of them without a word: a black hole.
func (n *cellNetwork) forward(on bool) {
	value := "0"
	if on {
		value = "1"
	}
	if out, err := n.command(n.router(), "sh", "-c", "echo "+value+" >/proc/sys/net/ipv4/ip_forward").CombinedOutput(); err != nil {
		n.t.Fatalf("the router: %v\n%s", err, out)
	}
}

// resetting makes the router answer the sender's packets itself, as a middlebox that has lost its table: with RST.
func (n *cellNetwork) resetting(on bool) {
	verb := "del"
	if on {
		verb = "add"
	}
	n.ip("-n %s addr %s %s/32 dev lo", n.router(), verb, receiverAddress)
}

// boot replaces the receiver's machine by one with the same address that knows of no connection.
func (n *cellNetwork) boot() {
	if n.booted > 0 {
		n.ip("netns del %s", n.receiver())
	}
	n.booted++
	n.addMachine(n.receiver())
	n.connect(n.receiver(), "2")
}

// unplug takes the receiver's cable away: nothing that its kernel still says gets out.
func (n *cellNetwork) unplug() { n.ip("-n %s link del to2", n.router()) }

// command prepares a command on a machine. ip replaces itself by it, so it is the process that is started.
func (n *cellNetwork) command(machine, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", machine, name}, args...)...)
}

func (n *cellNetwork) ip(format string, args ...any) {
	n.t.Helper()
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v\n%s", line, err, out)
	}
}

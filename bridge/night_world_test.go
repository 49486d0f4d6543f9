package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer/disk/vfs/faultfs"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/transport"
)

// world is all that there is in a simulated night.
type world struct {
	t         *testing.T
	dir       string
	random    *rand.Rand // of the script; faults has its own, since goroutines draw from it in any order
	calm      bool       // no faults
	harm      bool       // files are damaged while the bridge does not run
	generator *emulator.Generator
	tenant    *emulator.Tenant
	net       *emulator.Network
	peers     []*siem
	hosts     []*host // of all of them
	config    *config.Config
	log       *slog.Logger

	records []*entry

	bridge *Bridge
	cancel context.CancelFunc
	ended  chan struct{}
	store  *faultfs.Disk

	mu       sync.Mutex
	faults   *rand.Rand
	lost     float64          // share of requests that get no answer: half of them reach the server
	wire     float64          // share of dials, writes and half-closes that fail, half of them happen
	disk     float64          // share of steps on the disk that fail, half of them happen
	doom     int              // so many steps on the disk until the bridge dies; 0: it lives on
	commits  []faultfs.Effect // what becomes of the next commits; then chance decides
	gone     bool             // the bridge is dead: nothing of it reaches anything any more
	conns    []*conn
	restarts int
}

// entry is a record of the tenant in its present state.
type entry struct {
	api    string
	record emulator.Record
	state  string
}

// siem is a destination: one receiver, or two of which the second serves while the first is away.
type siem struct {
	hosts []*host
	name  string
	limit int  // rate_limit
	drops bool // overflow = "drop-oldest"
	seen  map[string]int
	size  map[string]int

	sent         []time.Time // each event's time, of the last second; guarded by world.mu
	acknowledges bool        // the bridge went by TCP's acknowledgement once; the same
	recalls      int         // restarts since
	away         bool        // the last dial failed
	refusals     int         // dials that failed after one that did not
}

// host is a receiver.
type host struct {
	*emulator.Peer
	address string
	read    int // lines looked at
}

// conn is a connection of the bridge, which remembers how it ended.
type conn struct {
	*emulator.Pipe
	w     *world
	to    *siem
	ended chan transport.End

	mu    sync.Mutex
	half  bool
	over  bool // it has ended
	clean bool // FIN in answer to a half-close
	given bool // up by the bridge, which had sent nothing on it
}

var nightAPIs = []string{"graph-alerts", "alerts", "detections"}

func newWorld(t *testing.T, dir string, seed uint64) *world {
	w := &world{t: t, dir: dir, random: rand.New(rand.NewPCG(seed, 1)), faults: rand.New(rand.NewPCG(seed, 2)),
		generator: emulator.NewGenerator(seed, false), tenant: emulator.NewTenant(seed), net: emulator.NewNetwork()}
	w.calm, w.harm = seed%8 == 0, seed%8 == 1
	w.log = slog.New(slog.DiscardHandler)
	if *night > 0 {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w.tenant.SeedRefresh("seed-of-the-chain")
	for _, name := range []string{"qradar", "arcsight"} {
		p := &siem{name: name, seen: map[string]int{}, size: map[string]int{}}
		if w.random.IntN(4) == 0 {
			p.limit = 3 + w.random.IntN(100)
		}
		for i := range 1 + w.random.IntN(3)/2 {
			o := emulator.PeerOptions{Buffer: 1 << (12 + w.random.IntN(9)), Slow: w.pick0(0, 0, time.Millisecond, 10*time.Millisecond),
				Storing: w.pick0(0, 0, time.Millisecond, 5*time.Millisecond), RoundTrip: w.pick0(0, 30*time.Millisecond, 200*time.Millisecond)}
			address := fmt.Sprintf("%s-%d:514", name, i+1)
			h := &host{Peer: w.net.Listen(address, o), address: address}
			p.hosts, w.hosts = append(p.hosts, h), append(w.hosts, h)
		}
		w.peers = append(w.peers, p)
	}
	w.config = w.configuration()
	return w
}

// pick draws a time up to one of those given; pick0 one of those given.
func (w *world) pick(of ...time.Duration) time.Duration {
	return time.Duration(w.random.Int64N(int64(of[w.random.IntN(len(of))]))) + time.Millisecond
}
func (w *world) pick0(of ...time.Duration) time.Duration { return of[w.random.IntN(len(of))] }

func (w *world) pass(d time.Duration) { <-time.After(d) }

func (w *world) say(what string, args ...any) {
	w.log.Debug("night: " + fmt.Sprint(append([]any{what}, args...)...))
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) configuration() *config.Config {
	var text bytes.Buffer
	small := w.random.IntN(3) == 0
	fmt.Fprintf(&text, "state_dir = %q\n[admin]\nlisten = \"\"\n", filepath.Join(w.dir, "state"))
	seed := filepath.Join(w.dir, "refresh")
	if err := os.WriteFile(seed, []byte("seed-of-the-chain"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	first := w.random.IntN(len(nightAPIs))
	for i, api := range []string{nightAPIs[first], nightAPIs[(first+1)%len(nightAPIs)]} {
		auth := "client_secret = \"" + w.tenant.Secret + "\""
		if i == 0 && w.random.IntN(2) == 0 {
			auth += "\nauth = \"refresh-token\"\nrefresh_token_file = \"" + seed + "\""
		}
		fmt.Fprintf(&text, "[[source]]\nname = %q\napi = %q\nendpoint = \"http://127.0.0.1%s\"\ntoken_url = \"http://127.0.0.1%s\"\ntenant_id = %q\nclient_id = %q\n%s\nstart = \"-1h\"\nlookback = \"10m\"\npoll_interval = \"%ds\"\n",
			api, api, emulator.Endpoint(api), w.tenant.TokenPath(api), w.tenant.ID, w.tenant.ClientID, auth, 20+w.random.IntN(100))
	}
	for _, p := range w.peers {
		fmt.Fprintf(&text, "[[destination]]\nname = %q\ntype = %q\ntransport = \"tcp\"\naddress = [%s]\nhostname = \"night\"\nconfirm_bytes = \"%dKiB\"\nconfirm_timeout = \"%s\"\nrate_limit = %d\n",
			p.name, p.name, p.addresses(), 64<<w.random.IntN(3), w.pick0(2*time.Second, 30*time.Second), p.limit)
		if p.drops = small && w.random.IntN(2) == 0; p.drops {
			text.WriteString("overflow = \"drop-oldest\"\n")
		}
	}
	c, err := config.Parse("night.toml", text.String())
	if err != nil {
		w.t.Fatal(err)
	}
	if small {
		c.Buffer.MaxSize = 192 << 10 // full within minutes: pulling waits, or records are dropped
	}
	return c
}

func (p *siem) addresses() string {
	var all []string
	for _, h := range p.hosts {
		all = append(all, strconv.Quote(h.address))
	}
	return strings.Join(all, ", ")
}

// start runs a bridge on the state directory, again when it dies or fails while it starts.
func (w *world) start() {
	for try := 0; ; try++ {
		if try > 100 {
			w.t.Fatal("the bridge does not start")
		}
		index := filepath.Join(w.config.StateDir, "buffer", "index.db")
		w.store = &faultfs.Disk{Index: index, Decide: w.decide}
		w.set(func() { w.gone = false })
		b, err := New(w.config, Options{Logger: w.log, Version: "night", HTTP: roundTripper{w}, Dial: w.dial, FS: w.store, Commit: w.store.Commit})
		if err != nil {
			w.say("start", err)
			w.loseWhatDies()
			continue
		}
		w.bridge, w.ended = b, make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		w.cancel = cancel
		go func() {
			defer close(w.ended)
			if err := b.Run(ctx); err != nil {
				w.say("run", err)
			}
		}()
		return
	}
}

// stop ends the bridge, as SIGTERM does if it is alive.
func (w *world) stop() {
	w.cancel()
	<-w.ended
	status := w.bridge.Status()
	w.set(func() {
		w.restarts++
		for i, p := range w.peers {
			p.sent = nil // the next run has not sent anything
			if p.acknowledges = p.acknowledges || status.Destinations[i].Confirm == "ack"; p.acknowledges {
				p.recalls++
			}
		}
		for _, c := range w.conns {
			c.Close()
		}
	})
	w.loseWhatDies()
	if w.harm && w.random.IntN(2) == 0 {
		w.damage()
	}
}

// loseWhatDies takes the power away from a disk that died, half of the time.
func (w *world) loseWhatDies() {
	if w.store.Dead() && w.random.IntN(2) == 0 {
		if err := w.store.PowerLoss(w.random); err != nil {
			w.t.Fatal(err)
		}
	}
}

// restartIfDead starts the bridge again when its disk has died under it, or when it has ended by itself, as it does when
// its index turns out damaged.
func (w *world) restartIfDead() {
	ended := false
	select {
	case <-w.ended:
		ended = true
	default:
	}
	if ended || w.store.Dead() {
		w.say("dead", w.store)
		w.stop()
		w.start()
	}
}

// decide draws what becomes of a step on the disk.
func (w *world) decide(_ int, name string) (effect faultfs.Effect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == "commit" && len(w.commits) > 0 {
		effect, w.commits = w.commits[0], w.commits[1:]
		return effect
	}
	if w.doom > 0 {
		if w.doom--; w.doom == 0 {
			w.gone = true
			for _, c := range w.conns {
				go c.Close() // as its system does; not under the disk's lock
			}
			return faultfs.Dies + faultfs.Effect(w.faults.IntN(3))
		}
	}
	if w.faults.Float64() < w.disk {
		return faultfs.Fails + faultfs.Effect(w.faults.IntN(2))
	}
	return faultfs.Works
}

// appear puts records into the tenant, some of which show late.
func (w *world) appear(n int) {
	for range n {
		api := w.config.Sources[w.random.IntN(2)].API
		now := time.Now()
		state := fmt.Sprintf("state-%d", len(w.records))
		r := w.generator.Record(api, now).Revise(api, now, state)
		if w.random.IntN(3) == 0 {
			r.Visible = now.Add(w.pick(time.Second, time.Minute, 8*time.Minute))
		}
		w.records = append(w.records, &entry{api, r, state})
		w.tenant.Add(api, r)
	}
}

// revise changes records.
func (w *world) revise(n int) {
	for range n {
		if len(w.records) == 0 {
			return
		}
		w.pass(time.Millisecond)
		i := w.random.IntN(len(w.records))
		e := w.records[i]
		e.state += "x"
		e.record = e.record.Revise(e.api, time.Now(), e.state)
		w.tenant.Add(e.api, e.record)
	}
}

// heal ends all faults.
func (w *world) heal() {
	w.say("heal")
	w.tenant.SetFaults(emulator.Faults{})
	w.set(func() { w.lost, w.wire, w.disk, w.doom = 0, 0, 0, 0 })
	for _, h := range w.hosts {
		h.Start()
	}
	w.restartIfDead()
}

// end stops everything, so that nothing is left in the bubble.
func (w *world) end() {
	w.cancel()
	<-w.ended
	w.net.Close()
	w.pass(time.Hour)
}

var stateOf = regexp.MustCompile(`state-\d+x*`)

// read looks at what a receiver has stored meanwhile.
func (p *siem) look(t *testing.T) {
	for _, h := range p.hosts {
		lines := h.Lines()
		for ; h.read < len(lines); h.read++ {
			line := lines[h.read]
			state := stateOf.Find(line)
			if got := emulator.Inspect(line); got.Err != nil || got.Event == nil || state == nil {
				t.Errorf("%s: malformed: %v\n%q", p.name, got.Err, line)
				continue
			}
			p.seen[string(state)]++
			p.size[string(state)] = len(line) + 1
		}
	}
}

// missing counts the records whose last state a destination does not have, but for as many as were dropped.
func (w *world) missing(p *siem, dropped uint64) (n int, first string) {
	p.look(w.t)
	for _, e := range w.records {
		if p.seen[e.state] == 0 {
			if n++; n == 1 {
				first = e.api + " " + e.state
			}
		}
	}
	return max(0, n-int(dropped)), first
}

// dropped is how many records the bridge says it has dropped at a destination.
func (w *world) dropped(p *siem) uint64 {
	for _, d := range w.bridge.Status().Destinations {
		if d.Name == p.name {
			return d.Dropped
		}
	}
	return 0
}

// wait lets time pass until everything has arrived and is released.
func (w *world) wait(most time.Duration) {
	for end := time.Now().Add(most); ; {
		left := int64(0)
		for _, p := range w.peers {
			n, _ := w.missing(p, w.dropped(p))
			left += int64(n)
		}
		for _, d := range w.bridge.Status().Destinations {
			left += d.Pending
		}
		if left == 0 {
			w.pass(time.Minute)
			return
		}
		if time.Now().After(end) {
			w.t.Errorf("after %s %d records are missing or not confirmed: %+v", most, left, w.bridge.Status())
			return
		}
		w.pass(10 * time.Second)
		w.restartIfDead()
	}
}

// check holds what the receivers have against what there was.
func (w *world) check() {
	for _, p := range w.peers {
		dropped := w.dropped(p)
		if dropped > 0 && !p.drops {
			w.t.Errorf("%s: %d records were dropped, although overflow is block", p.name, dropped)
		}
		if n, first := w.missing(p, dropped); n > 0 {
			w.t.Errorf("%s: %d of %d records are missing, the first is %s", p.name, n, len(w.records), first)
		}
		repeated := 0
		for state, n := range p.seen {
			repeated += (n - 1) * p.size[state]
		}
		if allowed := w.explained(p); repeated > allowed && !w.harm {
			w.t.Errorf("%s: %d bytes came again, unclean ends and restarts explain %d", p.name, repeated, allowed)
		}
	}
}

// tail of a confirmed connection in bytes, that is sent again when the next connection does not live.
const tail = 256 << 10

// recalled is what the start of the bridge may send again at a destination that went by TCP's acknowledgement.
const recalled = 1 << 20

// explained is how many bytes may have come again at a destination.
func (w *world) explained(p *siem) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n = w.restarts*2*tail + p.recalls*recalled // confirmed and not released on disk
	n += p.refusals * tail                     // which waited for the next connection to live
	for _, c := range w.conns {
		c.mu.Lock()
		if c.to == p && !c.clean {
			n += int(c.Written())
			if !c.given {
				n += tail
			}
		}
		c.mu.Unlock()
	}
	return n
}

// at returns the destination that an address belongs to.
func (w *world) at(address string) *siem {
	for _, p := range w.peers {
		if slices.ContainsFunc(p.hosts, func(h *host) bool { return h.address == address }) {
			return p
		}
	}
	panic("there is nothing at " + address)
}

// dial connects the bridge to a receiver; a dead one reaches none.
func (w *world) dial(ctx context.Context, address, resolved string) (delivery.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	w.mu.Lock()
	gone := w.gone
	before, behind := w.fails()
	w.mu.Unlock()
	to := w.at(address)
	pipe, err := (*emulator.Pipe)(nil), errors.New("no route to host")
	if !gone && !before {
		if pipe, err = w.net.Dial(ctx, address, resolved); err == nil && behind {
			pipe.Close() // it is there, and nobody hears of it
			err = errors.New("timed out")
		}
	}
	w.set(func() {
		if err != nil && !to.away {
			to.refusals++
		}
		to.away = err != nil
	})
	if err != nil {
		return nil, &transport.DialError{Address: address, What: err.Error(), Remedy: "Check it", Err: err}
	}
	c := &conn{Pipe: pipe, w: w, to: to, ended: make(chan transport.End, 1)}
	w.set(func() { w.conns = append(w.conns, c) })
	go func() { // ends with the connection
		end := <-pipe.Ended()
		c.mu.Lock()
		c.over, c.clean = true, c.half && end.Kind == transport.EndFIN
		c.mu.Unlock()
		c.ended <- end
	}()
	return c, nil
}

// Ended implements delivery.Conn.
func (c *conn) Ended() <-chan transport.End { return c.ended }

// fails draws whether a step on the wire fails before it happens, or behind. w.mu is held.
func (w *world) fails() (before, behind bool) {
	if w.faults.Float64() >= w.wire {
		return false, false
	}
	before = w.faults.IntN(2) == 0
	return before, !before
}

// Write implements delivery.Conn. It notes how fast events go out.
func (c *conn) Write(b []byte) (int, error) {
	c.w.mu.Lock()
	before, behind := c.w.fails()
	c.w.rate(c.to, bytes.Count(b, []byte{'\n'}))
	c.w.mu.Unlock()
	if before {
		c.Pipe.Close()
		return 0, syscall.ECONNABORTED
	}
	n, err := c.Pipe.Write(b)
	if behind {
		c.Pipe.Close()
		return 0, syscall.ECONNABORTED
	}
	return n, err
}

// rate holds the events of a second against rate_limit, whose bucket may be full when it begins. w.mu is held.
func (w *world) rate(p *siem, events int) {
	if p.limit == 0 {
		return
	}
	now := time.Now()
	for range events {
		p.sent = append(p.sent, now)
	}
	for now.Sub(p.sent[0]) >= time.Second {
		p.sent = p.sent[1:]
	}
	if most := p.limit + max(1, p.limit/10) + 1; len(p.sent) > most {
		w.t.Errorf("%s: %d events within a second, rate_limit is %d", p.name, len(p.sent), p.limit)
	}
}

// HalfClose implements delivery.Conn.
func (c *conn) HalfClose() error {
	c.w.mu.Lock()
	before, behind := c.w.fails()
	c.w.mu.Unlock()
	if before {
		c.Pipe.Close()
		return syscall.ECONNABORTED
	}
	c.mu.Lock()
	c.half = !behind
	c.mu.Unlock()
	if err := c.Pipe.HalfClose(); err != nil || !behind {
		return err
	}
	return syscall.ECONNABORTED
}

// Close implements delivery.Conn. A connection that carried nothing and is closed by the bridge explains nothing; one
// that the receiver ended explains that the tail before it came again.
func (c *conn) Close() {
	c.mu.Lock()
	c.given = c.given || !c.over && c.Written() == 0
	c.mu.Unlock()
	c.Pipe.Close()
}

// damage changes a file of the buffer in a way that no crash does: bits, a page of nothing, an end that is missing, or
// the whole of it. What it held comes again from the tenant.
func (w *world) damage() {
	files, _ := filepath.Glob(filepath.Join(w.config.StateDir, "buffer", "log", "*.log"))
	files = append(files, filepath.Join(w.config.StateDir, "buffer", "index.db"))
	path := files[w.random.IntN(len(files))]
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return // gone already
	}
	at := w.random.IntN(len(text))
	how := w.random.IntN(4)
	switch how {
	case 0:
		text[at] ^= 1 << w.random.IntN(8)
	case 1:
		clear(text[at:min(at+4096, len(text))])
	case 2:
		text = text[:at]
	case 3:
		text = nil
	}
	w.say("damage", how, at, path)
	if how == 3 {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// roundTripper carries requests to the tenant.
type roundTripper struct{ w *world }

// RoundTrip loses some requests before the server, some answers behind it, and lets some wait for nothing.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	w := r.w
	w.mu.Lock()
	gone, lost := w.gone, w.faults.Float64() < w.lost
	how, latency := w.faults.IntN(4), time.Duration(w.faults.IntN(800))*time.Millisecond
	w.mu.Unlock()
	select {
	case <-time.After(latency):
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
	switch {
	case gone, lost && how == 0:
		return nil, errors.New("connection refused")
	case lost && how == 1:
		<-request.Context().Done() // a black hole; the client's time-out ends it
		return nil, request.Context().Err()
	}
	response, err := serve(w.tenant, request)
	if lost && err == nil { // it was served, and nobody hears of it
		return nil, io.ErrUnexpectedEOF
	}
	return response, err
}

//go:build peers

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/siembridge/siembridge/bridge/bench/peers"
	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/syslog"
	"github.com/siembridge/siembridge/formats/parse"
)

// peerReceiver keeps all bytes while a program sends, and reads them afterwards: comparing takes more than sending. It
// shares the cores with the program, so that it does nothing but receive: into memory that is there before.
type peerReceiver struct {
	r        *peerRun
	secure   *tls.Config
	listener net.Listener
	conns    sync.WaitGroup

	mu          sync.Mutex
	streams     []*stream // of each connection
	began, last time.Time // first and last byte
	open        []net.Conn
}

// newPeerReceiver picks a port; listen opens it.
func newPeerReceiver(r *peerRun) *peerReceiver {
	p := &peerReceiver{r: r}
	if *peersTransport == "tls" {
		ca, err := emulator.NewCA()
		if err != nil {
			r.t.Fatal(err)
		}
		if p.secure, err = ca.Server(); err != nil {
			r.t.Fatal(err)
		}
		r.setup.CA = r.in("ca.pem")
		if err := os.WriteFile(r.setup.CA, ca.PEM(), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	p.bind("127.0.0.1:0")
	_, r.setup.Port, _ = net.SplitHostPort(p.listener.Addr().String())
	if *peersOutage {
		p.listener.Close()
	}
	return p
}

func (p *peerReceiver) bind(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		p.r.t.Fatal(err)
	}
	p.listener = l
}

func (p *peerReceiver) listen() {
	if *peersOutage {
		p.bind("127.0.0.1:" + p.r.setup.Port)
	}
	l := p.listener
	p.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if p.secure != nil {
				c = tls.Server(c, p.secure)
			}
			s := &stream{}
			p.mu.Lock()
			p.streams, p.open = append(p.streams, s), append(p.open, c)
			p.mu.Unlock()
			p.conns.Go(func() { p.read(c, s) })
		}
	})
}

func (p *peerReceiver) read(c net.Conn, s *stream) {
	defer c.Close()
	for {
		n, err := c.Read(s.room(p.r.memory))
		if n > 0 {
			s.read(n)
			p.mu.Lock()
			p.last = time.Now()
			if p.began.IsZero() {
				p.began = p.last
			}
			p.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// stream is what one connection brought, in blocks.
type stream struct {
	blocks [][]byte
	last   int // bytes in the last block
}

// room returns the rest of the last block, or a new one.
func (s *stream) room(m *blocks) []byte {
	if n := len(s.blocks); n > 0 && s.last < blockBytes {
		return s.blocks[n-1][s.last:]
	}
	s.blocks, s.last = append(s.blocks, m.take()), 0
	return s.blocks[len(s.blocks)-1]
}

func (s *stream) read(n int) { s.last += n }

// reader returns the bytes from the beginning.
func (s *stream) reader() io.Reader {
	var parts []io.Reader
	for i, b := range s.blocks {
		if i == len(s.blocks)-1 {
			b = b[:s.last]
		}
		parts = append(parts, bytes.NewReader(b))
	}
	return io.MultiReader(parts...)
}

const blockBytes = 128 << 10

// blocks is the receivers' memory, which all turns use again.
type blocks struct {
	mu   sync.Mutex
	free [][]byte
}

// newBlocks takes so many bytes of memory from the system.
func newBlocks(bytes int) *blocks {
	m := &blocks{}
	for range bytes / blockBytes {
		b := make([]byte, blockBytes)
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
		m.free = append(m.free, b)
	}
	return m
}

func (m *blocks) take() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.free)
	if n == 0 {
		return make([]byte, blockBytes)
	}
	b := m.free[n-1]
	m.free = m.free[:n-1]
	return b
}

func (m *blocks) give(streams []*stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range streams {
		m.free = append(m.free, s.blocks...)
	}
}

func (p *peerReceiver) times() (began, last time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.began, p.last
}

// quiet fires when nothing has arrived for a while after something had.
func (p *peerReceiver) quiet() <-chan time.Time {
	fired := make(chan time.Time, 1)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		waiting := time.Now()
		for {
			<-tick.C
			_, last := p.times()
			if last.IsZero() && time.Since(waiting) > time.Minute || !last.IsZero() && time.Since(last) > quiet {
				fired <- last
				return
			}
		}
	}()
	return fired
}

func (p *peerReceiver) close() {
	p.listener.Close()
	p.mu.Lock()
	for _, c := range p.open {
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	}
	p.mu.Unlock()
	p.conns.Wait()
}

// peerRecord is a record of the input, its values as text.
type peerRecord map[string]string

// compare counts the events whose header and values are all those of their record.
func (p *peerReceiver) compare(fields peerFields, got *peerResult) {
	events := map[string]*parse.Event{}
	for _, s := range p.streams {
		scanner := syslog.NewScanner(s.reader(), 0)
		for {
			frame, err := scanner.Next()
			if err != nil {
				break
			}
			got.events++
			at := bytes.Index(frame, []byte("CEF:"))
			if at < 0 {
				continue
			}
			e, err := parse.CEF(string(frame[at:]))
			if err != nil {
				if got.first == "" {
					got.first = fmt.Sprintf("%v: %.300q", err, frame)
				}
				continue
			}
			events[e.Get("externalId")] = e
		}
	}
	p.r.memory.give(p.streams)
	got.distinct = len(events)
	f, err := os.Open(p.r.setup.Input)
	if err != nil {
		p.r.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		record := readPeerRecord(lines.Bytes())
		lack := "the event is missing"
		if e := events[record["AlertId"]]; e != nil {
			lack = fields(record, e)
		}
		if lack == "" {
			got.exact++
		} else if got.first == "" {
			got.first = record["AlertId"] + ": " + lack
		}
	}
	if err := lines.Err(); err != nil && err != io.EOF {
		p.r.t.Fatal(err)
	}
}

func readPeerRecord(line []byte) peerRecord {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var raw map[string]any
	if err := d.Decode(&raw); err != nil {
		panic(err)
	}
	record := peerRecord{}
	for name, v := range raw {
		if v != nil {
			record[name] = fmt.Sprint(v)
		}
	}
	return record
}

// peerFields tells what an event lacks of its record; "": nothing.
type peerFields func(record peerRecord, e *parse.Event) (lack string)

var (
	//go:embed testdata/peers/siembridge.json
	ownMapping []byte

	mapped = func() (m struct{ Ext, Const map[string]string }) {
		text, err := peers.Files.ReadFile("files/mapping.json")
		if err != nil {
			panic(err)
		}
		mustJSON(text, &m)
		return m
	}()
	own = func() (m map[string]string) { mustJSON(ownMapping, &m); return m }()
)

func mustJSON(text []byte, v any) {
	if err := json.Unmarshal(text, v); err != nil {
		panic(err)
	}
}

// mappedFields holds an event against mapping.json.
func mappedFields(record peerRecord, e *parse.Event) string {
	if e.EventID != record["Category"] || e.Name != record["AlertTitle"] || e.Severity != record["Severity"] {
		return "the header differs"
	}
	return sameFields(mapped.Ext, record, e)
}

// ownFields holds an event against the slots of siembridge's table, its time and its severity.
func ownFields(record peerRecord, e *parse.Event) string {
	if lack := ownHeader(record, e); lack != "" {
		return lack
	}
	return sameFields(own, record, e)
}

// sameAttributes holds an event of siembridge against mapping.json.
func sameAttributes(record peerRecord, e *parse.Event) string {
	if lack := ownHeader(record, e); lack != "" {
		return lack
	}
	if e.EventID != record["Category"] {
		return "the header differs"
	}
	return sameFields(mappedButTime, record, e)
}

// mappedButTime is mapping.json without rt, which siembridge writes in milliseconds.
var mappedButTime = func() map[string]string {
	m := maps.Clone(mapped.Ext)
	delete(m, "rt")
	return m
}()

// ownHeader holds name, severity and time of an event against a record.
func ownHeader(record peerRecord, e *parse.Event) string {
	if e.Name != record["AlertTitle"] || e.Severity != map[string]string{"High": "8", "Medium": "6", "Low": "3", "Informational": "1"}[record["Severity"]] {
		return fmt.Sprintf("the header differs: %q, severity %s of %s", e.Name, e.Severity, record["Severity"])
	}
	when, err := time.Parse(time.RFC3339Nano, record["AlertTime"])
	if err != nil || e.Get("rt") != strconv.FormatInt(when.UnixMilli(), 10) {
		return "rt differs"
	}
	return ""
}

func sameFields(table map[string]string, record peerRecord, e *parse.Event) string {
	values := make(map[string]string, len(e.Pairs))
	for _, p := range e.Pairs {
		values[p.Key] = p.Value
	}
	for key, field := range table {
		if values[key] != record[field] {
			return fmt.Sprintf("%s is %q, not %q", key, values[key], record[field])
		}
	}
	return ""
}

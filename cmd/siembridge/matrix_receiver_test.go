//go:build matrix

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/siembridge/siembridge/bridge/syslog"
)

// receiverVariable makes this test binary a receiver: a process of its own that can be killed and stopped.
const receiverVariable = "SIEMBRIDGE_MATRIX_RECEIVER"

func init() {
	if text := os.Getenv(receiverVariable); text != "" {
		var r matrixReceiver
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			panic(err)
		}
		r.main()
		os.Exit(0)
	}
}

// matrixReceiver is a receiver's program. It stores the id of each event it has read before it reads on.
type matrixReceiver struct {
	Log         string        // ids, one a line
	Cert, Key   string        // PEM files; "": plain TCP
	Slow        time.Duration // its time for each read of at most 8 KiB
	Buffer      int           // socket receive buffer in bytes; 0: the kernel's own
	NeverCloses bool          // does not close its side after the sender has
	ending      atomic.Bool
}

// start runs it on a machine and returns when it listens.
func (r *matrixReceiver) start(t *testing.T, n *cellNetwork) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := n.command(n.receiver(), self)
	cmd.Env = append(os.Environ(), receiverVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the receiver does not listen: %v", err)
	}
	return cmd
}

func (r *matrixReceiver) main() {
	log, err := os.OpenFile(r.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if r.Buffer == 0 {
			return nil
		}
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, r.Buffer) })
	}}
	listener, err := lc.Listen(context.Background(), "tcp", ":"+receiverPort)
	if err != nil {
		panic(err)
	}
	var secure *tls.Config
	if r.Cert != "" {
		pair, err := tls.LoadX509KeyPair(r.Cert, r.Key)
		if err != nil {
			panic(err)
		}
		secure = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	var open sync.WaitGroup
	var conns sync.Map
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() { // as a daemon stops: what was read is stored, what was not read stays unread
		<-terminated
		r.ending.Store(true)
		listener.Close()
		conns.Range(func(c, _ any) bool { _ = c.(net.Conn).SetReadDeadline(time.Now()); return true })
	}()
	fmt.Println("ready")
	for {
		c, err := listener.Accept()
		if err != nil {
			break
		}
		conns.Store(c, nil)
		open.Go(func() {
			defer conns.Delete(c)
			defer c.Close()
			stream := net.Conn(&slowConn{c, r})
			if secure != nil {
				stream = tls.Server(stream, secure)
			}
			r.read(&storingConn{Conn: stream, log: log})
			if secure != nil {
				_ = stream.Close() // close_notify
			}
		})
	}
	open.Wait()
}

func (r *matrixReceiver) read(c *storingConn) {
	scanner := syslog.NewScanner(c, 0)
	for {
		frame, err := scanner.Next()
		if err != nil {
			break
		}
		c.add(frame)
	}
	c.store()
	if r.NeverCloses {
		select {}
	}
}

// slowConn takes its time for each read.
type slowConn struct {
	net.Conn
	r *matrixReceiver
}

func (c *slowConn) Read(b []byte) (int, error) {
	if c.r.ending.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	if c.r.Slow > 0 {
		time.Sleep(c.r.Slow)
		b = b[:min(len(b), 8<<10)]
	}
	return c.Conn.Read(b)
}

// storingConn stores the ids of the frames that were taken from it before it reads on.
type storingConn struct {
	net.Conn
	log *os.File
	ids []byte
}

func (c *storingConn) Read(b []byte) (int, error) {
	c.store()
	return c.Conn.Read(b)
}

func (c *storingConn) add(frame []byte) {
	_, id, ok := bytes.Cut(frame, []byte(" externalId="))
	if !ok {
		_, id, ok = bytes.Cut(frame, []byte("|externalId="))
	}
	if ok {
		id, _, _ = bytes.Cut(id, []byte(" "))
		c.ids = append(append(c.ids, id...), '\n')
	}
}

func (c *storingConn) store() {
	if len(c.ids) > 0 {
		if _, err := c.log.Write(c.ids); err != nil {
			panic(err)
		}
		c.ids = c.ids[:0]
	}
}

//go:build cluster && unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// natsCluster is three nats-server processes on loopback.
type natsCluster struct {
	t       *testing.T
	binary  string
	servers []*natsServer
}

type natsServer struct {
	config                  string
	client, routes, monitor int
	cmd                     *exec.Cmd
	log                     string
}

// builtNATS builds the server from the module, once for all tests, beside siembridge.
var builtNATS = sync.OnceValues(func() (string, error) {
	binary, err := builtBinary()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(binary), "nats-server")
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nats-server does not build: %w\n%s", err, out)
	}
	return path, nil
})

// startNATS starts a cluster that lives as long as the test.
func startNATS(t *testing.T) *natsCluster {
	binary, err := builtNATS()
	if err != nil {
		t.Fatal(err)
	}
	c := &natsCluster{t: t, binary: binary}
	var routes []string
	for range 3 {
		s := &natsServer{client: unusedPort(t), routes: unusedPort(t), monitor: unusedPort(t)}
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", s.routes))
		c.servers = append(c.servers, s)
	}
	for i, s := range c.servers {
		dir := t.TempDir()
		s.config, s.log = filepath.Join(dir, "nats.conf"), filepath.Join(dir, "nats.log")
		text := fmt.Sprintf(`server_name: n%d
listen: "127.0.0.1:%d"
http: "127.0.0.1:%d"
log_file: %q
jetstream { store_dir: %q, sync_interval: always }
cluster { name: siembridge, listen: "127.0.0.1:%d", routes: [%s] }
`, i, s.client, s.monitor, s.log, filepath.Join(dir, "data"), s.routes, strings.Join(routes, ", "))
		if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.start(i)
	}
	c.wait(3)
	return c
}

// nextPort is the port to be tried next. Servers are started again on their ports, so these lie below those that systems
// give to whoever asks for any.
var nextPort atomic.Int64

// unusedPort returns a port that nobody uses, and that no other test was given.
func unusedPort(t *testing.T) int {
	nextPort.CompareAndSwap(0, 20_000+rand.Int64N(8_000))
	for range 2_000 {
		port := int(nextPort.Add(1))
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (c *natsCluster) urls() (urls []string) {
	for _, s := range c.servers {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", s.client))
	}
	return urls
}

func (c *natsCluster) start(i int) {
	s := c.servers[i]
	cmd := exec.Command(c.binary, "-c", s.config)
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	s.cmd = cmd
	c.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// kill ends a server as a power switch does, but for what the system has not written yet.
func (c *natsCluster) kill(i int) {
	_ = c.servers[i].cmd.Process.Kill()
	_ = c.servers[i].cmd.Wait()
}

// save keeps a copy of what a server that was stopped has on disk.
func (c *natsCluster) save(i int) {
	data := filepath.Join(filepath.Dir(c.servers[i].config), "data")
	if err := os.CopyFS(data+".saved", os.DirFS(data)); err != nil {
		c.t.Fatal(err)
	}
}

// restore gives a server back what save kept.
func (c *natsCluster) restore(i int) {
	data := filepath.Join(filepath.Dir(c.servers[i].config), "data")
	if err := errors.Join(os.RemoveAll(data), os.Rename(data+".saved", data)); err != nil {
		c.t.Fatal(err)
	}
}

// stop ends a server as an operator does.
func (c *natsCluster) stop(i int) {
	_ = c.servers[i].cmd.Process.Signal(terminate)
	_ = c.servers[i].cmd.Wait()
}

// wait waits until so many servers say that they are healthy: they have caught up with their leaders.
func (c *natsCluster) wait(healthy int) {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		n := 0
		for _, s := range c.servers {
			if answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", s.monitor)); err == nil {
				var health struct{ Status string }
				_ = json.NewDecoder(answer.Body).Decode(&health)
				answer.Body.Close()
				if health.Status == "ok" {
					n++
				}
			}
		}
		if n >= healthy {
			return
		}
		if time.Since(begun) > time.Minute {
			c.t.Fatalf("only %d servers are healthy", n)
		}
	}
}

// instance writes the configuration of one instance of several.
func (d *drive) instance(t *testing.T, n int, urls []string) string {
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(d.config)
	state := fmt.Sprintf("state_dir = %q\n[buffer]\ntype = \"jetstream\"\n[buffer.jetstream]\nurls = [\"%s\"]\n", filepath.Join(dir, fmt.Sprint("state", n)), strings.Join(urls, `", "`))
	_, rest, _ := strings.Cut(string(text), "\n")
	path := filepath.Join(dir, fmt.Sprintf("siembridge%d.toml", n))
	if err := os.WriteFile(path, []byte(state+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/formats/defender"
)

// everyAPI of Microsoft that is pulled.
var everyAPI = []string{"detections", "alerts", "graph-alerts", "graph-incidents", "incidents"}

// drive is one tenant, two SIEMs and a configuration between them.
type drive struct {
	o                      driveOptions
	binary, config, secret string
	tenant                 *emulator.Tenant
	qradar, arcsight       *siem

	mu      sync.Mutex
	api     map[string]string // by record
	want    map[sighting]bool // what a SIEM is to get by now
	touched []string
}

// driveOptions say what is driven through what.
type driveOptions struct {
	apis      []string
	records   int           // an API; an incident of Defender XDR carries alerts besides
	over      time.Duration // in which they become visible; 0: at once, one in ten late
	changing  bool          // one record in ten changes when it has arrived, another is touched
	clock     time.Duration // how far the tenant's clock is ahead
	refresh   bool          // sign-in by refresh tokens instead of a secret
	tokenLife time.Duration // 0: 20 s
	mode      eventMode
}

func newDrive(t *testing.T, o driveOptions) *drive {
	d := &drive{o: o, binary: buildBinary(t), tenant: emulator.NewTenant(7), api: map[string]string{}, want: map[sighting]bool{}}
	d.secret = d.tenant.Secret
	d.tenant.Now = func() time.Time { return time.Now().Add(o.clock) }
	server := httptest.NewServer(d.tenant)
	t.Cleanup(server.Close)
	ca, err := emulator.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeServerCertificate(t, ca, dir)
	secure, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	d.qradar, d.arcsight = newQRadar(t, d.o.mode, secure), newArcSight(t, d.o.mode)
	if o.changing {
		d.arcsight.first = d.change
	}
	d.fill()
	d.configure(t, dir, server.URL)
	return d
}

// configure writes the configuration, and the seed of the refresh tokens.
func (d *drive) configure(t *testing.T, dir, tenantURL string) {
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	auth := ""
	if d.o.refresh {
		d.tenant.SeedRefresh("0.seed-of-the-chain")
		auth = fmt.Sprintf("auth = \"refresh-token\"\nrefresh_token_file = %q\n", write("seed", "0.seed-of-the-chain"))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "state_dir = %q\n[log]\nlevel = \"debug\"\n[admin]\nlisten = \"\"\n", filepath.Join(dir, "state"))
	for _, api := range d.o.apis {
		fmt.Fprintf(&text, `[[source]]
name = %q
api = %q
endpoint = %q
token_url = %q
tenant_id = %q
client_id = %q
client_secret = %q
%s%sstart = "-2h"
poll_interval = "1s"
requests_per_minute = 6000
`, api, api, tenantURL+emulator.Endpoint(api), tenantURL+d.tenant.TokenPath(api), d.tenant.ID, d.tenant.ClientID, d.secret, auth, d.o.mode.config)
	}
	fmt.Fprintf(&text, `[[destination]]
name = "qradar"
type = "qradar"
address = %q
confirm_bytes = "64KiB"
[destination.tls]
ca_file = %q
[[destination]]
name = "arcsight"
type = "arcsight"
address = %q
transport = "tcp"
confirm_bytes = "64KiB"
`, d.qradar.receiver.Address(), filepath.Join(dir, "ca.pem"), d.arcsight.receiver.Address())
	d.config = write("siembridge.toml", text.String())
}

// fill puts records into the tenant: seven to one time, hostile titles, one in ten late.
func (d *drive) fill() {
	generator := emulator.NewGenerator(11, true)
	random := rand.New(rand.NewPCG(3, 5))
	now := d.tenant.Now()
	for _, api := range d.o.apis {
		at := now.Add(-20 * time.Minute)
		for i := range d.o.records {
			if i%7 == 0 {
				at = at.Add(time.Second)
			}
			r := generator.Record(api, at)
			switch {
			case d.o.over > 0:
				r.Visible = now.Add(time.Duration(i) * d.o.over / time.Duration(d.o.records))
			case random.IntN(10) == 0:
				r.Visible = now.Add(time.Duration(random.IntN(5000)) * time.Millisecond)
			}
			id := r.ID
			if strings.HasSuffix(api, "incidents") {
				id = "incident:" + id
			}
			ids := append([]string{id}, r.Carried...)
			for i, pieces := range d.o.mode.pieces(api, r) {
				d.api[ids[i]] = api
				for _, piece := range pieces {
					d.want[sighting{ids[i], "new", piece}] = true
				}
			}
			d.tenant.Add(api, r)
		}
	}
	d.tenant.TokenLife = 20 * time.Second
	if d.o.tokenLife > 0 {
		d.tenant.TokenLife = d.o.tokenLife
	}
	d.tenant.SetFaults(emulator.Faults{TooMany: 0.05, Unavailable: 0.05, Unauthorized: 0.02, Reset: 0.02, Truncated: 0.02, RetryAfter: time.Second})
}

// pieces returns of each record that one of the tenant is split into the pieces that become events; "" is the record
// itself.
func (m eventMode) pieces(api string, r emulator.Record) (all [][]string) {
	_, err := defender.Split(defender.API(api), bytes.NewReader(r.JSON()), func(raw []byte) error {
		if m.piece == nil {
			all = append(all, []string{""})
			return nil
		}
		var pieces []string
		err := defender.SplitEvidence(defender.API(api), raw, func(p defender.Part) error {
			if !p.Summary {
				_, piece, _ := strings.Cut(p.Key, "#")
				pieces = append(pieces, piece)
			}
			return nil
		})
		all = append(all, pieces)
		return err
	})
	if err != nil {
		panic(err) // the generator's records can be read
	}
	return all
}

// change changes one record in ten once it has arrived, and touches another.
func (d *drive) change(record string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	api, id := d.api[record], strings.TrimPrefix(record, "incident:")
	h := fnv.New32a()
	h.Write([]byte(record))
	switch h.Sum32() % 10 {
	case 0:
		d.want[sighting{record, "update", ""}] = true
		d.tenant.Change(api, id)
	case 1:
		d.touched = append(d.touched, record)
		d.tenant.Touch(api, id)
	}
}

// sightings is how many events a SIEM is to get by now.
func (d *drive) sightings() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.want)
}

// wait waits until both SIEMs have everything, and the bridge has read what was touched.
func (d *drive) wait(t *testing.T, log *watched) {
	t.Helper()
	d.arcsight.wait(t, d.sightings, log)
	d.qradar.wait(t, d.sightings, log)
	if !d.o.changing {
		return
	}
	answers := map[string]int{}
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left := 0
		for _, record := range d.touched {
			if !d.tenant.Given(d.api[record], strings.TrimPrefix(record, "incident:")) {
				left++
			}
		}
		for _, api := range d.o.apis {
			if n := d.tenant.Answers(api); left > 0 || answers[api] == 0 {
				answers[api] = n
				left++
			} else if n < answers[api]+2 { // it has dealt with the answers before these
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d touched records were not read\n%s", left, tail(log.String()))
		}
	}
}

// check holds what arrived at both SIEMs against the tenant, and looks for requests that the API refused.
func (d *drive) check(t *testing.T, mayRepeat int) {
	t.Helper()
	d.qradar.check(t, d.want, mayRepeat)
	d.arcsight.check(t, d.want, mayRepeat)
	for _, status := range []int{400, 403, 404, 500} {
		if n := d.tenant.Served()[status]; n > 0 {
			t.Errorf("%d requests were answered by %d", n, status)
		}
	}
}

// start runs the binary; log gets what it prints.
func (d *drive) start(t *testing.T, log *watched) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(d.binary, "run", "--config", d.config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// stop ends the binary by SIGTERM.
func stop(t *testing.T, cmd *exec.Cmd, log *watched) {
	t.Helper()
	if err := cmd.Process.Signal(terminate); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM does not end it cleanly: %v\n%s", err, tail(log.String()))
	}
}

func (d *drive) checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, d.secret) || strings.Contains(log, "0.seed-of-the-chain") {
		t.Error("the client secret or the refresh token is in the log")
	}
	if strings.Contains(log, "Bearer ") || strings.Contains(log, "access_token") {
		t.Error("a token is in the log")
	}
}

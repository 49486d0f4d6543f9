//go:build guides

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// guideStep is what a reader does besides typing a line, or why the line cannot be run here.
type guideStep struct {
	guide string // "": any
	line  string // how it begins

	before   func(m *machine)             // what the text above it asks for
	stdin    string                       // what is pasted
	change   []string                     // placeholders and what stands in their place; or what makes it short
	terminal bool                         // it wants one
	until    string                       // it runs until it is stopped, which it is when it has said this
	stays    bool                         // it is stopped at the end of the guide
	code     int                          // exit code that is right besides 0
	after    func(m *machine, out string) // what is to be seen then
	list     bool                         // go test: not the tests, of which .ci/run has short forms; but see machine.list
	once     bool                         // the same line again in the same guide would do the same
	nowhere  string                       // why it is not run
}

const (
	vendors   = "wants a vendor's service"
	windows   = "wants Windows"
	placehold = "names what the reader has"
)

var guideSteps = []guideStep{
	// Not here.
	{line: "New-EventLog", nowhere: windows},
	{line: "New-Service", nowhere: windows},
	{line: "Start-Service", nowhere: windows},
	{line: "Connect-MgGraph", nowhere: vendors},
	{line: "$api", nowhere: vendors},
	{line: "$role", nowhere: vendors},
	{line: "New-MgServicePrincipalAppRoleAssignment", nowhere: vendors},
	{line: "az aks show", nowhere: vendors},
	{line: "go install -tags custom", nowhere: "builds another maker's program, of modules that nothing here needs"},
	{line: "go test ./...", nowhere: "the first line of .ci/run"},

	{line: "go test -tags peers -run NAME", change: []string{"NAME", "TestPeers", "...", "-rounds 1"}, list: true},
	{line: "go test -", list: true},
	{line: "SIEMBRIDGE_DRIVE=long go test", list: true},

	// docs/install.md
	{guide: "install.md", line: "packaging/build", once: true, after: func(m *machine, _ string) { m.output("cp dist/SHA256SUMS /") }},
	{guide: "install.md", line: "sudo install -m 0600 /dev/stdin", stdin: guideSecret},
	{guide: "install.md", line: "sudo systemctl edit", terminal: true},
	{guide: "install.md", line: "sudo systemctl enable", before: func(m *machine) {
		source := strings.Replace(m.source(""), `client_secret_file = "/etc/siembridge/client-secret"`, m.toml("install.md", "client_secret_file"), 1)
		m.configure(source, plainSIEM)
	}, after: func(m *machine, _ string) { m.arrives("installed", guideAlerts) }},
	{guide: "install.md", line: "journalctl -u siembridge -f", until: "msg=started"},
	{guide: "install.md", line: "podman run", before: func(m *machine) {
		m.write("siembridge.toml", fmt.Sprintf("[[source]]\nname = \"contoso\"\ntenant_id = %q\nclient_id = %[1]q\nclient_secret = %[2]q\n"+
			"endpoint = \"http://%[3]s%[4]s\"\ntoken_url = \"http://%[3]s%[5]s\"\n%[6]s", guideID, guideSecret, loopbackAPI,
			emulator.Endpoint("graph-alerts"), m.tenant.TokenPath("graph-alerts"), plainSIEM))
		m.output("systemctl stop siembridge") // it has the port of the status page
		m.events()
	}, until: "msg=started", after: func(m *machine, _ string) { m.arrives("in a container", guideAlerts) }},
	{guide: "install.md", line: "sudo systemctl restart", after: func(m *machine, _ string) {
		m.watchdog()
	}},

	// docs/sources.md
	{guide: "sources.md", line: "sudo tee", stdin: guideSecret + "\n"},
	{guide: "sources.md", line: "sudo -u siembridge siembridge check", before: func(m *machine) { m.configure(m.source(""), plainSIEM) }},
	{guide: "sources.md", line: "siembridge reconcile", before: func(m *machine) { m.output("systemctl restart siembridge"); m.settled() }, change: configFile},
	{guide: "sources.md", line: "siembridge run --config backfill.toml", before: func(m *machine) {
		m.write("backfill.toml", "state_dir = \"backfill\"\n[admin]\nlisten = \"\"\n"+strings.Replace(m.toml("sources.md", `name = "backfill"`), "/var/spool/siembridge/*.ndjson.gz", "-", 1)+plainSIEM)
		m.events()
	}, after: func(m *machine, _ string) { m.arrives("from standard input", 1) }},

	// docs/credentials.md
	{guide: "credentials.md", line: "cat cert.pem", after: func(m *machine, _ string) {
		m.output("chown siembridge: /etc/siembridge/app.pem")
		m.configure(m.key(m.toml("credentials.md", "certificate_file")), plainSIEM)
		m.output("sudo -u siembridge siembridge check --config /etc/siembridge/siembridge.toml")
	}},
	{guide: "credentials.md", line: "siembridge check --config …", change: []string{"…", "/etc/siembridge/siembridge.toml"}},
	{guide: "credentials.md", line: "sudo -u siembridge siembridge login", before: func(m *machine) {
		m.configure(m.key(m.toml("credentials.md", `"refresh-token"`)), plainSIEM)
	}, after: func(m *machine, out string) {
		if !strings.Contains(out, "enter the code ABCD") {
			m.t.Errorf("no code was shown:\n%s", out)
		}
		m.output("sudo -u siembridge siembridge check --config /etc/siembridge/siembridge.toml")
	}},

	// docs/qradar.md, docs/arcsight.md, docs/sentinel.md
	{guide: "qradar.md", line: "openssl s_client", before: func(m *machine) { m.configure(m.source("")) }, after: func(m *machine, out string) {
		_, fingerprint, _ := strings.Cut(strings.TrimSpace(out), "Fingerprint=")
		destination := m.toml("qradar.md", "fingerprint")
		given, _, _ := strings.Cut(destination[strings.Index(destination, "fingerprint = \"")+len("fingerprint = \""):], `"`)
		text := m.source("") + strings.Replace(destination, given, fingerprint, 1)
		m.configure(text)
		m.write("siembridge.toml", text)
		m.events()
	}},
	{guide: "qradar.md", line: "siembridge check", after: func(m *machine, _ string) { m.arrives("the test event", 1) }},
	{guide: "arcsight.md", line: "siembridge check", before: func(m *machine) {
		m.write("/etc/siembridge/connector-ca.pem", string(m.ca.PEM()))
		m.write("siembridge.toml", m.source("")+m.toml("arcsight.md", "connector-ca.pem"))
		m.events()
	}, after: func(m *machine, _ string) { m.arrives("the test event", 1) }},
	{guide: "sentinel.md", line: "siembridge listen", until: "listening on"},

	// docs/operating.md and docs/troubleshooting.md
	{guide: "operating.md", line: "siembridge status", before: func(m *machine) {
		m.output("systemctl stop siembridge")
		m.aside()
		m.output("systemctl start siembridge")
		m.settled()
	}},
	{guide: "operating.md", line: "promtool check rules", after: func(m *machine, _ string) { m.output("promtool test rules .ci/alerts.test.yml") }},
	{guide: "operating.md", line: "siembridge reload", before: func(m *machine) {
		text, err := os.ReadFile("/etc/siembridge/siembridge.toml")
		if err != nil {
			m.t.Fatal(err)
		}
		m.configure(string(text), "[destination.fields]\nsite = \"berlin\"")
	}},
	{guide: "operating.md", line: "siembridge replay", before: func(m *machine) {
		m.events()
		if !m.poll(func() bool {
			return !strings.Contains(m.output("siembridge status --json --config /etc/siembridge/siembridge.toml"), `"replay"`)
		}) {
			m.t.Error("the replay before does not end")
		}
	}, code: exitFailure}, // of a time of which nothing is retained
	{guide: "troubleshooting.md", line: "chown", before: func(m *machine) { m.output("systemctl stop siembridge") }},
	{guide: "troubleshooting.md", line: "siembridge check", before: func(m *machine) { m.output("systemctl start siembridge"); m.settled() }},
	{guide: "troubleshooting.md", line: "siembridge buffer verify", before: func(m *machine) { m.output("systemctl stop siembridge") }, change: configFile},
	{guide: "troubleshooting.md", line: "siembridge lint FILE", change: []string{"FILE", "events.log"}},
	{guide: "troubleshooting.md", line: "siembridge ", change: configFile},

	// docs/migration.md
	{guide: "migration.md", line: "siembridge import", before: func(m *machine) { _ = os.Remove("siembridge.toml") }, change: []string{"FILE...", "WDATP-connector.properties"}},
	{guide: "migration.md", line: "siembridge ", change: []string{"FILE", "alert.json"}},

	// docs/sizing.md: a few hundred records instead of a hundred thousand.
	{guide: "sizing.md", line: "siembridge bench", change: []string{"bench ", "bench --count 300 ", "--count 1000000", "", "--count 100000", ""}},

	// README.md
	{guide: "README.md", line: "siembridge check", before: func(m *machine) {
		m.output("systemctl stop siembridge && mkdir -p /run/credentials/siembridge")
		m.write("/run/credentials/siembridge/client-secret", guideSecret)
		m.write("siembridge.toml", m.toml("README.md", `name      = "contoso"`))
	}},
	{guide: "README.md", line: "siembridge run ", until: "msg=started", stays: true},
	{guide: "README.md", line: "siembridge buffer verify", before: func(m *machine) { m.stopAll() }},
	{guide: "README.md", line: "siembridge bench", change: []string{"bench ", "bench --count 100 "}},
	{guide: "README.md", line: "siembridge help", change: []string{"COMMAND", "replay"}},

	// docs/cluster.md: three servers on this machine, at the three addresses.
	{guide: "cluster.md", line: "openssl req", before: func(m *machine) {
		m.output("systemctl stop siembridge; for ip in 10.0.0.11 10.0.0.12 10.0.0.13; do ip address add $ip/32 dev lo; done")
	}},
	{guide: "cluster.md", line: "sudo useradd", before: func(m *machine) { m.output("cp 10.0.0.11.pem cert.pem && cp 10.0.0.11-key.pem key.pem") }},
	{guide: "cluster.md", line: "sudo -u nats nats-server", before: func(m *machine) { m.natsFiles() }},
	{guide: "cluster.md", line: "sudo systemctl enable --now nats-server", before: func(m *machine) { m.otherServers() }, after: func(m *machine, _ string) { m.quorum() }},
	{guide: "cluster.md", line: "siembridge check", before: func(m *machine) {
		m.configure(m.toml("cluster.md", "jetstream"), m.source(""), plainSIEM)
	}},
	{guide: "cluster.md", line: "siembridge status", before: func(m *machine) { m.settled() }},
	{guide: "cluster.md", line: "sudo -u siembridge siembridge buffer move", before: func(m *machine) {
		// Servers on which no instance has run.
		m.output("systemctl stop siembridge nats-server")
		m.stopAll()
		m.output("rm -rf /var/lib/nats/* /var/lib/nats2 /var/lib/nats3")
		m.otherServers()
		m.output("systemctl start nats-server")
		m.quorum()
	}},
}

// plainSIEM is a destination over TCP.
const plainSIEM = "\n[[destination]]\nname = \"qradar\"\ntype = \"qradar\"\naddress = \"qradar.example.org:514\"\ntransport = \"tcp\"\n"

var configFile = []string{"FILE", "/etc/siembridge/siembridge.toml"}

// key is a source with a piece of docs/credentials.md in place of its secret.
func (m *machine) key(piece string) string {
	source := m.source("")
	var kept []string
	for line := range strings.Lines(source) {
		if key := strings.TrimSpace(line); !strings.HasPrefix(key, "client_secret_file") && !strings.HasPrefix(key, "credential_expires") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "") + piece
}

// settled waits until the service is up and has delivered all that it has.
func (m *machine) settled() {
	m.t.Helper()
	if !m.poll(func() bool {
		var status admin.Status
		err := json.Unmarshal([]byte(m.output("siembridge status --json --config /etc/siembridge/siembridge.toml || true")), &status)
		return err == nil && len(status.Sources) == 1 && !status.Sources[0].LastSuccess.IsZero() && status.Destinations[0].Pending == 0
	}) {
		m.t.Errorf("siembridge does not settle:\n%s", m.output("siembridge status --config /etc/siembridge/siembridge.toml || true"))
	}
}

// aside puts records into quarantine, as an older version might have: the guide asks for number 17.
func (m *machine) aside() {
	m.t.Helper()
	b, err := disk.Open(disk.Options{Dir: "/var/lib/siembridge", MaxSize: 1 << 30})
	if err != nil {
		m.t.Fatal(err)
	}
	r := emulator.NewGenerator(3, false).Record("graph-alerts", time.Now().Add(-time.Minute))
	for i := range 17 {
		if _, err := b.Quarantine().Put(buffer.Record{Source: "contoso", API: "graph-alerts", Key: fmt.Sprint(r.ID, i), Pulled: time.Now(), Raw: r.JSON()},
			"qradar: an older version could not read this"); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.output("chown -R siembridge: /var/lib/siembridge")
}

// watchdog stops the daemon's process without a word: systemd notices, kills it and starts it again.
func (m *machine) watchdog() {
	m.t.Helper()
	pid := func() string { return m.output("systemctl show siembridge --property MainPID --value") }
	m.output("mkdir -p /run/systemd/system/siembridge.service.d && printf '[Service]\\nWatchdogSec=2\\nRestartSec=100ms\\n' > /run/systemd/system/siembridge.service.d/quick.conf && systemctl daemon-reload && systemctl restart siembridge")
	was := pid()
	m.output("kill -STOP " + was)
	if !m.poll(func() bool { now := pid(); return now != was && strings.TrimSpace(now) != "0" }) {
		m.t.Errorf("the watchdog did nothing:\n%s", m.output("systemctl status siembridge --no-pager || true"))
	}
	m.output("rm -r /run/systemd/system/siembridge.service.d && systemctl daemon-reload && systemctl restart siembridge && journalctl -u siembridge --no-pager | grep -i watchdog")
}

// natsFiles writes the first server's configuration and unit, and what the two others have: their machines are this one,
// at other addresses.
func (m *machine) natsFiles() {
	m.t.Helper()
	conf := m.toml("cluster.md", "server_name")
	m.write("/etc/nats/nats-server.conf", conf)
	m.write("/etc/systemd/system/nats-server.service", m.toml("cluster.md", "NATS server with JetStream"))
	m.output("systemctl daemon-reload")
	for _, n := range []string{"2", "3"} {
		ip, dir := "10.0.0.1"+n, "/etc/nats"+n
		m.output(fmt.Sprintf("mkdir -p %s && cp ca.pem %[1]s/ca.pem && cp %s.pem %[1]s/cert.pem && cp %[2]s-key.pem %[1]s/key.pem", dir, ip))
		m.write(dir+"/nats-server.conf", strings.NewReplacer("server_name: n1", "server_name: n"+n, `listen: "10.0.0.11:`, `listen: "`+ip+":", "/etc/nats/", dir+"/",
			"/var/lib/nats", "/var/lib/nats"+n, "127.0.0.1:8222", "127.0.0.1:823"+n).Replace(conf))
	}
}

// otherServers starts the two other servers.
func (m *machine) otherServers() {
	m.t.Helper()
	for _, n := range []string{"2", "3"} {
		m.follow(guideLine{"cluster.md", "nats-server -c /etc/nats" + n + "/nats-server.conf"}, guideStep{until: "Listening for client connections", stays: true})
	}
}

// quorum waits until the three servers see each other.
func (m *machine) quorum() {
	m.t.Helper()
	if !m.poll(func() bool {
		return strings.Contains(m.output("curl -s http://127.0.0.1:8222/healthz || true"), `"ok"`)
	}) {
		m.t.Errorf("the servers do not find each other:\n%s", m.output("journalctl -u nats-server --no-pager -n 20"))
	}
}

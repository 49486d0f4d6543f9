//go:build peers

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/siembridge/siembridge/bridge/bench/peers"
)

func (r *peerRun) in(name string) string { return filepath.Join(r.setup.Dir, name) }

// peer returns a turn's command for one of the programs that bench knows.
func (r *peerRun) peer(p peers.Program) *exec.Cmd {
	binary := p.Installed()
	if binary == "" {
		r.t.Fatalf("%s is not installed: source .ci/syslog-daemons first, or see docs/sizing.md", p.Binary)
	}
	cmd, err := p.Command(r.setup, binary)
	if err != nil {
		r.t.Fatal(err)
	}
	return cmd
}

// sameMapping is the table of siembridge that has the attributes of mapping.json.
const sameMapping = "testdata/peers/mapping.toml"

// bridge returns a turn's command for siembridge, with its own table or another.
func (r *peerRun) bridge(confirm, mapping string) *exec.Cmd {
	if mapping != "" {
		path, err := filepath.Abs(mapping)
		if err != nil {
			r.t.Fatal(err)
		}
		mapping = fmt.Sprintf("mapping_file = %q\n", path)
	}
	secure := ""
	if r.setup.CA != "" {
		secure = fmt.Sprintf("[destination.tls]\nca_file = %q\nserver_name = \"localhost\"\n", r.setup.CA)
	}
	text := fmt.Sprintf(`state_dir = %q
[admin]
listen = ""
[[source]]
name = "file"
api = "file"
path = "-"
[[destination]]
name = "siem"
type = "generic"
format = "cef:0"
header = "rfc3164"
framing = "newline"
address = "127.0.0.1:%s"
transport = %q
confirm = %q
%s%s`, r.in("state"), r.setup.Port, *peersTransport, confirm, mapping, secure)
	path := r.in("siembridge.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	in, err := os.Open(r.setup.Input)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { in.Close() })
	cmd := exec.Command(buildBinary(r.t), "run", "--config", path)
	cmd.Stdin = in
	return cmd
}

package entra

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// arcHost is the agent that stands for Azure on a server elsewhere, joined by Azure Arc. It hands out tokens to
// whoever can read a file that it names, which its group and administrators can.
type arcHost struct {
	address string
	agent   string // a file that is there when the agent is
	keys    string // the only folder it may name files in
}

// thisArcHost is the agent as Microsoft installs it (Azure Arc, "authenticate against Azure resources").
func thisArcHost() arcHost {
	a := arcHost{address: "http://127.0.0.1:40342/metadata/identity/oauth2/token", agent: "/opt/azcmagent/bin/himds", keys: "/var/opt/azcmagent/tokens"}
	if runtime.GOOS == "windows" {
		a.agent = filepath.Join(os.Getenv("ProgramFiles"), "AzureConnectedMachineAgent", "himds.exe")
		a.keys = filepath.Join(os.Getenv("ProgramData"), "AzureConnectedMachineAgent", "Tokens")
	}
	return a
}

func (a arcHost) present() bool {
	_, err := os.Stat(a.agent)
	return err == nil
}

// maxArcKey is the largest key in bytes.
const maxArcKey = 4096

// proof reads the key that a challenge such as "Basic realm=/var/opt/azcmagent/tokens/x.key" names. Whoever answers
// on the agent's port must not make us send him other files.
func (a arcHost) proof(challenge string) (string, error) {
	_, path, ok := strings.Cut(challenge, "realm=")
	path = filepath.Clean(strings.Trim(path, `"`))
	if !ok || filepath.Ext(path) != ".key" || filepath.Dir(path) != filepath.Clean(a.keys) {
		return "", errors.New("it names no key file of the agent")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, maxArcKey+1))
	if err == nil && len(key) > maxArcKey {
		err = fmt.Errorf("%s has more than %d bytes, which is no key", path, maxArcKey)
	}
	return string(key), err
}

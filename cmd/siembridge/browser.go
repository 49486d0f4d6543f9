package main

import (
	"os/exec"
	"runtime"
	"strings"
)

// hasBrowser tells whether a browser can probably be opened here.
func hasBrowser(system string, getenv func(string) string) bool {
	if system == "windows" || system == "darwin" {
		return getenv("SSH_CONNECTION") == ""
	}
	return getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != ""
}

// openBrowser opens an address; the address is on the terminal as well, so that an error is not worth a word. Nobody
// waits for the opener: it may be the browser itself, which stays open when this command has ended.
func openBrowser(address string) {
	if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return
	}
	command := []string{"xdg-open", address}
	switch runtime.GOOS {
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", address}
	case "darwin":
		command = []string{"open", address}
	}
	c := exec.Command(command[0], command[1:]...)
	if c.Start() == nil {
		_ = c.Process.Release()
	}
}

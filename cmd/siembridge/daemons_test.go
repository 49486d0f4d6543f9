//go:build matrix || peers

package main

import (
	"os"
	"testing"
)

// program returns where a syslog daemon is, as .ci/syslog-daemons says.
func program(t *testing.T, variable string) string {
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: source .ci/syslog-daemons first", variable)
	}
	return path
}

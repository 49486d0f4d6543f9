package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// TestAuthorities: where the system has no certificate authorities, as in an image of nothing but the binary, the
// binary's own count. The test runs itself again, on a system that seems to have none.
func TestAuthorities(t *testing.T) {
	if runtime.GOOS != "linux" { // elsewhere the system verifies
		return
	}
	if os.Getenv("SSL_CERT_FILE") != "/none" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAuthorities$")
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE=/none", "SSL_CERT_DIR=/none")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		t.Errorf("there are no authorities: %v", err)
	}
}

package transport

import (
	"net"
	"strings"
	"testing"
)

// TestExplainDNS: a DNS server that does not answer is told from a name that does not exist.
func TestExplainDNS(t *testing.T) {
	for _, test := range []struct {
		dns  net.DNSError
		want string
	}{
		{net.DNSError{Name: "siem.example", Err: "no such host", IsNotFound: true}, "there is no such host: siem.example"},
		{net.DNSError{Name: "siem.example", Err: "read udp 127.0.0.1:38912->127.0.0.53:53: i/o timeout", IsTimeout: true}, "DNS does not tell the address of siem.example; "},
		{net.DNSError{Name: "siem.example", Err: "server misbehaving", IsTemporary: true}, "DNS does not tell the address of siem.example; "},
	} {
		err := explain("siem.example:6514", &net.OpError{Op: "dial", Net: "tcp", Err: &test.dns})
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "this machine's DNS") {
			t.Errorf("%s: %v", test.want, err)
		}
	}
}

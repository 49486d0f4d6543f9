package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// DialError is a connection that could not be made: to whom, what happened, and what to do.
type DialError struct {
	Address string // host:port as configured
	What    string // what happened
	Remedy  string // what the operator does next
	Err     error  // the cause, for errors.Is
}

// Error returns all three on one line.
func (e *DialError) Error() string { return e.Address + ": " + e.What + "; " + e.Remedy }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

type fingerprintError struct{ got string }

func (e *fingerprintError) Error() string { return "the certificate's fingerprint is " + e.got }

// explain words an error of dialling or of the TLS handshake.
func explain(address string, err error) error {
	e := &DialError{Address: address, Err: err}
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var op *net.OpError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var print *fingerprintError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		e.What, e.Remedy = "there is no such host: "+dns.Name, "check the name in address, and this machine's DNS"
	case errors.As(err, &dns): // its text has a port of ours in it
		e.What, e.Remedy = "DNS does not tell the address of "+dns.Name, "check that this machine's DNS is reachable and answers"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.What, e.Remedy = "connection refused", "check that the receiver listens on this port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e.What, e.Remedy = "no route to the receiver", "check routing and firewalls between here and there"
	case errors.As(err, &record):
		e.What, e.Remedy = "the receiver speaks no TLS on this port", notTLS
	case errors.As(err, &print):
		e.What, e.Remedy = print.Error(), "if that is the receiver's, put it into tls.fingerprint"
	case errors.As(err, &host):
		e.What, e.Remedy = "the receiver's certificate is for another name: "+host.Error(), "set tls.server_name to a name in the certificate, or give address that name"
	case errors.As(err, &authority):
		e.What, e.Remedy = "the receiver's certificate is signed by an authority that is not trusted here", "put that authority's certificate into tls.ca_file, or the receiver's fingerprint into tls.fingerprint"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.What, e.Remedy = "the receiver's certificate has expired or is not valid yet: "+invalid.Detail, "renew it on the receiver, and check the clocks"
	case errors.As(err, &invalid):
		e.What, e.Remedy = "the receiver's certificate is not valid: "+invalid.Error(), "renew it on the receiver"
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert; its type is not exported
		e.What, e.Remedy = "the receiver refused TLS: "+op.Err.Error(), refusal(op.Err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		e.What, e.Remedy = "no answer", "check address and port, and firewalls in between"
	case errors.Is(err, syscall.ECONNRESET):
		e.What, e.Remedy = "the receiver reset the connection at once", "check that it is ready, that its limits on senders allow this one, and whether it wants TLS"
	case errors.Is(err, context.Canceled):
		return err
	default:
		e.What, e.Remedy = fmt.Sprint(err), "check the receiver"
	}
	return e
}

// notTLS is the remedy where a receiver does not speak TLS.
const notTLS = "check that this is the port of its TLS listener, or set transport = \"tcp\" for plain TCP"

// explainHandshake words an error of the TLS handshake, when TCP is connected already. A listener of plain text mostly
// waits in silence for a line feed, or ends the connection over what it takes for an event.
func explainHandshake(address string, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &DialError{address, "TCP is connected, but the receiver does not answer the TLS handshake", notTLS, err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &DialError{address, "TCP is connected, but the receiver ended the connection in the TLS handshake", notTLS, err}
	}
	return explain(address, err)
}

// refusal is the remedy for a TLS alert of the receiver (RFC 8446, section 6.2).
func refusal(alert string) string {
	switch {
	case strings.Contains(alert, "certificate required"), strings.Contains(alert, "bad certificate"),
		strings.Contains(alert, "unknown certificate"), strings.Contains(alert, "expired certificate"),
		strings.Contains(alert, "revoked certificate"), strings.Contains(alert, "unsupported certificate"),
		strings.Contains(alert, "access denied"):
		return "it asks for a client certificate that it trusts: set tls.cert_file and tls.key_file, or renew them"
	case strings.Contains(alert, "protocol version"):
		return "it speaks no version of TLS that is allowed here: set tls.min_version lower, or enable TLS 1.2 or 1.3 on it"
	}
	return "check its log, tls.server_name, tls.min_version, and tls.cert_file if it asks for a client certificate"
}

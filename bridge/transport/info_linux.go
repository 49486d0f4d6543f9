package transport

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tcpInfo asks the kernel. Bytes_acked counts the SYN of the connecting side as one byte.
func tcpInfo(c net.Conn) (info, bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return info{}, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return info{}, false
	}
	var ti *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) { ti, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || failed != nil {
		return info{}, false
	}
	return info{acked: max(0, int64(ti.Bytes_acked)-1), unanswered: ti.Unacked > 0 || ti.Probes > 0,
		closed: ti.State == unix.BPF_TCP_CLOSE, roundTrip: time.Duration(ti.Rtt) * time.Microsecond}, true
}

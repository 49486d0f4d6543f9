//go:build !linux

package transport

import "net"

// tcpInfo: other systems have no such call in reach, and callers fall back on whole connections.
func tcpInfo(net.Conn) (info, bool) { return info{}, false }

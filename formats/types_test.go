package formats_test

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

var mac = regexp.MustCompile(`^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$`)

// hasType says whether a written value is what its type promises, by other means than the encoders use.
func hasType(value string, t formats.ValueType) bool {
	inRange := func(bits int, least int64) bool {
		n, err := strconv.ParseInt(value, 10, bits)
		return err == nil && n >= least && strconv.FormatInt(n, 10) == value
	}
	switch t {
	case formats.ValueInteger:
		return inRange(32, -1<<31)
	case formats.ValueLong:
		return inRange(64, -1<<63)
	case formats.ValuePort:
		_, err := strconv.ParseUint(value, 10, 16)
		return err == nil
	case formats.ValueSeverity:
		return inRange(8, 1) && (len(value) == 1 || value == "10")
	case formats.ValueTime:
		return inRange(64, 0) && len(value) == 13
	case formats.ValueIPv4:
		ip := net.ParseIP(value)
		return ip != nil && ip.To4() != nil && !strings.Contains(value, ":")
	case formats.ValueIPv6:
		a, err := netip.ParseAddr(value)
		return err == nil && a.Is6() && !a.Is4In6() && a.Zone() == ""
	case formats.ValueIP:
		return net.ParseIP(value) != nil
	case formats.ValueMAC:
		return mac.MatchString(value)
	case formats.ValueBool:
		return value == "true" || value == "false"
	}
	return value != ""
}

package formats

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// fit says how a text went into a typed key.
type fit uint8

const (
	fits      fit = iota
	otherKind     // right kind, other family: an IPv6 address for an IPv4 key, which has a key of its own
	misfits       // not of the type
)

// appendTyped appends text as a value of type t. What it appends is plain ASCII, without blanks.
func appendTyped(dst []byte, t ValueType, text string) ([]byte, fit) {
	text = strings.TrimSpace(text)
	switch t {
	case ValueInteger:
		return appendNumber(dst, text, math.MinInt32, math.MaxInt32)
	case ValueLong:
		return appendNumber(dst, text, math.MinInt64, math.MaxInt64)
	case ValuePort:
		return appendNumber(dst, text, 0, math.MaxUint16)
	case ValueSeverity:
		return appendNumber(dst, text, 1, 10)
	case ValueFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return dst, misfits
		}
		return strconv.AppendFloat(dst, f, 'f', -1, 64), fits
	case ValueBool:
		switch {
		case strings.EqualFold(text, "true"):
			return append(dst, "true"...), fits
		case strings.EqualFold(text, "false"):
			return append(dst, "false"...), fits
		}
		return dst, misfits
	case ValueIPv4, ValueIPv6, ValueIP:
		return appendAddress(dst, t, text)
	case ValueMAC:
		return appendMAC(dst, text)
	}
	return dst, misfits
}

func appendNumber(dst []byte, text string, least, most int64) ([]byte, fit) {
	switch {
	case strings.EqualFold(text, "true"):
		text = "1"
	case strings.EqualFold(text, "false"):
		text = "0"
	}
	n, ok := parseDecimal(text)
	if !ok || n < least || n > most {
		return dst, misfits
	}
	return strconv.AppendInt(dst, n, 10), fits
}

// parseDecimal reads plain decimal digits with an optional minus sign; unlike strconv.ParseInt it makes no error
// value, which would be an allocation for every value that does not fit.
func parseDecimal(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 19 {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		n = 10*n + uint64(digits[i]-'0')
	}
	if len(digits) < len(s) {
		return -int64(n), n <= -math.MinInt64
	}
	return int64(n), n <= math.MaxInt64
}

// appendAddress appends an address in its canonical form, without zone; an IPv4 address written as IPv6 is IPv4.
func appendAddress(dst []byte, t ValueType, text string) ([]byte, fit) {
	if isIPv4(text) {
		if t == ValueIPv6 {
			return dst, otherKind
		}
		return append(dst, text...), fits
	}
	text, _, _ = strings.Cut(text, "%")
	if !looksLikeAddress(text) {
		return dst, misfits
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return dst, misfits
	}
	addr = addr.Unmap()
	if t == ValueIPv4 && !addr.Is4() || t == ValueIPv6 && addr.Is4() {
		return dst, otherKind
	}
	return addr.AppendTo(dst), fits
}

// isIPv4 reports whether s is an IPv4 address: four numbers up to 255 with dots between them. They have one form only.
func isIPv4(s string) bool {
	if len(s) > len("255.255.255.255") {
		return false
	}
	dots, number, digits := 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9' && !(digits > 0 && number == 0):
			number = 10*number + int(c-'0')
			if digits++; number > 255 {
				return false
			}
		case c == '.' && digits > 0:
			dots++
			number, digits = 0, 0
		default:
			return false
		}
	}
	return dots == 3 && digits > 0
}

// looksLikeAddress keeps texts out of netip.ParseAddr whose error it would have to allocate.
func looksLikeAddress(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('0' <= s[i] && s[i] <= '9' || 'a' <= c && c <= 'f' || s[i] == ':' || s[i] == '.') {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 45
}

// appendMAC takes twelve hexadecimal digits with or without separators and writes them as six pairs with colons.
func appendMAC(dst []byte, text string) ([]byte, fit) {
	start, digits := len(dst), 0
	for i := range len(text) {
		c := text[i]
		switch lower := c | 0x20; {
		case '0' <= c && c <= '9' || 'a' <= lower && lower <= 'f':
			if digits == 12 {
				return dst[:start], misfits
			}
			if digits > 0 && digits%2 == 0 {
				dst = append(dst, ':')
			}
			dst = append(dst, c)
			digits++
		case c == ':' || c == '-' || c == '.':
		default:
			return dst[:start], misfits
		}
	}
	if digits != 12 {
		return dst[:start], misfits
	}
	return dst, fits
}

// Times are written as milliseconds since 1970-01-01 UTC, cut and not rounded. Both formats' readers take 13 digits
// for milliseconds and fewer for something else, which is 2001-09-09 to 2286-11-20.
const (
	leastMillis = 1_000_000_000_000
	mostMillis  = 9_999_999_999_999

	millisDigits = 13
)

func appendMillis(dst []byte, t time.Time) ([]byte, fit) {
	ms := t.UnixMilli()
	if ms < leastMillis || ms > mostMillis {
		return dst, misfits
	}
	return strconv.AppendInt(dst, ms, 10), fits
}

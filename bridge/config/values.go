package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Secret is a text that prints as ***, whatever prints it.
type Secret string

// String returns *** for every secret that is not empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// Format implements fmt.Formatter, so that no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal returns the secret itself, for the one place that sends or stores it.
func (s Secret) Reveal() string { return string(s) }

// Size is a number of bytes.
type Size int64

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

// parseSize reads a size such as "64MiB" or "10GiB".
func parseSize(text string) (Size, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		return Size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is no size; write it like 64MiB or 10GiB", text)
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	for i := len(sizeUnits) - 2; i >= 0; i-- {
		if u := sizeUnits[i]; s > 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// parseDuration reads a Go duration, with d for days as well: "90s", "1h30m", "7d". "" is 0.
func parseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	rest, negative := strings.CutPrefix(text, "-")
	var days time.Duration
	if head, tail, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseFloat(head, 64)
		if err != nil || n < 0 || n > 36500 {
			return 0, notADuration(text)
		}
		days, rest = time.Duration(n*24*float64(time.Hour)), tail
	}
	var d time.Duration
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || d < 0 {
			return 0, notADuration(text)
		}
	}
	if d += days; negative {
		d = -d
	}
	return d, nil
}

func notADuration(text string) error {
	return fmt.Errorf("%q is no duration; write it like 30s, 5m, 24h or 7d", text)
}

// ParseStart reads a source's start: how far back from now ("-24h"), or an RFC 3339 time.
func ParseStart(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := parseDuration(text)
	if err != nil || d > 0 {
		return time.Time{}, errors.New("write how far back, like -24h or -7d, or a time like 2026-11-23T00:00:00Z")
	}
	return now.Add(d), nil
}

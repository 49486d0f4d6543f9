package defender

import (
	"testing"
	"time"
)

// TestTimesAreReadAsTheLibraryDoes: the short cut for common times and time.Parse say the same of every text.
func TestTimesAreReadAsTheLibraryDoes(t *testing.T) {
	for _, s := range []string{"2026-11-23T10:11:12Z", "2026-11-23T10:11:12", "2026-11-23T10:11:12.1234567Z", "2026-11-23T10:11:12.123456789Z",
		"2026-11-23T10:11:12.1Z", "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00ZZ",
		"2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00.5+02:00", "2026-01-01t00:00:00z", "2026-01-01 00:00:00", "2026-1-01T00:00:00Z",
		"2026-01-01T00:00:-1Z", "2026-01-01T00:00:00,5Z", "9999-12-31T23:59:59.9999999Z", "0002-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567890Z"} {
		got, ok := utcTime(s)
		want, err := time.Parse(time.RFC3339Nano, s)
		if s[len(s)-1] != 'Z' {
			want, err = time.Parse("2006-01-02T15:04:05.999999999", s)
		}
		if ok && (err != nil || got != want.UTC()) {
			t.Errorf("%s: %v, but the library says %v, %v", s, got, want, err)
		}
	}
	for _, s := range []string{"2026-11-23T10:11:12.1234567Z", "2026-11-23T10:11:12"} {
		if _, ok := utcTime(s); !ok {
			t.Errorf("%s takes the long way", s)
		}
	}
}

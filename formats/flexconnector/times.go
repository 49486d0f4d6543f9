package flexconnector

import (
	"fmt"
	"strings"
	"time"
)

// goLayouts says what a run of a letter in a pattern of Java's SimpleDateFormat is in a layout of Go. Fractions are
// not in it: Go reads as many digits as there are behind the seconds, whatever the layout says. (SimpleDateFormat takes
// the seven digits that Microsoft writes for milliseconds and so moves the moment by up to 2 h 46 min.)
var goLayouts = map[string]string{
	"yyyy": "2006", "yy": "06", "y": "2006", "MMMM": "January", "MMM": "Jan", "MM": "01", "M": "1", "dd": "02", "d": "2",
	"HH": "15", "H": "15", "hh": "03", "h": "3", "mm": "04", "m": "4", "ss": "05", "s": "5", "a": "PM",
	"EEE": "Mon", "EEEE": "Monday", "z": "MST", "Z": "-0700", "X": "Z07", "XX": "Z0700", "XXX": "Z07:00",
}

// goLayout translates a pattern of SimpleDateFormat.
func goLayout(pattern string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			text, n := quotedText(pattern[i:])
			if strings.Trim(text, "CGMTUZ ") != "" {
				return "", fmt.Errorf("the text %q in the pattern of a time", text)
			}
			b.WriteString(text)
			i += n
			continue
		case c|0x20 < 'a' || c|0x20 > 'z':
			if '0' <= c && c <= '9' || c == '_' {
				return "", fmt.Errorf("%q in the pattern of a time", c)
			}
			b.WriteByte(c)
			i++
			continue
		}
		n := len(pattern[i:]) - len(strings.TrimLeft(pattern[i:], string(c)))
		run := pattern[i : i+n]
		i += n
		if c == 'S' {
			layout := b.String()
			if !strings.HasSuffix(layout, "05.") && !strings.HasSuffix(layout, "05,") {
				return "", fmt.Errorf("%q in the pattern of a time stands not behind the seconds", run)
			}
			b.Reset()
			b.WriteString(layout[:len(layout)-1])
			continue
		}
		to, ok := goLayouts[run]
		if !ok {
			return "", fmt.Errorf("%q in the pattern of a time", run)
		}
		b.WriteString(to)
	}
	return b.String(), nil
}

// quotedText reads a text in single quotes; two quotes are one.
func quotedText(s string) (text string, n int) {
	if strings.HasPrefix(s, "''") {
		return "'", 2
	}
	end := strings.IndexByte(s[1:], '\'')
	if end < 0 {
		return s[1:], len(s)
	}
	return s[1 : end+1], end + 2
}

// parseTime reads a moment, in UTC where no zone is said. What is not of the pattern but a time as Microsoft writes it
// is read as that; "" is no moment.
func parseTime(layout, text string) string {
	text = strings.TrimSpace(text)
	for _, l := range []string{layout, time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(l, text); err == nil {
			return t.UTC().Format(time.RFC3339Nano)
		}
	}
	return ""
}

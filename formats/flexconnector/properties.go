package flexconnector

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Property is one entry of a Java properties file.
type Property struct {
	Key, Value string // escapes resolved
	Line       int    // where it begins, from 1
}

// Problem is a line that is not understood. It never shows a value, which may be a secret.
type Problem struct {
	Line int    // from 1
	Key  string // of the entry; "" when there is none
	Text string // what is wrong with it
}

// String writes a problem as one line of text.
func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("line %d: %s: %s", p.Line, p.Key, p.Text)
}

// Problems are all lines that are not understood.
type Problems []Problem

// Error lists them, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.String()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(at Property, format string, args ...any) {
	*p = append(*p, Problem{Line: at.Line, Key: at.Key, Text: fmt.Sprintf(format, args...)})
}

// MaxFile is the largest file in bytes that is read.
const MaxFile = 1 << 20

// maxKey is how much of a key is shown in a problem.
const maxKey = 80

// ReadProperties reads a Java properties file as java.util.Properties.load does: comments begin with # or !, a
// backslash at the end of a line continues it, a key ends at the first =, : or blank, and \t \n \r \f \uXXXX are
// escapes while any other escaped character stands for itself. Text is as DecodeText takes it.
func ReadProperties(text []byte) []Property {
	var all []Property
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(DecodeText(text)), "\n")
	for i := 0; i < len(lines); i++ {
		begin := i
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		var whole strings.Builder
		for continues(line) && i+1 < len(lines) {
			whole.WriteString(line[:len(line)-1])
			i++
			line = strings.TrimLeft(lines[i], " \t\f")
		}
		whole.WriteString(strings.TrimSuffix(line, "\\"[:oddBackslashes(line)]))
		key, value := splitProperty(whole.String())
		all = append(all, Property{Key: unescape(key), Value: unescape(value), Line: begin + 1})
	}
	return all
}

// continues reports whether a line ends in an odd number of backslashes.
func continues(line string) bool { return oddBackslashes(line) == 1 }

func oddBackslashes(line string) int {
	return (len(line) - len(strings.TrimRight(line, `\`))) % 2
}

// splitProperty cuts an entry at the first separator that is not escaped.
func splitProperty(s string) (key, value string) {
	end := len(s)
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", s[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(s[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	return s[:end], rest
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, n := unicodeEscape(s[i+1:])
			b.WriteRune(r)
			i += n
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// unicodeEscape reads the four digits of \uXXXX, and of the second half of a pair.
func unicodeEscape(s string) (r rune, n int) {
	code, ok := fourDigits(s)
	if !ok {
		return 'u', 0
	}
	if utf16.IsSurrogate(code) && strings.HasPrefix(s[4:], `\u`) {
		if low, ok := fourDigits(s[6:]); ok {
			return utf16.DecodeRune(code, low), 10
		}
	}
	return code, 4
}

func fourDigits(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(n), err == nil
}

// DecodeText turns the bytes of a file, which may be UTF-8, UTF-16 with a byte-order mark, or Latin-1, into UTF-8 without
// that mark.
func DecodeText(b []byte) string {
	switch {
	case strings.HasPrefix(string(b), "\xef\xbb\xbf"):
		return string(b[3:])
	case strings.HasPrefix(string(b), "\xff\xfe"), strings.HasPrefix(string(b), "\xfe\xff"):
		little := b[0] == 0xff
		units := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			low, high := b[i], b[i+1]
			if !little {
				low, high = high, low
			}
			units = append(units, uint16(high)<<8|uint16(low))
		}
		return string(utf16.Decode(units))
	case utf8.Valid(b):
		return string(b)
	}
	runes := make([]rune, len(b)) // Latin-1
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

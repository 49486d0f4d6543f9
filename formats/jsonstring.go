package formats

import (
	"bytes"
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789abcdef"

// appendJSONString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD; control characters, line and paragraph
// separators and bidirectional overrides are escaped, so that the line is one line to every reader and shows no
// order but its own.
func appendJSONString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c == '\r':
				dst = append(dst, '\\', 'r')
			case c == '\t':
				dst = append(dst, '\\', 't')
			case c < ' ' || c == 0x7f:
				dst = appendUnicodeEscape(dst, rune(c))
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, size := decodeRune(s[i:])
		i += size
		if escapesInJSON(r) {
			dst = appendUnicodeEscape(dst, r)
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	return append(dst, '"')
}

// decodeRune decodes the first character of s; the short copy never leaves the stack.
func decodeRune[T string | []byte](s T) (rune, int) {
	return utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
}

func escapesInJSON(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// escapeInJSON escapes in the JSON text that stands in b from from on what appendJSONString escapes: such characters stand
// in strings alone.
func escapeInJSON(b []byte, from int) []byte {
	from += plainRun(unsafe.String(unsafe.SliceData(b[from:]), len(b)-from), 0) // nearly every text to its end
	text := b[from:]
	if !bytes.ContainsFunc(text, escapesInJSON) {
		return b
	}
	b = b[:from]
	for _, r := range string(text) {
		if escapesInJSON(r) {
			b = appendUnicodeEscape(b, r)
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

func appendUnicodeEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

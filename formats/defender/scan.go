package defender

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// refused is what the scanner returns in place of an index for a text that it leaves to the JSON library: what is no
// JSON, and what is rare (invalid UTF-8, half a surrogate pair, deep nesting).
const refused = -1

// maxDepth is how deep objects and lists are followed.
const maxDepth = 64

// blank returns the index of the first byte from i on that is no white space.
func blank(b []byte, i int) int {
	const space = 1<<' ' | 1<<'\n' | 1<<'\r' | 1<<'\t'
	for i < len(b) && b[i] <= ' ' && uint64(space)>>b[i]&1 != 0 {
		i++
	}
	return i
}

// at returns the byte at i, or 0 behind the end: no JSON text goes on with a NUL.
func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// begins reports whether the text at i begins with an opening and goes on behind it.
func begins(b []byte, i int, opening string) bool {
	return len(b)-i > len(opening) && string(b[i:i+len(opening)]) == opening
}

// stringEnd returns the index of the quote that ends the string whose first character is at i. It accepts what RFC
// 8259 section 7 does, in valid UTF-8.
func stringEnd(b []byte, i int) (end int, escaped bool) {
	for {
		i = plainEnd(b, i)
		switch c := at(b, i); {
		case c == '"':
			return i, escaped
		case c == '\\':
			n := escapeLen(b, i)
			if n == 0 {
				return refused, true
			}
			escaped = true
			i += n
		case c < ' ':
			return refused, escaped
		default:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				return refused, escaped
			}
			i += size
		}
	}
}

// plainEnd returns the index of the first byte from i on that is a quote, a backslash, a control character or not
// ASCII. It looks at eight bytes at a time.
func plainEnd(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(b)-i >= 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// Each term has the top bit of a byte set where the byte is such a one; above the lowest it may err. With its
		// second bit turned over, a quote is the one byte besides the control characters that is below 0x21.
		quote, slash := w^2*ones, w^'\\'*ones
		found := (w | (quote - 0x21*ones) | (slash - ones)) & tops
		// A byte at or above 0x80 is found whatever the terms say; below it the borrows are exact for the lowest.
		if found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// escapeLen returns the length of the escape at i, 12 for a surrogate pair, 0 for what is none.
func escapeLen(b []byte, i int) int {
	switch at(b, i+1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r := hexRune(b, i+2)
		switch {
		case r < 0 || r >= 0xdc00 && r <= 0xdfff:
			return 0
		case r < 0xd800 || r > 0xdfff:
			return 6
		case at(b, i+6) == '\\' && at(b, i+7) == 'u':
			if low := hexRune(b, i+8); low >= 0xdc00 && low <= 0xdfff {
				return 12
			}
		}
	}
	return 0
}

// hexRune reads four hexadecimal digits; -1 when there are none.
func hexRune(b []byte, i int) (r rune) {
	if i+4 > len(b) {
		return -1
	}
	for _, c := range b[i : i+4] {
		switch lower := c | 0x20; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= lower && lower <= 'f':
			r = r<<4 | rune(lower-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// appendUnescaped appends a string that stringEnd has accepted.
func appendUnescaped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return append(dst, b...)
		}
		dst = append(dst, b[:i]...)
		switch c := b[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(b, i+2)
			if r >= 0xd800 && r <= 0xdfff {
				r = (r-0xd800)<<10 + hexRune(b, i+8) - 0xdc00 + 0x10000
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			i += 4
		default:
			dst = append(dst, c)
		}
		b = b[i+2:]
	}
}

// skip returns the index behind the value that begins at i.
func skip(b []byte, i, depth int) int {
	switch c := at(b, i); c {
	case '"':
		if i, _ = stringEnd(b, i+1); i < 0 {
			return refused
		}
		return i + 1
	case '{', '[':
		return skipNested(b, i, depth+1)
	default:
		return literalEnd(b, i)
	}
}

// skipNested is skip for an object or a list.
func skipNested(b []byte, i, depth int) int {
	if depth > maxDepth {
		return refused
	}
	closing := b[i] + 2 // in ASCII, '}' and ']' are two behind '{' and '['
	if i = blank(b, i+1); at(b, i) == closing {
		return i + 1
	}
	for {
		if closing == '}' {
			if _, _, i, _ = memberName(b, i); i < 0 {
				return refused
			}
		}
		if i = skip(b, i, depth); i < 0 {
			return refused
		}
		switch i = blank(b, i); at(b, i) {
		case ',':
			i = blank(b, i+1)
		case closing:
			return i + 1
		default:
			return refused
		}
	}
}

// memberName returns where the name that begins at i stands without its quotes, the index of the member's value, and
// whether the name has escapes.
func memberName(b []byte, i int) (start, end, value int, escaped bool) {
	if at(b, i) != '"' {
		return 0, 0, refused, false
	}
	start = i + 1
	end, escaped = stringEnd(b, start)
	if end < 0 {
		return 0, 0, refused, false
	}
	if i = blank(b, end+1); at(b, i) != ':' {
		return 0, 0, refused, false
	}
	return start, end, blank(b, i+1), escaped
}

// literalEnd returns the index behind the number, true, false or null that begins at i.
func literalEnd(b []byte, i int) int {
	switch at(b, i) {
	case 't':
		return wordEnd(b, i, "true")
	case 'f':
		return wordEnd(b, i, "false")
	case 'n':
		return wordEnd(b, i, "null")
	case '-':
		i++
	}
	switch c := at(b, i); {
	case c == '0':
		i++
	case '1' <= c && c <= '9':
		i = digitsEnd(b, i)
	default:
		return refused
	}
	if at(b, i) == '.' {
		from := i + 1
		if i = digitsEnd(b, from); i == from {
			return refused
		}
	}
	if c := at(b, i); c == 'e' || c == 'E' {
		i++
		if c := at(b, i); c == '+' || c == '-' {
			i++
		}
		from := i
		if i = digitsEnd(b, from); i == from {
			return refused
		}
	}
	return i
}

func wordEnd(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return refused
	}
	return i + len(word)
}

func digitsEnd(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

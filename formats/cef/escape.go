package cef

import (
	"encoding/binary"
	"math/bits"
)

// The four escapes of an extension value and the two of a header field: CEF Implementation Standard, "Character
// Encoding". Strict readers refuse any other.

// appendValue appends a cleaned extension value, escaped.
func appendValue(dst, v []byte) []byte {
	for {
		n := plainRun(v)
		dst = append(dst, v[:n]...)
		if n == len(v) {
			return dst
		}
		escaped := v[n]
		switch escaped {
		case '\n':
			escaped = 'n'
		case '\r':
			escaped = 'r'
		}
		dst, v = append(dst, '\\', escaped), v[n+1:]
	}
}

// plainRun returns how many bytes at the start of a cleaned value stand for themselves. It looks at eight bytes at a
// time.
func plainRun(v []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(v); i += 8 {
		w := binary.LittleEndian.Uint64(v[i:])
		slash, equals := w^'\\'*ones, w^'='*ones
		// Each term has the top bit of a byte set where the byte is a control character, a backslash, an equals sign; of
		// the bytes above the lowest such one it may say so of others. A cleaned value has no other control characters
		// than line ends.
		if found := ((w-' '*ones)&^w | (slash-ones)&^slash | (equals-ones)&^equals) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
	}
	for ; i < len(v); i++ {
		if c := v[i]; c == '\\' || c == '=' || c < ' ' {
			return i
		}
	}
	return i
}

// appendHeaderField appends a cleaned header field, escaped. The equals sign stays as it is: escaping it there is an
// error to strict readers.
func appendHeaderField[T string | []byte](dst []byte, v T) []byte {
	for i := range len(v) {
		if v[i] == '\\' || v[i] == '|' {
			dst = append(dst, '\\')
		}
		dst = append(dst, v[i])
	}
	return dst
}

package cef

// The four escapes of an extension value and the two of a header field: CEF Implementation Standard, "Character
// Encoding". Strict readers refuse any other.

// appendValue appends a cleaned extension value, escaped.
func appendValue(dst, v []byte) []byte {
	plain := 0
	for i, c := range v {
		var escaped byte
		switch c {
		case '\\', '=':
			escaped = c
		case '\n':
			escaped = 'n'
		case '\r':
			escaped = 'r'
		default:
			continue
		}
		dst = append(append(dst, v[plain:i]...), '\\', escaped)
		plain = i + 1
	}
	return append(dst, v[plain:]...)
}

func escapedLen(v []byte) int {
	n := len(v)
	for _, c := range v {
		if c == '\\' || c == '=' || c == '\n' || c == '\r' {
			n++
		}
	}
	return n
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

func escapedHeaderLen(v []byte) int {
	n := len(v)
	for _, c := range v {
		if c == '\\' || c == '|' {
			n++
		}
	}
	return n
}

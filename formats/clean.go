package formats

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Cleaning says what a format does with the characters that it cannot carry. In every format invalid UTF-8 becomes
// U+FFFD, a tab becomes a blank, NUL and other control characters, byte-order marks and bidirectional overrides are
// dropped, and blanks at both ends go.
type Cleaning struct {
	KeepNewlines bool // line ends stay, for formats that escape them; else each becomes one blank
	Delimiter    byte // an ASCII character that may not occur and becomes a blank; 0: none
	KeepControls bool // control characters stay, for formats that escape them all
}

// AppendClean appends s to dst, cleaned. It stops soon after limit bytes: what it appended is longer than limit
// exactly when the whole cleaned text would be. limit < 0: none.
func AppendClean(dst []byte, s string, how Cleaning, limit int) []byte {
	start := len(dst)
	if n := len(s); n > 0 && (limit < 0 || n <= limit) && plainRun(s, how.Delimiter) == n && s[0] != ' ' && s[n-1] != ' ' {
		return append(dst, s...) // nearly every text
	}
	for i := 0; i < len(s); {
		if limit >= 0 && len(dst)-start > limit && dst[len(dst)-1] > ' ' && dst[len(dst)-1] < utf8.RuneSelf {
			break
		}
		n := plainRun(s[i:], how.Delimiter)
		if n > 0 {
			run := s[i : i+n]
			if len(dst) == start && !how.KeepControls {
				run = trimBlanks(run)
			}
			if limit >= 0 && len(run) > 2*limit+64 {
				run = cutBeforeBlank(run, limit+1)
			}
			dst = append(dst, run...)
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\r' && !how.KeepNewlines && !how.KeepControls && i+1 < len(s) && s[i+1] == '\n' {
			size = 2
		}
		i += size
		if r = how.replace(r); r < 0 || len(dst) == start && unicode.IsSpace(r) && !how.KeepControls {
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	if how.KeepControls {
		return dst
	}
	return dst[:start+len(trimRight(dst[start:]))]
}

// plainRun returns how many bytes at the start of s are printable ASCII other than the delimiter. It looks at eight
// bytes at a time.
func plainRun(s string, delimiter byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	b, i := unsafe.Slice(unsafe.StringData(s), len(s)), 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		d := w ^ uint64(delimiter)*ones
		// Each term has the top bit of a byte set where the byte is below a blank, above a tilde, the delimiter; of the
		// bytes above the lowest such one it may say so of others.
		if found := ((w - ' '*ones) | (w + ones) | w | ((d - ones) &^ d)) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c > '~' || c == delimiter {
			return i
		}
	}
	return i
}

// look says what becomes of s in an event. clean: it stays as it is, since all of it is printable ASCII without the
// delimiter and no blank stands at an end, and the format has Escapes. escapes: one of them is in it.
func (l *Layout) look(s string) (clean, escapes bool) {
	if len(s) == 0 || s[0] == ' ' || s[len(s)-1] == ' ' || l.Escapes[0] == 0 {
		return false, false
	}
	const ones, lows, tops = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	delimiter, one, two := uint64(l.Clean.Delimiter)*ones, uint64(l.Escapes[0])*ones, uint64(l.Escapes[1])*ones
	b, others, last := unsafe.Slice(unsafe.StringData(s), len(s)), uint64(tops), uint64(0)
	if len(b) < 8 {
		last = shortWord(b)
	} else {
		last = binary.LittleEndian.Uint64(b[len(b)-8:])
	}
	for {
		w := last
		if len(b) > 8 {
			w = binary.LittleEndian.Uint64(b)
		}
		// Each term has the top bit of a byte set where the byte is above ASCII, above a tilde, below a blank, the
		// delimiter; sums of two ASCII characters never reach the next byte.
		if (w|(w+ones)|^(w+(tops-' '*ones))|^((w^delimiter)+lows))&tops != 0 {
			return false, false
		}
		others &= ((w ^ one) + lows) & ((w ^ two) + lows)
		if len(b) <= 8 {
			return true, others != tops
		}
		b = b[8:]
	}
}

// shortWord returns up to seven bytes with blanks behind them.
func shortWord(b []byte) uint64 {
	n := len(b)
	blanks := uint64(0x2020202020202020) << (8 * n)
	if n >= 4 {
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*n-32) | blanks
	}
	return uint64(b[0]) | uint64(b[n/2])<<(n/2*8) | uint64(b[n-1])<<(8*n-8) | blanks
}

func trimBlanks(s string) string {
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	return s
}

// cutBeforeBlank returns at least n bytes of s, ending in something else than a blank if there is any.
func cutBeforeBlank(s string, n int) string {
	for ; n < len(s); n++ {
		if s[n-1] != ' ' {
			return s[:n]
		}
	}
	return s
}

func trimRight(b []byte) []byte {
	for len(b) > 0 {
		r, size := utf8.DecodeLastRune(b)
		if !unicode.IsSpace(r) {
			break
		}
		b = b[:len(b)-size]
	}
	return b
}

// replace returns what stands for r, or -1 for nothing.
func (how Cleaning) replace(r rune) rune {
	if how.KeepControls {
		return r
	}
	switch r {
	case '\t', '\v', '\f':
		return ' '
	case '\n', '\r', '\u0085', '\u2028', '\u2029':
		switch {
		case !how.KeepNewlines:
			return ' '
		case r == '\r':
			return r
		}
		return '\n'
	case '\ufeff':
		return -1
	}
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return -1
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // bidirectional overrides and isolates
		return -1
	case how.Delimiter != 0 && r == rune(how.Delimiter):
		return ' '
	}
	return r
}

// ellipsis ends a text that was cut.
const ellipsis = "..."

// cutText shortens b to at most limit bytes at the end of a character and ends it in an ellipsis.
func cutText(b []byte, limit int) []byte {
	if len(b) <= limit {
		return b
	}
	if limit < len(ellipsis) {
		return b[:0]
	}
	n := limit - len(ellipsis)
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return append(trimRight(b[:n]), ellipsis...)
}

// guard takes from a value, which stands in the arena from start on, what would look like a pair of the event to readers
// of formats without escapes: some end a value at a blank before a word and an equals sign, whatever the delimiter,
// others read only what follows the last pipe of the line. Where such a word is a key that events have, its equals sign
// becomes the full-width one (U+FF1D).
func (e *Event) guard(start int) {
	if e.table.guarded == nil {
		return
	}
	for i := e.imitation(start, start); i >= 0; i = e.imitation(start, i+1) {
		const wide = "\uff1d"
		e.arena = append(e.arena, wide[1:]...)
		copy(e.arena[i+len(wide):], e.arena[i+1:])
		copy(e.arena[i:], wide)
	}
}

// imitation returns where from from on the equals sign of the next such pair stands, -1: nowhere.
func (e *Event) imitation(start, from int) int {
	arena := e.arena
	for i := from; ; i++ {
		n := bytes.IndexByte(arena[i:], '=')
		if n < 0 {
			return -1
		}
		i += n
		word := i
		for word > start && isAlphanumeric(arena[word-1]) {
			word--
		}
		if word > start && (arena[word-1] == ' ' || arena[word-1] == '|') && e.guards(arena[word:i]) {
			return i
		}
	}
}

// guards reports whether no value may imitate a key: one of the table, of the format, or of the source's configuration.
func (e *Event) guards(key []byte) bool {
	return e.table.guarded[string(key)] || slices.ContainsFunc(e.d.Extra, func(p Pair) bool { return p.Key == string(key) })
}

func isAlphanumeric(c byte) bool {
	lower := c | 0x20
	return '0' <= c && c <= '9' || 'a' <= lower && lower <= 'z'
}

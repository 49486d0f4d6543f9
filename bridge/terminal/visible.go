package terminal

import (
	"strings"
	"unicode"
)

// Visible shows tabs as ⇥ and other control characters as ?, so that what came from outside cannot drive the terminal.
func Visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return '⇥'
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return '?'
		}
		return r
	}, text)
}

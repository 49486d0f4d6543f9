package formatstest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/siembridge/siembridge/formats"
)

// Clean is what a text has to be after cleaning, said in the plainest way: it is what the encoders are held against.
func Clean(s string, keepNewlines bool, delimiter rune) string {
	s = string([]rune(s)) // each invalid byte becomes U+FFFD
	if !keepNewlines {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	if keepNewlines {
		s = keptNewlines.Replace(s)
	} else {
		s = blankNewlines.Replace(s)
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return r
		case r < 0x20, 0x7f <= r && r <= 0x9f, r == 0xfeff, 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069:
			return -1
		case delimiter != 0 && r == delimiter:
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

var (
	keptNewlines  = strings.NewReplacer("\u0085", "\n", "\u2028", "\n", "\u2029", "\n", "\t", " ", "\v", " ", "\f", " ")
	blankNewlines = strings.NewReplacer("\n", " ", "\r", " ", "\u0085", " ", "\u2028", " ", "\u2029", " ", "\t", " ", "\v", " ", "\f", " ")
)

// CheckPairs holds decoded pairs against a detection in which every text field is the same text, whose cleaned form
// is clean. It returns what is wrong.
func CheckPairs(rows []formats.Row, pairs map[string]string, clean string) error {
	known := map[string]bool{}
	for _, r := range rows {
		known[r.Key] = true
		got, present := pairs[r.Key]
		if r.Type != formats.ValueText || r.From == "shortened" || r.From == "service_word" ||
			strings.Contains(r.From, "words:") || strings.Contains(r.From, " / ") || strings.Contains(r.From, " # ") ||
			r.From == "remediation_success" || r.From == "was_executing" || strings.HasPrefix(r.From, `"`) {
			continue
		}
		if !present {
			if clean != "" && len(clean) <= r.Max && r.When == "" {
				return fmt.Errorf("%s is missing", r.Key)
			}
			continue
		}
		if err := checkValue(got, clean, r.Max); err != nil {
			return fmt.Errorf("%s: %w", r.Key, err)
		}
	}
	for key := range pairs {
		if !known[key] && !known[strings.TrimSuffix(key, "Label")] {
			return fmt.Errorf("the event has a key %q that the table does not have", key)
		}
	}
	return nil
}

func checkValue(got, clean string, longest int) error {
	switch {
	case len(got) > longest:
		return fmt.Errorf("%d bytes are longer than %d", len(got), longest)
	case !utf8.ValidString(got):
		return fmt.Errorf("%q is not valid UTF-8", got)
	case len(clean) <= longest && got != clean:
		return fmt.Errorf("got %.80q, want %.80q", got, clean)
	case len(clean) <= longest:
		return nil
	}
	sum := sha256.Sum256([]byte(clean))
	if rest, ok := strings.CutPrefix(got, "sha256:"); ok && strings.HasPrefix(hex.EncodeToString(sum[:]), rest) {
		return nil
	}
	kept, ok := strings.CutSuffix(got, "...")
	if !ok || !strings.HasPrefix(clean, kept) {
		return fmt.Errorf("got %.80q, which is no cut form of %.80q", got, clean)
	}
	// Blanks before the cut are trimmed, and a character may take four bytes.
	if rest := strings.TrimSpace(clean[len(kept):min(len(clean), longest-3)]); len(rest) > 3 {
		return fmt.Errorf("cut to %d bytes although %d were allowed", len(got), longest)
	}
	return nil
}

// ReadLEEF reads one LEEF event by the letter of the format, with exact separators and no tolerance.
func ReadLEEF(event string) (header []string, pairs map[string]string, err error) {
	n := 5
	if strings.HasPrefix(event, "LEEF:2.0|") {
		n = 6
	} else if !strings.HasPrefix(event, "LEEF:1.0|") {
		return nil, nil, fmt.Errorf("%.40q is no LEEF header", event)
	}
	parts := strings.SplitN(event, "|", n+1)
	if len(parts) != n+1 {
		return nil, nil, fmt.Errorf("the header has %d fields", len(parts)-1)
	}
	delimiter := "\t"
	if n == 6 && parts[5] == "^" {
		delimiter = "^"
	} else if n == 6 && parts[5] != "0x09" {
		return nil, nil, fmt.Errorf("delimiter %q", parts[5])
	}
	pairs = map[string]string{}
	for _, pair := range strings.Split(parts[n], delimiter) {
		key, value, ok := strings.Cut(pair, "=")
		if _, twice := pairs[key]; !ok || key == "" || value == "" || twice {
			return nil, nil, fmt.Errorf("pair %.80q", pair)
		}
		// One blank guards a backslash at the end.
		if strings.HasSuffix(value, `\ `) {
			value = strings.TrimSuffix(value, " ")
		}
		pairs[key] = value
	}
	return parts[:n], pairs, clean(event)
}

// ReadCEF reads one CEF event by the letter of the format.
func ReadCEF(event string) (header []string, pairs map[string]string, err error) {
	rest, ok := strings.CutPrefix(event, "CEF:")
	if !ok {
		return nil, nil, fmt.Errorf("%.40q is no CEF header", event)
	}
	for range 7 {
		var field string
		if field, rest, err = headerField(rest); err != nil {
			return nil, nil, err
		}
		header = append(header, field)
	}
	pairs = map[string]string{}
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if _, twice := pairs[key]; !ok || twice || key == "" || strings.ContainsAny(key, " \\|") {
			return nil, nil, fmt.Errorf("key %.80q", key)
		}
		if pairs[key], rest, err = extensionValue(after); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return header, pairs, clean(event)
}

func headerField(s string) (field, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '|':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == '|'):
			i++
		case s[i] == '\\':
			return "", "", fmt.Errorf("escape at %.20q", s[i:])
		}
		b.WriteByte(s[i])
	}
	return "", "", fmt.Errorf("the header ends early")
}

// extensionValue reads up to the blank before the next unescaped equals sign's key.
func extensionValue(s string) (value, rest string, err error) {
	end := len(s)
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if s[i] == '=' {
			end = strings.LastIndexByte(s[:i], ' ')
			if end < 0 {
				return "", "", fmt.Errorf("an equals sign that is not escaped at %.20q", s[i:])
			}
			rest = s[end+1:]
			break
		}
	}
	var b strings.Builder
	for i := 0; i < end; i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		plain := map[byte]byte{'\\': '\\', '=': '=', 'n': '\n', 'r': '\r'}[s[min(i, len(s)-1)]]
		if plain == 0 || i == end {
			return "", "", fmt.Errorf("escape at %.20q", s[i-1:])
		}
		b.WriteByte(plain)
	}
	if b.Len() == 0 {
		return "", "", fmt.Errorf("no value")
	}
	return b.String(), rest, nil
}

// clean says whether an event keeps to what every format promises.
func clean(event string) error {
	if i := strings.IndexAny(event, "\n\r\x00"); i >= 0 {
		return fmt.Errorf("byte %#x at %d", event[i], i)
	}
	if !utf8.ValidString(event) {
		return fmt.Errorf("not valid UTF-8")
	}
	return nil
}

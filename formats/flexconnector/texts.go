package flexconnector

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// split returns one part of a text; the first one has the index 1.
func split(args []node) (func([]string) string, error) {
	text, err := constant(args[2])
	if err != nil {
		return nil, err
	}
	index, err := strconv.Atoi(text)
	if err != nil || index < 1 {
		return nil, fmt.Errorf("%q is no index; the first part has the index 1", text)
	}
	return func(args []string) string {
		if args[1] == "" {
			return ""
		}
		parts := strings.Split(args[0], args[1])
		if index > len(parts) {
			return ""
		}
		return parts[index-1]
	}, nil
}

// regular compiles a Java regular expression. What RE2 does not have (look-around, back-references, possessive
// quantifiers) is a problem; what both have means the same.
func regular(n node, before, after string) (*regexp.Regexp, error) {
	text, err := constant(n)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(before + text + after)
	if err != nil {
		return nil, fmt.Errorf("the regular expression cannot be used here: %w", err)
	}
	return re, nil
}

// regexToken returns the first group of the first match.
func regexToken(before, after string, convert func([]string) string) func([]node) (func([]string) string, error) {
	return func(args []node) (func([]string) string, error) {
		re, err := regular(args[1], before, after)
		if err != nil {
			return nil, err
		}
		if re.NumSubexp() == 0 {
			return nil, errors.New("the regular expression has no group")
		}
		return func(args []string) string {
			m := re.FindStringSubmatch(args[0])
			if m == nil {
				return ""
			}
			return convert(m[1:2])
		}, nil
	}
}

func replace(most int) func([]node) (func([]string) string, error) {
	return func(args []node) (func([]string) string, error) {
		re, err := regular(args[1], "", "")
		if err != nil {
			return nil, err
		}
		to, err := constant(args[2])
		if err != nil {
			return nil, err
		}
		to = goTemplate(to)
		return func(args []string) string {
			var b []byte
			at := 0
			for _, m := range re.FindAllStringSubmatchIndex(args[0], most) {
				b = append(b, args[0][at:m[0]]...)
				b = re.ExpandString(b, to, args[0], m)
				at = m[1]
			}
			return string(append(b, args[0][at:]...))
		}, nil
	}
}

// goTemplate rewrites the replacement of Java's Matcher.replaceAll: $1 is a group, a backslash protects the next
// character.
func goTemplate(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] == '$' {
				b.WriteByte('$')
			}
			b.WriteByte(s[i])
		case s[i] == '$' && i+1 < len(s) && '0' <= s[i+1] && s[i+1] <= '9':
			i++
			b.WriteString("${" + s[i:i+1] + "}")
		case s[i] == '$':
			b.WriteString("$$")
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func simpleMap(args []node) (func([]string) string, error) {
	words := map[string]string{}
	for _, a := range args[1:] {
		pair, err := constant(a)
		if err != nil {
			return nil, err
		}
		from, to, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form from=to", pair)
		}
		words[from] = to
	}
	return func(args []string) string { return words[args[0]] }, nil
}

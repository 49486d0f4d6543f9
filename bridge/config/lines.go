package config

import (
	"strconv"
	"strings"
)

// lineIndex finds the line on which a key of a TOML text stands. The TOML library does not tell.
type lineIndex map[string]int

// indexLines reads the text once. Paths are those of keyPath: "log.level", "source[1].name".
func indexLines(text string) lineIndex {
	x := lineIndex{}
	counts := map[string]int{}
	table := ""
	open := scanState{}
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") { // a byte order mark is no part of the first line
		within := open.inside()
		rest := strings.TrimSpace(line)
		if !within {
			switch {
			case strings.HasPrefix(rest, "[["):
				name := headerName(rest[2:])
				table = element(counts, name)
				x.note(table, i+1)
			case strings.HasPrefix(rest, "["):
				table = within0(counts, headerName(rest[1:]))
				x.note(table, i+1)
			default:
				if key, _, ok := cutKey(rest); ok {
					x.note(join(table, key), i+1)
				}
			}
		}
		if within || !strings.HasPrefix(rest, "[") {
			open.scan(line)
		}
	}
	return x
}

func (x lineIndex) note(path string, line int) {
	if _, ok := x[path]; !ok {
		x[path] = line
	}
}

// line returns where path stands, or the nearest table around it; 0 when nothing is known.
func (x lineIndex) line(path string) int {
	for path != "" {
		if n, ok := x[path]; ok {
			return n
		}
		cut := strings.LastIndexByte(path, '.')
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return x[path]
}

// element returns the path of the next element of an array of tables.
func element(counts map[string]int, name string) string {
	path := within0(counts, parent(name))
	path = join(path, last(name))
	n := counts[path]
	counts[path] = n + 1
	return path + "[" + strconv.Itoa(n) + "]"
}

// within0 returns the path of a table; a part of it that is an array of tables means its newest element.
func within0(counts map[string]int, name string) string {
	path := ""
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			continue
		}
		path = join(path, part)
		if n := counts[path]; n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
		}
	}
	return path
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

func parent(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return ""
}

func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// headerName is the name between the brackets of a table's header, without quotes and blanks.
func headerName(s string) string {
	s, _, _ = strings.Cut(s, "]")
	return cleanKey(s)
}

// cutKey splits "key = value"; dotted and quoted keys come out with dots and without quotes.
func cutKey(line string) (key, value string, ok bool) {
	if line == "" || line[0] == '#' {
		return "", "", false
	}
	quote := byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '=':
			return cleanKey(line[:i]), line[i+1:], true
		}
	}
	return "", "", false
}

func cleanKey(s string) string {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(p), `"'`)
	}
	return strings.Join(parts, ".")
}

// scanState knows whether a line begins inside a multi-line string or array.
type scanState struct {
	quote string // "\"\"\"" or "'''" while inside one
	depth int    // of open brackets
}

func (s *scanState) inside() bool { return s.quote != "" || s.depth > 0 }

func (s *scanState) scan(line string) {
	for line != "" {
		if s.quote != "" {
			i := strings.Index(line, s.quote)
			if i < 0 {
				return
			}
			line, s.quote = line[i+3:], ""
			continue
		}
		switch c := line[0]; {
		case strings.HasPrefix(line, `"""`) || strings.HasPrefix(line, "'''"):
			s.quote, line = line[:3], line[3:]
			continue
		case c == '"' || c == '\'':
			line = afterString(line, c)
			continue
		case c == '#':
			return
		case c == '[' || c == '{':
			s.depth++
		case (c == ']' || c == '}') && s.depth > 0:
			s.depth--
		}
		line = line[1:]
	}
}

// afterString returns what follows a one-line string that begins line.
func afterString(line string, quote byte) string {
	for i := 1; i < len(line); i++ {
		if line[i] == '\\' && quote == '"' {
			i++
			continue
		}
		if line[i] == quote {
			return line[i+1:]
		}
	}
	return ""
}

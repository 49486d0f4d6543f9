package flexconnector

import (
	"errors"
	"fmt"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// node is a compiled expression: a token, a literal or a function of others. A moment is text in RFC 3339; "" is what
// ArcSight calls null.
type node interface {
	eval(d *formats.Detection) string
}

// literal is a constant.
type literal string

func (l literal) eval(*formats.Detection) string { return string(l) }

// call is a function with its arguments.
type call struct {
	apply func(args []string) string
	args  []node
}

func (c *call) eval(d *formats.Detection) string {
	values := make([]string, len(c.args))
	for i, a := range c.args {
		values[i] = a.eval(d)
	}
	return c.apply(values)
}

// when is what conditionalmap makes of a field: other values of it when some field has one of some values.
type when struct {
	field           node
	values          map[string]bool
	then, otherwise node
}

func (w *when) eval(d *formats.Detection) string {
	if w.values[w.field.eval(d)] {
		return w.then.eval(d)
	}
	return w.otherwise.eval(d)
}

// maxDepth is how deep functions may be nested.
const maxDepth = 32

// parseExpr compiles an expression: the name of a token, or a function over tokens, literals in double quotes and
// other functions.
func parseExpr(text string, tokens map[string]*token) (node, error) {
	p := exprParser{text: text, tokens: tokens}
	n, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.at < len(p.text) {
		return nil, fmt.Errorf("column %d: more than one expression", p.at+1)
	}
	return n, nil
}

type exprParser struct {
	text   string
	at     int
	tokens map[string]*token
}

func (p *exprParser) skip() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// word reads up to a comma or parenthesis.
func (p *exprParser) word() string {
	end := strings.IndexAny(p.text[p.at:], ",()\"")
	if end < 0 {
		end = len(p.text) - p.at
	}
	w := p.text[p.at : p.at+end]
	p.at += end
	return strings.TrimSpace(w)
}

func (p *exprParser) value(depth int) (node, error) {
	if depth > maxDepth {
		return nil, errors.New("functions are nested too deeply")
	}
	if p.skip(); p.at < len(p.text) && p.text[p.at] == '"' {
		s, err := p.quoted()
		return literal(s), err
	}
	name := p.word()
	switch {
	case p.at < len(p.text) && p.text[p.at] == '(':
		return p.function(name, depth)
	case name == "":
		return nil, fmt.Errorf("column %d: a value is missing", p.at+1)
	case p.tokens[name] != nil:
		return p.tokens[name], nil
	case isInteger(name):
		return literal(name), nil
	}
	return nil, fmt.Errorf("there is no token %q", name)
}

// quoted reads a literal in double quotes. A backslash before a quote protects it; any other one belongs to the text,
// as regular expressions need it.
func (p *exprParser) quoted() (string, error) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text) && p.text[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '\\' && i+1 < len(p.text):
			b.WriteString(p.text[i : i+2])
			i++
		case c == '"':
			p.at = i + 1
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("column %d: the quote is not closed", p.at+1)
}

func (p *exprParser) function(name string, depth int) (node, error) {
	f, ok := functions[name]
	if !ok {
		return nil, fmt.Errorf("the function %q is not known", name)
	}
	p.at++ // the parenthesis
	var args []node
	for p.skip(); ; p.skip() {
		if p.at < len(p.text) && p.text[p.at] == ')' && len(args) == 0 {
			break
		}
		arg, err := p.argument(&f, len(args), depth)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		p.skip()
		if p.at >= len(p.text) || p.text[p.at] != ',' && p.text[p.at] != ')' {
			return nil, fmt.Errorf("column %d: a comma or a closing parenthesis is missing", p.at+1)
		}
		if p.text[p.at] == ')' {
			break
		}
		p.at++
	}
	p.at++
	if len(args) < f.least || f.most >= 0 && len(args) > f.most {
		return nil, fmt.Errorf("%s has %d arguments, which is the wrong number", name, len(args))
	}
	apply, err := f.build(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &call{apply: apply, args: args}
	if f.constant {
		return literal(c.eval(nil)), nil
	}
	return c, nil
}

// argument reads one argument. Where a function wants a constant, parser files leave the quotes out now and then.
func (p *exprParser) argument(f *function, at, depth int) (node, error) {
	if p.skip(); f.literals>>at&1 == 1 && p.at < len(p.text) && p.text[p.at] != '"' {
		return literal(p.word()), nil
	}
	return p.value(depth + 1)
}

func isInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && len(digits) <= 18 && strings.Trim(digits, "0123456789") == ""
}

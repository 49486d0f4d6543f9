package delivery

import (
	"maps"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/siembridge/siembridge/formats"
)

// Filter decides by an expression over Detection fields whether a destination gets an event. Its language is that of
// github.com/expr-lang/expr; its names are those of formats.FieldNames, and the severities in their order:
// informational < unknown < low < medium < high. A flag that a record does not have is false.
//
// A Filter is used by one goroutine at a time.
type Filter struct {
	program *vm.Program
	used    []formats.Field
	env     map[string]any // what the program sees; refilled for each detection
}

// clone returns a filter for another goroutine.
func (f *Filter) clone() *Filter {
	return &Filter{program: f.program, used: f.used, env: cloneEnv(f.env)}
}

// cloneEnv clones groups, too, since set writes into them.
func cloneEnv(env map[string]any) map[string]any {
	env = maps.Clone(env)
	for name, v := range env {
		if group, ok := v.(map[string]any); ok {
			env[name] = cloneEnv(group)
		}
	}
	return env
}

// severityNames are the words that a filter compares severity with.
var severityNames = []formats.Severity{
	formats.SeverityInformational, formats.SeverityUnknown, formats.SeverityLow, formats.SeverityMedium, formats.SeverityHigh,
}

// NewFilter compiles an expression. The error says what is wrong and at which column, of each part that and, or and not
// join; an unknown field is one. Of what cannot be parsed, the parts are those outside of brackets.
func NewFilter(expression string) (*Filter, error) {
	env := map[string]any{}
	for _, s := range severityNames {
		env[s.String()] = int(s)
	}
	var none formats.Detection
	for _, name := range formats.FieldNames() {
		field, err := formats.FieldByName(name)
		if err != nil {
			return nil, err
		}
		set(env, name, filterValue(field, &none))
	}
	names := &namesUsed{}
	options := []expr.Option{expr.Env(typesOf(env)), expr.AsBool(), expr.WarnOnAny()}
	program, err := expr.Compile(expression, append(options, expr.Patch(names))...)
	if err != nil {
		return nil, mistakes(expression, options, err)
	}
	f := &Filter{program: program, env: env}
	for _, name := range formats.FieldNames() {
		if names.mentions(name) {
			field, _ := formats.FieldByName(name)
			f.used = append(f.used, field)
		}
	}
	return f, nil
}

// Keep reports whether d passes. A filter that cannot be evaluated for a record keeps it: an event too many is better
// than one lost.
func (f *Filter) Keep(d *formats.Detection) bool {
	for _, field := range f.used {
		set(f.env, field.Name(), filterValue(field, d))
	}
	out, err := expr.Run(f.program, f.env)
	if err != nil {
		return true
	}
	keep, ok := out.(bool)
	return keep || !ok
}

// filterValue is a field's value in the types of the expression language.
func filterValue(f formats.Field, d *formats.Detection) any {
	switch f.Type() {
	case formats.TypeList:
		return f.List(d)
	case formats.TypeTime:
		return f.Time(d)
	case formats.TypeSeverity:
		s := f.Severity(d)
		if s == formats.SeverityNone {
			s = formats.SeverityUnknown
		}
		return int(s)
	case formats.TypeFlag:
		return f.Flag(d) == formats.FlagTrue
	}
	return f.Text(d)
}

// typesOf makes the compiler refuse members that do not exist, also of nested groups.
func typesOf(env map[string]any) types.Map {
	m := types.Map{}
	for name, v := range env {
		if group, ok := v.(map[string]any); ok {
			m[name] = typesOf(group)
		} else {
			m[name] = types.TypeOf(v)
		}
	}
	return m
}

// set stores v under a dotted name: "device.name" is the member name of the member device.
func set(env map[string]any, name string, v any) {
	group, member, nested := strings.Cut(name, ".")
	if !nested {
		env[name] = v
		return
	}
	m, ok := env[group].(map[string]any)
	if !ok {
		m = map[string]any{}
		env[group] = m
	}
	set(m, member, v)
}

// namesUsed collects every name an expression mentions, so that only those fields are read for each record.
type namesUsed struct{ names []string }

// Visit implements ast.Visitor.
func (n *namesUsed) Visit(node *ast.Node) {
	switch at := (*node).(type) {
	case *ast.IdentifierNode:
		n.names = append(n.names, at.Value)
	case *ast.StringNode: // the member of a member access, among other strings: one too many does no harm
		n.names = append(n.names, at.Value)
	}
}

// mentions reports whether every part of a dotted name occurs.
func (n *namesUsed) mentions(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		found := false
		for _, used := range n.names {
			found = found || used == part
		}
		if !found {
			return false
		}
	}
	return true
}

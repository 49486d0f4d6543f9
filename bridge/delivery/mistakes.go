package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"
)

// joins are the operators between the parts of an expression that stand on their own.
var joins = []string{"&&", "||", "and", "or"}

// mistakes says what is wrong with an expression, of which the compiler has found the first mistake: it ends with that
// one, so the parts are checked one by one.
func mistakes(expression string, options []expr.Option, first error) error {
	config := conf.CreateNew()
	for _, option := range options {
		option(config)
	}
	config.Check()
	pieces := []string{expression}
	_, unparsed := parser.ParseWithConfig(expression, config)
	if unparsed != nil {
		pieces = parts(expression)
	}
	var texts []string
	broken := false
	for _, piece := range pieces {
		tree, err := parser.ParseWithConfig(piece, config)
		switch {
		case err == nil:
			texts = append(texts, mistyped(tree, tree.Node, config)...)
		case !broken: // what it is in the whole says more than the end of the part
			broken = true
			texts = append(texts, atColumn(first))
		default:
			texts = append(texts, atColumn(err))
		}
	}
	if len(texts) == 0 || unparsed != nil && !broken {
		return errors.New(atColumn(first))
	}
	return errors.New(strings.Join(texts, "; "))
}

// mistyped checks a node of an expression that can be parsed: what and, or and not join, each for itself.
func mistyped(tree *parser.Tree, node ast.Node, config *conf.Config) (texts []string) {
	switch n := node.(type) {
	case *ast.BinaryNode:
		if slices.Contains(joins, n.Operator) {
			return append(mistyped(tree, n.Left, config), mistyped(tree, n.Right, config)...)
		}
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return mistyped(tree, n.Node, config)
		}
	}
	if _, err := checker.Check(&parser.Tree{Node: node, Source: tree.Source}, config); err != nil {
		texts = append(texts, atColumn(err))
	}
	return texts
}

// parts cuts an expression that cannot be parsed at the joins outside of brackets. Blanks stand for what goes before a
// part, so that its columns are the expression's. One with other operators that reach as far is a single part.
func parts(expression string) (parts []string) {
	tokens, err := lexer.Lex(file.NewSource(expression))
	if err != nil {
		return []string{expression}
	}
	text := []rune(expression)
	depth, from := 0, 0
	cut := func(to int) { parts = append(parts, strings.Repeat(" ", from)+string(text[from:to])) }
	for _, token := range tokens {
		switch {
		case token.Is(lexer.Bracket, "(", "[", "{"):
			depth++
		case token.Is(lexer.Bracket):
			depth--
		case token.Is(lexer.Operator, "?", ":", ";", "let", "if", "else"):
			return []string{expression}
		case depth == 0 && token.Is(lexer.Operator, joins...):
			cut(token.From)
			from = token.To
		}
	}
	cut(len(text))
	return parts
}

// atColumn is a compiler's error in one line.
func atColumn(err error) string {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Sprintf("column %d: %s", at.Column+1, at.Message)
	}
	return err.Error()
}

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// TestNamesAreDocumented: every exported name, field and method of the module has a comment, since go doc is the
// reference of those who use a package. Lines that follow a comment directly share it, as the fields of a struct on one line
// share the type's. A key of the configuration has its text in the tags that the example is made of, a table in its type.
func TestNamesAreDocumented(t *testing.T) {
	set := token.NewFileSet()
	packages := map[string]bool{} // by folder: whether a file has the package comment
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		packages[filepath.Dir(path)] = packages[filepath.Dir(path)] || file.Doc != nil
		for _, name := range undocumented(set, file) {
			t.Errorf("%s: %s has no comment", set.Position(name.pos), name.name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 20 {
		t.Errorf("only %d packages were found", len(packages))
	}
	for dir, documented := range packages {
		if !documented {
			t.Errorf("%s: the package has no comment", dir)
		}
	}
}

func TestUndocumented(t *testing.T) {
	const text = `package p
import "io"
type A struct {
	B int // documented
	C int
	// D and E share this.
	D int
	E int

	F, g int
	H int ` + "`key:\"h\" help:\"has a help\"`" + `
	I int ` + "`key:\"i\"`" + `
	U V ` + "`key:\"u\"`" + `
	io.Reader
}
// V is on one line.
type V struct { W, X int }
// J is documented.
type J interface {
	K() // documented
	L()
}
// The constants.
const (
	M = 1
	N = 2
)
var O, p int
func Q() {}
func (A) R() {}
func (q) S() {}
func (*A) T() {}
type q struct { U int }
`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range undocumented(set, file) {
		names = append(names, n.name)
	}
	if got, want := strings.Join(names, " "), "A A.C A.F A.I J.L O Q A.R A.T"; got != want {
		t.Errorf("without a comment are %s, not %s", got, want)
	}
}

// located is a name and where it stands.
type located struct {
	name string
	pos  token.Pos
}

// undocumented returns the exported names of a file that have no comment, in its order.
func undocumented(set *token.FileSet, file *ast.File) (names []located) {
	missing := func(prefix string, idents []*ast.Ident, comments ...*ast.CommentGroup) {
		for _, c := range comments {
			if c != nil {
				return
			}
		}
		for _, id := range idents {
			if id.IsExported() {
				names = append(names, located{prefix + id.Name, id.Pos()})
			}
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			receiver := receiverOf(d)
			if receiver == "" || ast.IsExported(strings.TrimSuffix(receiver, ".")) {
				missing(receiver, []*ast.Ident{d.Name}, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					missing("", s.Names, d.Doc, s.Doc, s.Comment)
				case *ast.TypeSpec:
					missing("", []*ast.Ident{s.Name}, d.Doc, s.Doc, s.Comment)
					if s.Name.IsExported() {
						names = append(names, undocumentedFields(set, s)...)
					}
				}
			}
		}
	}
	return names
}

// receiverOf is the type of a method and a dot; "" for a function.
func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	name := d.Recv.List[0].Type
	if star, ok := name.(*ast.StarExpr); ok {
		name = star.X
	}
	if generic, ok := name.(*ast.IndexExpr); ok {
		name = generic.X
	}
	id, ok := name.(*ast.Ident)
	if !ok {
		return ""
	}
	return id.Name + "."
}

// undocumentedFields returns the fields of an exported struct, and the methods of an exported interface, that have no
// comment.
func undocumentedFields(set *token.FileSet, s *ast.TypeSpec) (names []located) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return nil
	}
	shared := -1 // the last line that the comment above the lines before reaches
	if first := set.Position(s.Pos()).Line; first == set.Position(s.End()).Line {
		shared = first - 1
	}
	for _, f := range list.List {
		line := set.Position(f.Pos()).Line
		switch {
		case f.Doc != nil || line == shared+1:
			shared = set.Position(f.End()).Line
			continue
		case f.Comment != nil, f.Tag != nil && explained(f.Tag.Value), f.Tag != nil && isTable(f):
			continue
		}
		for _, id := range f.Names {
			if id.IsExported() {
				names = append(names, located{s.Name.Name + "." + id.Name, id.Pos()})
			}
		}
	}
	return names
}

// explained reports whether a field's tag holds its text, or the list of its values.
func explained(literal string) bool {
	tag, err := strconv.Unquote(literal)
	return err == nil && (reflect.StructTag(tag).Get("help") != "" || reflect.StructTag(tag).Get("values") != "")
}

// isTable reports whether a field is a table of the configuration, whose type says what it is.
func isTable(f *ast.Field) bool {
	tag, err := strconv.Unquote(f.Tag.Value)
	element := f.Type
	if list, ok := element.(*ast.ArrayType); ok {
		element = list.Elt
	}
	id, ok := element.(*ast.Ident)
	return err == nil && ok && id.IsExported() && reflect.StructTag(tag).Get("key") != ""
}

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// exampleHead begins config.example.toml.
const exampleHead = `# Every key of siembridge with its default. Durations are Go durations, and d for days; sizes are written like 64MiB.
# Only sources and destinations have keys that must be given; the smallest useful file is in the README.

`

// exampleFile returns config.example.toml: every key of the table with its default and its comment, and one source and
// one destination.
func exampleFile() string {
	var b strings.Builder
	b.WriteString(exampleHead)
	writeExample(&b, reflect.TypeFor[Config](), "")
	return b.String()
}

// writeExample writes the keys of a table, then the tables in it.
func writeExample(b *strings.Builder, table reflect.Type, path string) {
	var tables []reflect.StructField
	for f := range fieldsOf(table) {
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct {
			tables = append(tables, f)
			continue
		}
		writeCommented(b, f.Tag.Get("key")+" = "+exampleValue(f), comment(f))
	}
	for _, f := range tables {
		at := join(path, f.Tag.Get("key"))
		head, of := "["+at+"]", f.Type
		switch {
		case of == reflect.TypeFor[[]Field]():
			b.WriteByte('\n')
			writeCommented(b, head, comment(f))
			continue
		case of.Kind() == reflect.Slice:
			head, of = "["+head+"]", of.Elem()
		}
		b.WriteString("\n" + head + "\n")
		writeExample(b, of, at)
	}
}

func writeCommented(b *strings.Builder, line, comment string) {
	fmt.Fprintf(b, "%-44s # %s\n", line, comment)
}

// exampleValue is a key's value in TOML.
func exampleValue(f reflect.StructField) string {
	text, given := f.Tag.Lookup("example")
	if !given {
		text = f.Tag.Get("default")
	}
	switch {
	case f.Type == reflect.TypeFor[[]string]() && text == "":
		return "[]"
	case f.Type.Kind() == reflect.Bool, f.Type.Kind() == reflect.Int:
		return text
	}
	return strconv.Quote(text)
}

// comment is a key's help. The values that it may have come first, unless the help explains each of them.
func comment(f reflect.StructField) string {
	help, values := f.Tag.Get("help"), valuesOf(f)
	if !slices.ContainsFunc(values, func(v string) bool { return !strings.Contains(help, v) }) {
		return help
	}
	if help != "" {
		help = "; " + help
	}
	return strings.Join(values, ", ") + help
}

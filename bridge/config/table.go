package config

import (
	"reflect"
	"strings"

	"github.com/siembridge/siembridge/formats/defender"
)

// fieldsOf yields the fields of a table that have a key.
func fieldsOf(table reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for f := range table.Fields() {
			if f.Tag.Get("key") != "" && !yield(f) {
				return
			}
		}
	}
}

// Values returns the values that a key of a source or a destination may have, e.g. of "destination.type"; nil for any.
// It panics for a key that is not in the table: callers name theirs in their source.
func Values(key string) []string {
	table, name, _ := strings.Cut(key, ".")
	of := map[string]reflect.Type{"source": reflect.TypeFor[Source](), "destination": reflect.TypeFor[Destination]()}[table]
	for f := range fieldsOf(of) {
		if f.Tag.Get("key") == name {
			return valuesOf(f)
		}
	}
	panic("config: no key " + key)
}

// valuesOf returns the values that a key may have; nil for any.
func valuesOf(f reflect.StructField) (values []string) {
	for name := range strings.FieldsSeq(f.Tag.Get("values")) {
		switch name {
		case "@formats":
			values = append(values, Formats()...)
		case "@apis":
			values = append(values, defender.APIs()...)
		default:
			values = append(values, name)
		}
	}
	return values
}

package config

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
)

func (p *parser) unknown(at, key string, known map[string]bool) {
	hint := "config.example.toml has every key"
	if homes := tablesWith(key, reflect.TypeFor[Config](), "", "the top of the file, above the first table"); len(homes) > 0 {
		hint = "it belongs to " + strings.Join(homes, ", or to ")
	} else if best := nearest(key, sortedKeys(known)); best != "" {
		hint = fmt.Sprintf("did you mean %s?", best)
	}
	p.fail(at, "there is no such key; %s", hint)
}

// tablesWith returns where in a file a key may stand: in a table, which is at a path and called by a name, and in those
// within it.
func tablesWith(key string, table reflect.Type, path, name string) (all []string) {
	for f := range fieldsOf(table) {
		if f.Tag.Get("key") == key {
			all = append(all, name)
		}
		of, at := f.Type, join(path, f.Tag.Get("key"))
		head := "[" + at + "]"
		if of.Kind() == reflect.Slice {
			of, head = of.Elem(), "["+head+"]"
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[Field]() {
			all = append(all, tablesWith(key, of, at, head)...)
		}
	}
	return all
}

// nearest finds the word that text was probably meant to be; "" when none is close.
func nearest(text string, words []string) string {
	best, least := "", 1+len(text)/3
	for _, w := range words {
		if d := distance(text, w); d <= least && (best == "" || d < distance(text, best)) {
			best = w
		}
	}
	return best
}

// distance is the number of characters to insert, delete or replace to come from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

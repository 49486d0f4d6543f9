package config

import (
	"fmt"
	"sort"
)

func (p *parser) unknown(at, key string, known map[string]bool) {
	hint := ""
	if best := nearest(key, sortedKeys(known)); best != "" {
		hint = fmt.Sprintf("; did you mean %s?", best)
	}
	p.fail(at, "there is no such key%s", hint)
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

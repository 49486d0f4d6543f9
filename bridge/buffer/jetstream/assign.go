package jetstream

import "slices"

// assign returns which member shall hold each thing: who holds it now, as long as he has no more than his share, and
// else who has least. It gives the same everywhere, for members in the same order. Without members nobody does.
func assign(holders, members []string) []string {
	next := make([]string, len(holders))
	if len(members) == 0 {
		return next
	}
	share, more := len(holders)/len(members), len(holders)%len(members)
	has := make(map[string]int, len(members))
	for i, h := range holders {
		if !slices.Contains(members, h) {
			continue
		}
		switch {
		case has[h] < share:
		case has[h] == share && more > 0:
			more--
		default:
			continue
		}
		has[h]++
		next[i] = h
	}
	for i := range next {
		if next[i] != "" {
			continue
		}
		least := members[0]
		for _, m := range members[1:] {
			if has[m] < has[least] {
				least = m
			}
		}
		next[i] = least
		has[least]++
	}
	return next
}

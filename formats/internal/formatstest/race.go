//go:build race

package formatstest

// Race is true under the race detector, where pools drop what they are given, so that allocations cannot be counted.
const Race = true

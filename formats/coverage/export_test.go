package coverage

import (
	"fmt"

	"github.com/siembridge/siembridge/formats"
)

// Both lists the values of a record that reach its event with the fields they change: found by halves, and one by one.
func Both(record []byte, encode func([]byte) ([][]formats.Pair, error)) (halved, single []string, err error) {
	values, err := valuesOf(record)
	if err != nil {
		return nil, nil, err
	}
	var varied []value
	for _, v := range values {
		if v.varied != nil {
			varied = append(varied, v)
		}
	}
	note := func(to *[]string) func(*value, []change) {
		return func(v *value, changed []change) { *to = append(*to, fmt.Sprint(v.path, v.start, changed)) }
	}
	s := search{record: record, values: varied, encode: encode, found: note(&single)}
	if err := s.run(); err != nil {
		return nil, nil, err
	}
	s.found = note(&halved)
	for from := 0; from < len(varied); from += together {
		if err := s.halve(from, min(from+together, len(varied))); err != nil {
			return nil, nil, err
		}
	}
	return halved, single, nil
}

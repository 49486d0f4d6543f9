package defender

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func unmarshalNext(dec *jsontext.Decoder, v any) error { return json.UnmarshalDecode(dec, v, tolerant) }

func errNotJSON(err error) error { return fmt.Errorf("%w: %v", ErrNotJSON, err) }

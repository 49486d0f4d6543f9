package defender

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// unmarshal reads one object with the JSON library.
func unmarshal(raw []byte, v any) error {
	if err := json.Unmarshal(raw, v, tolerant); err != nil {
		return fmt.Errorf("%w: %v", ErrNotJSON, err)
	}
	return nil
}

func unmarshalNext(dec *jsontext.Decoder, v any) error { return json.UnmarshalDecode(dec, v, tolerant) }

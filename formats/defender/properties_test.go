package defender

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats"
)

// However the members of records are called and ordered, a Decoder that has read others lists what a new one does, and
// keeps no more of their names than it may.
func TestPropertiesAreBounded(t *testing.T) {
	var decoder Decoder
	for i := range 3 * maxProperties {
		name := fmt.Sprint("n", i)
		members := []string{`"same":1`, `"` + name + `":{"x":2,"` + name + `":[3]}`, `"other":[{"a":4,"` + name + `":5}]`, `"fileName": "f"`, `"` + strings.Repeat("n", i%100) + `" : {"deep":6}`}
		for range i % len(members) {
			members = append(members[1:], members[0])
		}
		record := fmt.Appendf(nil, `{"id":"a","%s":7,"evidence":[{"@odata.type":"x.type%dEvidence",%s}]}`, name, i%7, strings.Join(members, ","))
		var want, got formats.Detection
		_, err := Decode(GraphAlerts, record, &want)
		if _, again := decoder.Decode(GraphAlerts, record, &got); err != nil || again != nil {
			t.Fatal(err, again)
		}
		if diff := cmp.Diff(append(want.EvidenceDetails, want.AlertDetails...), append(got.EvidenceDetails, got.AlertDetails...)); diff != "" {
			t.Fatalf("%s (-new +used):\n%s", record, diff)
		}
		if len(want.EvidenceDetails) != 7 || len(want.AlertDetails) != 1 {
			t.Fatalf("%q, %q", want.EvidenceDetails, want.AlertDetails)
		}
		if n := decoder.s.lister.met.size(); n > maxProperties {
			t.Fatalf("%d properties are kept", n)
		}
	}
}

func (k *properties) size() int { return k.evidence.size() + k.record.size() - 2 }

func (p *property) size() int {
	n := 1
	for _, one := range p.members {
		n += one.size()
	}
	return n
}

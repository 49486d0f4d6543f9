package source

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// endless answers requests for alerts with a page that is made while it is read.
type endless struct {
	tenant http.Handler // for tokens
	row    func(i int) string
	rows   int
}

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.Path, "alerts") {
		return (&wire{handler: e.tenant}).RoundTrip(r)
	}
	out, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, `{"@odata.context":"c","value":[`)
		for i := range e.rows {
			if i > 0 {
				_, _ = io.WriteString(in, ",")
			}
			_, _ = io.WriteString(in, e.row(i))
		}
		_, _ = io.WriteString(in, "]}")
		in.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: out, Request: r}, nil
}

// scales measures the heap at each commit; it keeps nothing.
type scales struct {
	records int
	most    uint64
}

func (s *scales) Checkpoint(string) ([]byte, error) { return nil, nil }

func (s *scales) Append(_ context.Context, b buffer.Batch) (buffer.Outcome, error) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	s.most = max(s.most, m.HeapAlloc)
	s.records += len(b.Records)
	return buffer.Outcome{New: len(b.Records)}, nil
}

// TestLargeAnswerInBoundedMemory: an answer of 10,000 alerts, some of 5 MB and some with 3,000 pieces of evidence, goes
// through the source in both modes; what the source holds besides the keys is a batch and a record or two.
func TestLargeAnswerInBoundedMemory(t *testing.T) {
	const rows, every, pieces = 10_000, 2000, 3000
	large := strings.Repeat("x", 5<<20)
	var evidence strings.Builder
	for i := range pieces {
		fmt.Fprintf(&evidence, `,{"@odata.type":"#microsoft.graph.security.ipEvidence","ipAddress":"10.0.%d.%d"}`, i>>8, i&255)
	}
	row := func(i int) string {
		rest := `"title":"t"`
		switch i % every {
		case 0:
			rest = `"title":"t","description":"` + large + `"`
		case 1:
			rest = `"title":"t","evidence":[` + evidence.String()[1:] + "]"
		}
		return fmt.Sprintf(`{"id":"da%d","createdDateTime":"2026-11-25T00:00:00Z","lastUpdateDateTime":"2026-11-25T00:00:00Z",%s}`, i, rest)
	}
	for name, mode := range map[string]struct {
		evidence bool
		records  int
	}{"alerts": {false, rows}, "evidence": {true, rows + rows/every*pieces}} {
		t.Run(name, func(t *testing.T) {
			to := &scales{}
			s, w := pull(t, emulator.NewTenant(1), "graph-alerts", to)
			s.o.Evidence = mode.evidence
			s.client.http.Transport = &endless{tenant: w.handler, row: row, rows: rows}
			b := s.newBatch(t.Context())
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			got, err := s.client.get(t.Context(), s.api.url(s.client.base, query{}), true, b.add)
			if err == nil {
				err = b.flush(nil)
			}
			if err != nil || got.rows != rows || to.records != mode.records {
				t.Fatalf("%v, %d rows, %d records", err, got.rows, to.records)
			}
			if held := int64(to.most) - int64(m.HeapAlloc); held > 40<<20 {
				t.Errorf("%d MiB held", held>>20)
			} else {
				t.Logf("%d records, at most %d MiB held", to.records, held>>20)
			}
		})
	}
}

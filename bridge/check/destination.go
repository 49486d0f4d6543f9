package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/bridge/source"
)

// destination connects to each address of a destination.
func destination(ctx context.Context, cfg *config.Config, d *config.Destination, send bool) []source.Finding {
	dialer, err := bridge.NewDialer(d)
	if err != nil {
		return []source.Finding{{What: "settings", Detail: err.Error()}}
	}
	dial := func(ctx context.Context, address, resolved string) (delivery.Conn, error) {
		c, err := dialer.Dial(ctx, address, resolved)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	var payload []byte
	if send {
		if payload, err = testEvent(cfg, d); err != nil {
			return []source.Finding{{What: "test event", Detail: err.Error()}}
		}
	}
	var findings []source.Finding
	for _, address := range d.Address {
		proof := delivery.CheckAddress(ctx, dial, address, payload)
		f := source.Finding{What: address, OK: proof.Err == nil}
		switch {
		case proof.Err != nil:
			f.Detail = proof.Err.Error()
		case proof.Confirms:
			f.Detail = "connected over " + d.Transport + ", confirms what it has read"
		default:
			f.Detail = "connected over " + d.Transport + ", but it does not close its side when ours is closed: confirm = \"ack\" will be used, which is weaker"
		}
		if f.OK && send {
			f.Detail += "; one test event sent, titled \"siembridge test event\""
		}
		findings = append(findings, f)
	}
	return findings
}

// testEvent is one event that is marked as a test.
func testEvent(cfg *config.Config, d *config.Destination) ([]byte, error) {
	pipeline, err := bridge.NewPipeline(d, cfg.Sources, "siembridge")
	if err != nil {
		return nil, err
	}
	pipeline.Filter = nil
	now := time.Now().UTC().Format(time.RFC3339Nano)
	record := buffer.Record{API: "graph-alerts", Key: "siembridge-test", Pulled: time.Now(), Raw: fmt.Appendf(nil,
		`{"id":"siembridge-test","title":"siembridge test event","description":"Sent by siembridge check --send. It needs no action.","severity":"informational","status":"new","category":"SiembridgeTest","createdDateTime":%q,"lastUpdateDateTime":%q}`, now, now)}
	frame, events, _ := pipeline.Renderer().Render(nil, &record)
	if events == 0 {
		return nil, errors.New("the test event makes no event")
	}
	return frame, nil
}

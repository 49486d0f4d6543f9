package bridge

import (
	"context"
	"log/slog"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// tracedAppender logs at debug level the number that each record got. With the numbers that resendQueue logs when they
// are confirmed, a record can be followed from the pull to the delivery.
type tracedAppender struct {
	buffer.Appender
	log *slog.Logger
}

// Append implements buffer.Appender.
func (a tracedAppender) Append(ctx context.Context, b buffer.Batch) (buffer.Outcome, error) {
	outcome, err := a.Appender.Append(ctx, b)
	if err == nil && a.log.Enabled(ctx, slog.LevelDebug) {
		for i := range b.Records {
			if r := &b.Records[i]; r.Number != 0 {
				a.log.Debug("record stored", "source", b.Source, "number", r.Number, "key", r.Key, "update", r.Update)
			}
		}
	}
	return outcome, err
}

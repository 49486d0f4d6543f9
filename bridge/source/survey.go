package source

import (
	"context"
	"errors"
	"time"

	"github.com/siembridge/siembridge/bridge/buffer"
)

// surveyPatience is how many requests in a row may fail before a survey is given up.
const surveyPatience = 6

// Survey reads all that the API has of a period, by the same plan, credential and limits as polls, and appends it to a,
// whose checkpoint it asks not for and must not store. A record may come more than once. It runs beside Run and leaves
// the source's coverage alone. Holes are parts of the period that could not be read.
func (s *Source) Survey(ctx context.Context, from, to time.Time, a buffer.Appender) (holes []Hole, err error) {
	o := s.o
	o.Buffer, o.Metrics = a, nil
	x := &Source{o: o, api: s.api, client: s.client, log: s.log.With("reconcile", true), patience: surveyPatience}
	x.plan = newPlan(from.UnixMilli(), 0, s.api.window.Milliseconds(), s.api.top)
	x.plan.until = to.UnixMilli()
	ended := x.poll(ctx)
	switch {
	case ctx.Err() != nil:
		return x.plan.holes, context.Cause(ctx)
	case !ended:
		return x.plan.holes, errors.New(x.status.Error)
	}
	return x.plan.holes, nil
}

package bridge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/delivery"
	"github.com/siembridge/siembridge/formats"
)

// Quarantined lists what was set aside, oldest first.
func (b *Bridge) Quarantined() (control.Quarantine, error) {
	return ListQuarantine(b.buffer.Quarantine())
}

// QuarantinedRecord returns one record that was set aside, as Microsoft sent it.
func (b *Bridge) QuarantinedRecord(id uint64) (control.QuarantinedRecord, error) {
	return ShowQuarantined(b.buffer.Quarantine(), id)
}

// ListQuarantine lists what a quarantine holds, oldest first.
func ListQuarantine(q buffer.Quarantine) (control.Quarantine, error) {
	list, err := q.List()
	if err != nil {
		return control.Quarantine{}, err
	}
	all := control.Quarantine{Records: make([]control.Quarantined, 0, len(list)), Dropped: q.Dropped()}
	for i := range list {
		all.Records = append(all.Records, describe(&list[i]))
	}
	return all, nil
}

// ShowQuarantined returns one record of a quarantine. An id that is not there is an error.
func ShowQuarantined(q buffer.Quarantine, id uint64) (control.QuarantinedRecord, error) {
	one, ok, err := q.Get(id)
	if err == nil && !ok {
		err = errNoID(id)
	}
	if err != nil {
		return control.QuarantinedRecord{}, err
	}
	return control.QuarantinedRecord{Quarantined: describe(&one), Raw: one.Record.Raw}, nil
}

func errNoID(id uint64) error {
	return fmt.Errorf("nothing in quarantine has the id %d; siembridge quarantine list shows what is there", id)
}

func describe(q *buffer.Quarantined) control.Quarantined {
	return control.Quarantined{ID: q.ID, At: q.At, Source: q.Record.Source, API: q.Record.API, Key: q.Record.Key, Changed: q.Record.Changed,
		Pulled: q.Record.Pulled, Update: q.Record.Update, Reason: q.Reason}
}

// firstTime is a quarantine that keeps no second copy of a record that is sent again from it and still cannot be read.
type firstTime struct{ buffer.Quarantine }

// Put implements buffer.Quarantine.
func (q firstTime) Put(r buffer.Record, reason string) (id uint64, err error) {
	if r.Number >= retryBit && r.Number < replayBit {
		return r.Number &^ retryBit, nil
	}
	return q.Quarantine.Put(r, reason)
}

// setAside keeps a note of what a source could not read.
func (b *Bridge) setAside(r buffer.Record, reason string) error {
	_, err := b.buffer.Quarantine().Put(r, reason)
	if err == nil {
		b.shared.quarantined.WithLabelValues(r.Source).Inc()
	}
	return err
}

// Retry decodes records of the quarantine again and has those that can be read now sent, to the destination that set
// them aside. They stay in quarantine until they are confirmed.
func (b *Bridge) Retry(r control.RetryRequest) (control.Retries, error) {
	quarantine := b.buffer.Quarantine()
	ids := r.IDs
	if r.All {
		list, err := quarantine.List()
		if err != nil {
			return nil, err
		}
		ids = nil
		for i := range list {
			ids = append(ids, list[i].ID)
		}
	}
	b.mu.Lock()
	destinations := slices.Clone(b.destinations)
	b.mu.Unlock()
	var all control.Retries
	for _, id := range ids {
		one, ok, err := quarantine.Get(id)
		if err != nil {
			return all, err
		}
		outcome := control.Retry{ID: id}
		if !ok {
			outcome.Error = errNoID(id).Error()
			all = append(all, outcome)
			continue
		}
		d := setAsideBy(destinations, &one)
		var decoded formats.Detection
		switch err := delivery.Decode(&one.Record, &decoded); {
		case d == nil && strings.HasPrefix(one.Reason, "source "):
			outcome.Error = "only its beginning is kept: " + one.Reason
		case d == nil:
			outcome.Error = "the destination that set it aside is not configured any more: " + one.Reason
		case err != nil && !r.Force:
			outcome.Error = "it still cannot be read: " + err.Error() + "; --force sends it in a minimal form"
		case strings.HasSuffix(one.Reason, delivery.ReasonRefused) && !r.Force:
			outcome.Error = one.Reason + "; when the receiver was mended, --force sends it again"
		default:
			outcome.Destination = d.config.Name
			d.queue.resend([]uint64{id})
		}
		all = append(all, outcome)
	}
	return all, nil
}

// setAsideBy returns the destination that set a record aside: its name stands before the reason. nil: it is not
// configured any more.
func setAsideBy(destinations []*runningDestination, q *buffer.Quarantined) *runningDestination {
	for _, d := range destinations {
		if strings.HasPrefix(q.Reason, d.config.Name+": ") {
			return d
		}
	}
	return nil
}

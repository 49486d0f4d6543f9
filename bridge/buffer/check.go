package buffer

import "fmt"

// Limits in bytes.
const (
	MaxName = 255      // of a source, an API or a destination
	MaxKey  = 512      // of a record's key, or a note's
	MaxNote = 64 << 10 // of a note's value
)

// Check refuses a batch that no buffer stores: names, keys or records that are too long, a record of another source.
func (b *Batch) Check() error {
	if b.Source == "" || len(b.Source) > MaxName {
		return fmt.Errorf("the name of source %.40q has %d bytes, it must have 1 to %d", b.Source, len(b.Source), MaxName)
	}
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case r.Source != "" && r.Source != b.Source:
			return fmt.Errorf("a batch of source %s holds a record of source %.40q", b.Source, r.Source)
		case len(r.API) > MaxName:
			return fmt.Errorf("a record of source %s has an API name of %d bytes, %d are possible", b.Source, len(r.API), MaxName)
		case len(r.Key) > MaxKey:
			return fmt.Errorf("record %.80q of source %s has a key of %d bytes, %d are possible", r.Key, b.Source, len(r.Key), MaxKey)
		case len(r.Raw) > MaxRecord:
			return fmt.Errorf("record %.80q of source %s has %d bytes, %d are possible", r.Key, b.Source, len(r.Raw), MaxRecord)
		}
	}
	return nil
}

// Check refuses a destination that no buffer opens a queue for.
func (d *Destination) Check() error {
	if d.Name == "" || len(d.Name) > MaxName {
		return fmt.Errorf("the name of destination %.40q has %d bytes, it must have 1 to %d", d.Name, len(d.Name), MaxName)
	}
	for _, s := range d.Sources {
		if len(s) > MaxName {
			return fmt.Errorf("destination %s wants a source whose name has %d bytes, %d are possible", d.Name, len(s), MaxName)
		}
	}
	return nil
}

// CheckAside refuses a record that no quarantine keeps: one that is larger than any that Append takes.
func (r *Record) CheckAside() error {
	if len(r.Source) > MaxName || len(r.API) > MaxName || len(r.Key) > MaxKey || len(r.Raw) > MaxRecord {
		return fmt.Errorf("record %.80q of source %.40q is too large to be set aside", r.Key, r.Source)
	}
	return nil
}

// CheckNote refuses a note that no buffer keeps.
func CheckNote(subject, key string, value []byte) error {
	if len(subject) > MaxName || len(key) > MaxKey || len(value) > MaxNote {
		return fmt.Errorf("a note about %.40q is too long: %d bytes of key, %d of value", subject, len(key), len(value))
	}
	return nil
}

package formats

// Encoder turns detections into events of one format. It keeps no state between events and may be used by several
// goroutines at once.
type Encoder interface {
	// AppendEvent appends the event for d to dst and returns the extended slice with what had to be cut.
	// The event is at most budget bytes long, stays parseable whatever d holds, and contains no line feed,
	// carriage return or NUL. AppendEvent never fails: a record from which hardly anything could be decoded
	// still makes a minimal event. budget below 512 counts as 512.
	AppendEvent(dst []byte, d *Detection, budget int) ([]byte, Loss)
}

// Loss says which keys of an event were cut or left out, and why. The zero value means none.
type Loss struct {
	Shortened []string // keys whose value was cut or that were dropped to keep a maximum length
	Mistyped  []string // keys left out because the value was not of the key's type
}

package defender

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/siembridge/siembridge/formats"
)

// hashVersion is the version of the list of fields that the content hash covers. It is the hash's first byte.
const hashVersion = 1

// maxKey is the longest key in bytes; a longer id is replaced by its hash.
const maxKey = 512

// Identity is what the buffer has to know of a record.
type Identity struct {
	Key     string    // the record's id; without one, the hash of the whole record
	Changed time.Time // when Microsoft last changed it; zero when the record does not say
	Hash    [16]byte  // of what matters in it; the first byte is the version of the list of fields
}

// Identify tells which record raw is and what matters in it: title, severity, status, classification, determination,
// category, assignee, incident, and of each piece of evidence what identifies it and its verdict. Times, comments, links,
// the states of investigations and remediation, and where an incident was merged into (its status tells that it was)
// are left out, and so is every field that Microsoft adds: an alert that was merely touched keeps its hash. The order of evidence, of members and the case of words do not matter.
//
// A record that cannot be decoded is identified by all of its bytes, with the error that Decode gives.
func Identify(api API, raw []byte) (Identity, error) {
	s := newScanner()
	id, err := s.identify(api, raw)
	s.detection.Reset()
	s.releaseAll()
	return id, err
}

// identifyNext identifies the record that a text begins with, and returns its length; refused for a record that needs the
// library, or that is none.
func (s *scanner) identifyNext(api API, text []byte) (id Identity, length int) {
	s.more, length = true, refused
	if _, err := s.decode(api, text, &s.detection); err == nil {
		length = s.end
		id = s.identity(api, text[:length])
	}
	s.detection.Reset()
	s.forgetTexts()
	s.forget()
	return id, length
}

// identify leaves the record decoded in s.detection.
func (s *scanner) identify(api API, raw []byte) (Identity, error) {
	if _, err := s.decode(api, raw, &s.detection); err != nil {
		sum := sha256.Sum256(raw)
		id := Identity{Key: "sha256:" + hex.EncodeToString(sum[:])}
		copy(id.Hash[1:], sum[:])
		id.Hash[0] = hashVersion
		return id, err
	}
	return s.identity(api, raw), nil
}

// identity is that of the record in s.detection.
func (s *scanner) identity(api API, raw []byte) Identity {
	d := &s.detection
	id := Identity{Key: d.ID, Changed: d.Updated}
	if api == Detections {
		id.Key = d.FullID // the parts of one alert share an AlertId
	}
	id.Key = strings.Clone(id.Key) // what is kept of a record shall not keep all of it
	if d.Kind == formats.KindIncident && api == Incidents && id.Key != "" {
		id.Key = "incident:" + id.Key // an incident and an alert of one number are two records
	}
	if d.EvidenceID != "" && id.Key != "" {
		id.Key += "#" + d.EvidenceID
	}
	switch {
	case id.Key == "":
		sum := sha256.Sum256(raw)
		id.Key = "sha256:" + hex.EncodeToString(sum[:])
	case len(id.Key) > maxKey:
		sum := sha256.Sum256([]byte(id.Key))
		id.Key = "sha256:" + hex.EncodeToString(sum[:])
	}
	id.Hash = s.contentHash(d)
	return id
}

func (s *scanner) contentHash(d *formats.Detection) (hash [16]byte) {
	text := s.hashed[:0]
	text = append(append(text, d.Title...), 0)
	for _, word := range [...]string{d.SeverityText, d.Status, d.Classification, d.Determination, d.Category, d.AssignedTo} {
		text = append(appendLower(text, word), 0)
	}
	text = append(append(text, d.IncidentID...), 0)
	if d.API == string(Detections) { // immutable records: what identifies the indicator and the device
		for _, part := range [...]string{d.FullID, d.AlertPart, d.Device.ID, d.File.SHA1, d.File.Name, d.Network.RemoteAddress, d.URL, d.User.Name} {
			text = append(append(text, part...), 0)
		}
	}
	s.hashed = s.evidence.appendSorted(text)
	sum := sha256.Sum256(s.hashed)
	copy(hash[1:], sum[:])
	hash[0] = hashVersion
	return hash
}

// appendSorted appends a line for each piece of evidence: its type, its identity and its verdict. The
// order of the pieces does not matter.
func (r *evidenceReader) appendSorted(dst []byte) []byte {
	if len(r.pieces) == 0 {
		return dst
	}
	lines, spans := r.lines[:0], r.spans[:0]
	for _, e := range r.pieces {
		start := len(lines)
		lines = append(append(lines, e.kind...), 0)
		lines = append(append(lines, e.identity...), 0)
		lines = appendLower(lines, string(e.state()))
		spans = append(spans, [2]int{start, len(lines)})
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return bytes.Compare(lines[a[0]:a[1]], lines[b[0]:b[1]]) })
	for _, at := range spans {
		dst = append(append(dst, lines[at[0]:at[1]]...), 0)
	}
	r.lines, r.spans = lines, spans
	return dst
}

package defender

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/formats"
)

// Part is one of the records that SplitEvidence makes of an alert.
type Part struct {
	Identity
	Record  []byte // JSON, fresh memory
	Summary bool   // the alert itself, behind the records of its evidence
}

// Bounds of what the records of one alert's evidence repeat.
const (
	maxRepeated    = 8 << 10  // bytes of one property of the alert
	maxRepeatedAll = 64 << 10 // bytes of all
)

// partHash is the version of the list of fields of an alert without its evidence.
const partHash = hashVersion | 0x80

// partMark begins the record of a piece of evidence; its id and the number of the alert's pieces follow.
const partMark = `{"siembridge.evidenceId":"`

const partCount = `","siembridge.evidenceCount":`

// SplitEvidence makes a record of each piece of evidence, in the order of the API, and at last one of the alert
// itself. A piece's record has the alert's own properties (a long one is cut, a long list left out), the piece, and the
// device and the account that it belongs to, so that its event is complete. Its key is the alert's with the hash of
// what makes the piece the piece it is; its content hash covers that, the verdict and what was done, so that neither
// the order of the pieces nor a change of the alert alone makes it another. The alert's content hash then leaves
// evidence out.
//
// A record without evidence, or that cannot be read, is passed on alone. yield may keep the records.
func SplitEvidence(api API, raw []byte, yield func(Part) error) error {
	s := newScanner()
	defer s.release()
	defer s.detection.Reset()
	whole := Part{Record: raw}
	var err error
	whole.Identity, err = s.identify(api, raw)
	of := kindOf(api)
	if err != nil || of == nil || of.evidence == "" || s.detection.Kind != formats.KindAlert || s.detection.EvidenceID != "" {
		return yield(whole)
	}
	s.evidence.pieces = s.evidence.pieces[:0]
	whole.Hash = s.contentHash(&s.detection)
	whole.Hash[0] = partHash
	a, err := readParts(api, raw, of)
	if err != nil || len(a.pieces) == 0 {
		return yield(whole)
	}
	for _, e := range a.pieces {
		p := Part{Identity: Identity{Key: whole.Key + "#" + e.id, Changed: whole.Changed, Hash: e.hash}, Record: a.record(e)}
		if len(p.Key) > maxKey {
			sum := sha256.Sum256([]byte(p.Key))
			p.Key = "sha256:" + hex.EncodeToString(sum[:])
		}
		if err := yield(p); err != nil {
			return err
		}
	}
	whole.Summary = true
	return yield(whole)
}

// parts is an alert taken apart.
type parts struct {
	list    string            // name of the list of evidence
	own     []byte            // the alert's properties, each behind a comma
	devices values            // of an alert of Defender XDR
	named   map[string][]byte // these, by each id that they have
	pieces  []*part
	byID    map[string]*part // devices, by the id that other pieces refer to
	device  *part            // the most telling one
	user    *part
}

// part is one piece of evidence.
type part struct {
	piece
	id   string
	hash [16]byte
}

func readParts(api API, raw []byte, of *recordKind) (*parts, error) {
	a := &parts{list: of.evidence, byID: map[string]*part{}, named: map[string][]byte{}}
	var all values
	err := members(raw, func(name string, v jsontext.Value) error {
		switch {
		case name == a.list:
			return unmarshal(v, &all)
		case name == "devices" && api == Incidents:
			return unmarshal(v, &a.devices)
		}
		a.repeat(name, v)
		return nil
	})
	for _, raw := range slices.Backward(a.devices) { // of two with one id the first counts
		var d piece
		if unmarshal(raw, &d) == nil {
			a.named[string(d.MdatpDeviceID)], a.named[string(d.DeviceID)] = raw, raw
		}
	}
	seen := map[string]*part{}
	for _, v := range all {
		e := &part{piece: piece{raw: v}}
		if v.Kind() != '{' || unmarshal(v, &e.piece) != nil {
			continue
		}
		e.kind = of.typeOf(&e.piece)
		e.identify()
		old := seen[e.id]
		switch {
		case old == nil:
			seen[e.id] = e
			a.pieces = append(a.pieces, e)
		case e.telling() < old.telling() || e.telling() == old.telling() && bytes.Compare(e.hash[:], old.hash[:]) < 0:
			*old = *e // the same piece twice: which one counts does not depend on the order
		}
	}
	for _, e := range a.pieces {
		switch e.kind {
		case "device":
			if id := e.deviceID(); id != "" {
				a.byID[id] = e
			}
			if a.device == nil || e.telling() < a.device.telling() {
				a.device = e
			}
		case "user":
			if a.user == nil || e.telling() < a.user.telling() {
				a.user = e
			}
		}
	}
	return a, err
}

// repeat keeps a property of the alert for the records of all pieces.
func (a *parts) repeat(name string, v jsontext.Value) {
	if len(v) > maxRepeated {
		var comments values
		switch {
		case v.Kind() == '"':
			long, _ := jsontext.AppendUnquote(nil, v)
			v, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(string(long[:min(len(long), maxRepeated)]), ""))
		case name == "comments" && unmarshal(v, &comments) == nil && len(comments) > 0 && len(comments[len(comments)-1]) <= maxRepeated:
			v = jsontext.Value("[" + string(comments[len(comments)-1]) + "]")
		default:
			return
		}
	}
	if len(a.own)+len(v) <= maxRepeatedAll {
		a.own = append(a.own, ',')
		a.own, _ = jsontext.AppendQuote(a.own, name)
		a.own = append(append(a.own, ':'), v...)
	}
}

// record makes the record of one piece.
func (a *parts) record(e *part) []byte {
	b := make([]byte, 0, len(partMark)+len(a.own)+len(e.raw)+512)
	b = append(append(append(b, partMark...), e.id...), partCount...)
	b = append(strconv.AppendInt(b, int64(len(a.pieces)), 10), a.own...)
	if device := a.deviceOf(e); device != nil {
		b = append(append(append(b, `,"devices":[`...), device...), ']')
	}
	b = append(append(append(append(b, `,"`...), a.list...), `":[`...), e.raw...)
	host := a.device
	if id := e.deviceID(); id != "" {
		host = a.byID[id]
	}
	if host != nil && e.kind != "device" {
		b = append(append(b, ','), host.raw...)
	}
	if a.user != nil && e.kind != "user" && e.account() == (user{}) {
		b = append(append(b, ','), a.user.raw...)
	}
	return append(b, "]}"...)
}

// deviceOf returns the device that a piece of a Defender XDR alert names, or else the first one.
func (a *parts) deviceOf(e *part) []byte {
	if id := e.deviceID(); id != "" && a.named[id] != nil {
		return a.named[id]
	}
	if len(a.devices) == 0 {
		return nil
	}
	return a.devices[0]
}

func (e *piece) deviceID() string { return first(e.MdeDeviceID, e.MdatpDeviceID, e.DeviceID) }

// identify sets id and hash.
func (e *part) identify() {
	says := append([]byte(e.kind), 0)
	if names := strings.Join(e.names(), "\x00"); strings.Trim(names, "\x00") != "" {
		says = append(says, names...)
	} else {
		says = appendScalars(says, e.raw, "")
	}
	sum := sha256.Sum256(says)
	e.id = hex.EncodeToString(sum[:16])
	content := e.id
	for _, word := range [...]text{e.Verdict, e.RemediationStatus, e.DetectionStatus} {
		content += "\x00" + strings.ToLower(string(word))
	}
	sum = sha256.Sum256([]byte(content))
	copy(e.hash[1:], sum[:])
	e.hash[0] = hashVersion
}

// changing are properties that say what became of a piece, not which one it is.
var changing = map[string]bool{"@odata.type": true, "createdDateTime": true, "evidenceCreationTime": true, "verdict": true,
	"remediationStatus": true, "remediationStatusDetails": true, "detectionStatus": true, "roles": true, "detailedRoles": true, "tags": true,
	"deliveryAction": true, "deliveryLocation": true, "lastModifiedDateTime": true, "labels": true}

// appendScalars appends all values of an object with their names, whatever their order.
func appendScalars(dst []byte, raw []byte, prefix string) []byte {
	var lines []string
	_ = members(raw, func(name string, v jsontext.Value) error {
		switch {
		case changing[name] || v.Kind() == 'n':
		case v.Kind() == '{':
			lines = append(lines, string(appendScalars(nil, v, prefix+name+".")))
		default:
			lines = append(lines, prefix+name+"\x00"+string(v)+"\x00")
		}
		return nil
	})
	slices.Sort(lines)
	return append(dst, strings.Join(lines, "")...)
}

// members calls f for the members of an object; v is valid until f returns.
func members(raw []byte, f func(name string, v jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw), tolerant)
	if dec.PeekKind() != '{' {
		return fmt.Errorf("%w", ErrNotJSON)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := f(name, v); err != nil {
			return err
		}
	}
	return nil
}

// readPart takes out of the record of a piece of evidence what SplitEvidence has put there.
func readPart(raw []byte, d *formats.Detection) {
	rest, ok := bytes.CutPrefix(raw, []byte(partMark))
	if !ok {
		return
	}
	id, rest, ok := bytes.Cut(rest, []byte(partCount))
	if !ok || len(id) > 64 {
		return
	}
	d.EvidenceID = string(id)
	if end := bytes.IndexAny(rest, ",}"); end >= 0 && end < 10 {
		d.EvidenceCount = string(rest[:end])
	}
}

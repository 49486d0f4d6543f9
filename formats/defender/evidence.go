package defender

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// maxEvidence is how many pieces of one record are read; an alert with more keeps the rest in Raw.
const maxEvidence = 10_000

// endpointTypes gives the evidence words of the Endpoint and XDR APIs in the words of Graph.
var endpointTypes = map[string]string{
	"user": "user", "process": "process", "file": "file", "ip": "ip", "url": "url", "mailbox": "mailbox",
	"mailmessage": "analyzedMessage", "mailcluster": "mailCluster", "registry": "registryValue",
	"securitygroup": "securityGroup", "cloudapplication": "cloudApplication", "machine": "device", "device": "device",
}

func endpointType(e *piece) string {
	var room [32]byte
	t, ok := endpointTypes[string(appendLower(room[:0], string(e.EntityType)))]
	if !ok {
		return lowerFirst(string(e.EntityType))
	}
	if t == "registryValue" && e.RegistryValueName == "" && e.RegistryValue == "" {
		return "registryKey"
	}
	return t
}

// graphType takes "process" out of "#microsoft.graph.security.processEvidence".
func graphType(e *piece) string {
	t := string(e.Type)
	t = t[strings.LastIndexByte(t, '.')+1:]
	return strings.TrimSuffix(t, "Evidence")
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// evidenceReader is what a scanner needs to read evidence.
type evidenceReader struct {
	pieces   []*piece          // those of the Detection, in its order
	ranked   []*piece          // the same, the most telling first
	identity []byte            // of all pieces, one behind the other
	lines    []byte            // for the content hash: a line for each piece
	spans    [][2]int          // of the lines
	seen     map[uint64]*piece // by the hash of kind and identity
	device   *piece            // of Defender XDR: the device that stands beside the list
}

func (r *evidenceReader) reset() {
	clear(r.pieces)
	r.device = nil
	clear(r.ranked)
	r.pieces, r.ranked, r.identity = r.pieces[:0], r.ranked[:0], r.identity[:0]
	if len(r.seen) > 256 {
		r.seen = nil
	}
	clear(r.seen)
}

var identitySeed = maphash.MakeSeed()

// repeated returns the piece of the same identity that is there already, nil when there is none. A piece that says nothing
// of its own never is.
func (r *evidenceReader) repeated(e *piece) *piece {
	start := len(r.identity)
	r.identity = e.appendIdentity(r.identity)
	e.identity = r.identity[start:]
	if len(e.identity) == 0 {
		return nil
	}
	hash := 31*maphash.String(identitySeed, e.kind) + maphash.Bytes(identitySeed, e.identity)
	if old, ok := r.seen[hash]; ok {
		if old.kind == e.kind && bytes.Equal(old.identity, e.identity) {
			return old
		}
		return nil
	}
	if r.seen == nil {
		r.seen = map[uint64]*piece{}
	}
	r.seen[hash] = e
	return nil
}

// addEvidence reads all pieces into d.Evidence and fills the roles from them, the most telling piece first.
func (s *scanner) addEvidence(d *formats.Detection, all pieces, typeOf func(*piece) string, p *problemList) {
	if all == nil {
		return
	}
	if d.EvidenceID != "" {
		s.addPart(d, all, typeOf, p)
		return
	}
	d.EvidenceCount = strconv.Itoa(len(all))
	if len(all) > maxEvidence {
		p.add("evidence", "only the first "+strconv.Itoa(maxEvidence)+" pieces were read")
		all = all[:maxEvidence]
	}
	r := &s.evidence
	for _, e := range all {
		if e == nil {
			p.add("evidence", "a piece that is no object")
			continue
		}
		e.in = &s.texts
		e.kind = typeOf(e)
		if old := r.repeated(e); old == nil {
			r.pieces = append(r.pieces, e)
		} else if e.tellsMore(old) {
			*old = *e
		}
	}
	if !s.whole {
		return
	}
	for _, e := range r.pieces {
		e.rank = e.telling()
		d.Evidence = append(d.Evidence, e.evidence(p))
	}
	r.ranked = append(r.ranked, r.pieces...)
	slices.SortStableFunc(r.ranked, func(a, b *piece) int { return cmp.Compare(a.rank, b.rank) })
	for _, e := range r.ranked {
		e.fill(d)
	}
	for _, e := range r.ranked {
		e.fillNested(d)
	}
	if len(r.ranked) > 0 {
		r.ranked[0].fillCommon(d, p)
	}
}

// addPart reads the record of one piece of evidence: the piece, then the device and the account it belongs to.
func (s *scanner) addPart(d *formats.Detection, all pieces, typeOf func(*piece) string, p *problemList) {
	for i, e := range all {
		if e == nil {
			continue
		}
		e.kind, e.in = typeOf(e), &s.texts
		e.fill(d)
		if i > 0 {
			continue
		}
		e.fillNested(d)
		d.Evidence = append(d.Evidence, e.evidence(p))
		d.EvidenceType = e.kind
		e.fillCommon(d, p)
		s.evidence.repeated(e)
		s.evidence.pieces = append(s.evidence.pieces, e)
		s.evidence.ranked = append(s.evidence.ranked, e)
	}
}

// fillCommon fills what all pieces have in common.
func (e *piece) fillCommon(d *formats.Detection, p *problemList) {
	if d.Remediation == "" {
		d.Remediation = e.remediation()
	}
	d.Verdict, d.RemediationDetail = string(e.Verdict), string(e.RemediationStatusDetails)
	d.EvidenceTime = p.moment("evidence time", text(first(e.Created, e.EvidenceCreationTime)))
	d.EvidenceRoles = append(d.EvidenceRoles, e.Roles...)
	d.EvidenceDetailedRoles = append(d.EvidenceDetailedRoles, e.DetailedRoles...)
	if e.kind != "device" {
		d.EvidenceTags = append(d.EvidenceTags, e.Tags...)
	}
}

// evidence is what all pieces have in common.
func (e *piece) evidence(p *problemList) formats.Evidence {
	return formats.Evidence{Type: e.kind, Created: p.moment("evidence time", text(first(e.Created, e.EvidenceCreationTime))),
		Verdict: string(e.Verdict), Remediation: string(e.RemediationStatus), RemediationDetail: string(e.RemediationStatusDetails),
		DetectionStatus: string(e.DetectionStatus), Roles: e.Roles, Tags: e.Tags, Raw: e.raw}
}

// telling orders pieces by how much they tell: verdict first, then role; the order of the API decides the rest.
func (e *piece) telling() int {
	var room [32]byte
	rank := 0
	switch string(appendLower(room[:0], string(e.Verdict))) {
	case "malicious":
	case "suspicious":
		rank = 1
	case "nothreatsfound", "clean":
		rank = 3
	default:
		rank = 2
	}
	best := 3
	for _, role := range e.Roles {
		switch string(appendLower(room[:0], role)) {
		case "attacked", "compromised", "attacker", "commandandcontrol":
			best = min(best, 0)
		case "suspicious", "source", "destination", "policyviolator":
			best = min(best, 1)
		case "contextual", "scanned":
		default:
			best = min(best, 2)
		}
	}
	return rank*4 + best
}

// tellsMore reports whether of two pieces that are the same one this one counts, whatever their order.
func (e *piece) tellsMore(old *piece) bool {
	is, was := e.telling(), old.telling()
	return is < was || is == was && strings.ToLower(string(e.state())) < strings.ToLower(string(old.state()))
}

// state is the verdict on the piece. The Endpoint API's evidence has none; its detection status says as much.
func (e *piece) state() text {
	if e.Verdict == "" {
		return e.DetectionStatus
	}
	return e.Verdict
}

// remediation is what was done about the piece.
func (e *piece) remediation() string {
	if s := string(e.RemediationStatus); s != "" && !strings.EqualFold(s, "none") {
		return s
	}
	return string(e.DetectionStatus)
}

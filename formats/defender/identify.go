package defender

import (
	"crypto/sha256"
	"encoding/hex"
	"sort"
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
// category, assignee, incident, and of each piece of evidence what identifies it, its verdict and what was done. Times,
// comments, the state of investigations and links are left out, and so is every field that Microsoft adds: an alert
// that was merely touched keeps its hash. The order of evidence, of members and the case of words do not matter.
//
// A record that cannot be decoded is identified by all of its bytes, with the error that Decode gives.
func Identify(api API, raw []byte) (Identity, error) {
	var d formats.Detection
	_, err := Decode(api, raw, &d)
	if err != nil {
		sum := sha256.Sum256(raw)
		id := Identity{Key: "sha256:" + hex.EncodeToString(sum[:])}
		copy(id.Hash[1:], sum[:])
		id.Hash[0] = hashVersion
		return id, err
	}
	id := Identity{Key: d.ID, Changed: d.Updated}
	if api == Detections {
		id.Key = d.FullID // the parts of one alert share an AlertId
	}
	if d.Kind == formats.KindIncident && api == Incidents && id.Key != "" {
		id.Key = "incident:" + id.Key // an incident and an alert of one number are two records
	}
	switch {
	case id.Key == "":
		sum := sha256.Sum256(raw)
		id.Key = "sha256:" + hex.EncodeToString(sum[:])
	case len(id.Key) > maxKey:
		sum := sha256.Sum256([]byte(id.Key))
		id.Key = "sha256:" + hex.EncodeToString(sum[:])
	}
	id.Hash = contentHash(&d)
	return id, nil
}

func contentHash(d *formats.Detection) (hash [16]byte) {
	h := sha256.New()
	write := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	write(d.Title)
	for _, word := range [...]string{d.SeverityText, d.Status, d.Classification, d.Determination, d.Category, d.AssignedTo} {
		write(strings.ToLower(word))
	}
	write(d.IncidentID)
	write(d.RedirectID)
	if d.API == string(Detections) { // immutable records: what identifies the indicator and the device
		for _, s := range [...]string{d.FullID, d.AlertPart, d.Device.ID, d.File.SHA1, d.File.Name, d.Network.RemoteAddress, d.URL, d.User.Name} {
			write(s)
		}
	}
	lines := make([]string, 0, len(d.Evidence))
	for i := range d.Evidence {
		e := &d.Evidence[i]
		var p piece
		_ = unmarshal(e.Raw, &p)
		lines = append(lines, e.Type+"\x00"+p.identity()+"\x00"+strings.ToLower(e.Verdict+"\x00"+e.Remediation+"\x00"+e.DetectionStatus))
	}
	sort.Strings(lines)
	for _, line := range lines {
		write(line)
	}
	copy(hash[1:], h.Sum(nil))
	hash[0] = hashVersion
	return hash
}

// Detect tells of which API a single record is; ok is false for none. legacy is true for an alert of Graph's first
// alerts API, which is another resource: alerts_v2 replaces it.
func Detect(raw []byte) (api API, legacy, ok bool) {
	var r struct {
		AlertTitle, AlertTime text
		FullID                text   `json:"FullId"`
		LastUpdateDateTime    text   `json:"lastUpdateDateTime"`
		CreatedDateTime       text   `json:"createdDateTime"`
		ServiceSource         text   `json:"serviceSource"`
		DisplayName           text   `json:"displayName"`
		IncidentWebURL        text   `json:"incidentWebUrl"`
		AlertWebURL           text   `json:"alertWebUrl"`
		AlertCreationTime     text   `json:"alertCreationTime"`
		MachineID             text   `json:"machineId"`
		IncidentName          text   `json:"incidentName"`
		AlertID               text   `json:"alertId"`
		CreationTime          text   `json:"creationTime"`
		Entities              values `json:"entities"`
		Vendor                object[struct {
			Provider text `json:"provider"`
		}] `json:"vendorInformation"`
		EntraTenant text   `json:"azureTenantId"`
		ID          text   `json:"id"`
		Title       text   `json:"title"`
		Severity    text   `json:"severity"`
		Evidence    values `json:"evidence"`
	}
	if unmarshal(raw, &r) != nil {
		return Unknown, false, false
	}
	switch {
	case r.Vendor.is != nil && r.EntraTenant != "":
		return Unknown, true, false
	case r.AlertTitle != "" || r.AlertTime != "" || r.FullID != "":
		return Detections, false, true
	case r.AlertCreationTime != "" || r.MachineID != "" && r.ID != "":
		return Alerts, false, true
	case r.IncidentName != "" || r.AlertID != "" && (r.CreationTime != "" || r.Entities != nil):
		return Incidents, false, true
	case r.AlertWebURL != "" || r.ID != "" && (r.ServiceSource != "" || r.Evidence != nil || r.Title != ""):
		return GraphAlerts, false, true
	case r.DisplayName != "" && (r.IncidentWebURL != "" || r.LastUpdateDateTime != ""):
		return GraphIncidents, false, true
	case r.CreatedDateTime != "" && r.ID != "":
		return GraphAlerts, false, true
	}
	return Unknown, false, false
}

package defender

import "github.com/siembridge/siembridge/formats"

// API names an API of Microsoft, as the configuration does.
type API string

// The APIs whose records this package reads.
const (
	Detections     API = "detections"      // SIEM detections API: flat records, one per alert and indicator
	Alerts         API = "alerts"          // Defender for Endpoint alerts
	GraphAlerts    API = "graph-alerts"    // Graph alerts_v2
	GraphIncidents API = "graph-incidents" // Graph incidents, without their alerts
	Incidents      API = "incidents"       // Defender XDR incidents, and the alerts they carry
	Unknown        API = "unknown"         // a record of a file that is of no known kind
)

// records is what sets the records of one API apart.
type records struct {
	decode   func(s *scanner, raw []byte, d *formats.Detection, p *problemList) error
	evidence string              // member with the list of evidence; "" when there is none
	typeOf   func(*piece) string // the type of one piece of it, in Graph's words
}

// apis has them for each API. This is the only list here: a new API is a file with its decode, a line, and the signs by
// which Detect knows its records in a file.
var apis = map[API]records{
	Detections:     {decode: decodeDetection},
	Alerts:         {decode: decodeAlert, evidence: "evidence", typeOf: endpointType},
	GraphAlerts:    {decode: decodeGraphAlert, evidence: "evidence", typeOf: graphType},
	GraphIncidents: {decode: decodeGraphIncident},
	Incidents:      {decode: decodeIncident, evidence: "entities", typeOf: endpointType},
}

// signs are the fields by which a record's API is known.
type signs struct {
	AlertTitle, AlertTime text
	FullID                text           `json:"FullId"`
	LastUpdateDateTime    text           `json:"lastUpdateDateTime"`
	CreatedDateTime       text           `json:"createdDateTime"`
	ServiceSource         text           `json:"serviceSource"`
	DisplayName           text           `json:"displayName"`
	IncidentWebURL        text           `json:"incidentWebUrl"`
	AlertWebURL           text           `json:"alertWebUrl"`
	AlertCreationTime     text           `json:"alertCreationTime"`
	MachineID             text           `json:"machineId"`
	IncidentName          text           `json:"incidentName"`
	AlertID               text           `json:"alertId"`
	CreationTime          text           `json:"creationTime"`
	Entities              values         `json:"entities"`
	Vendor                object[vendor] `json:"vendorInformation"`
	EntraTenant           text           `json:"azureTenantId"`
	ID                    text           `json:"id"`
	Title                 text           `json:"title"`
	Severity              text           `json:"severity"`
	Evidence              values         `json:"evidence"`
}

type vendor struct {
	Provider text `json:"provider"`
}

var signReader = newReader[signs]()

// Detect tells of which API a single record is; ok is false for none. legacy is true for an alert of Graph's first
// alerts API, which is another resource: alerts_v2 replaces it.
func Detect(raw []byte) (api API, legacy, ok bool) {
	s := newScanner()
	defer s.releaseAll()
	r, err := signReader.read(s, raw)
	if err != nil {
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

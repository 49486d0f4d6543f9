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

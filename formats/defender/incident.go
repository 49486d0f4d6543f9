package defender

import "github.com/siembridge/siembridge/formats"

// xdrRecord is an incident of Defender XDR without its alerts, or an alert that an incident carried: Split makes a
// record of each.
type xdrRecord struct {
	AlertID            text          `json:"alertId"` // an alert has one, an incident none
	ProviderAlertID    text          `json:"providerAlertId"`
	IncidentID         text          `json:"incidentId"`
	IncidentName       text          `json:"incidentName"`
	Redirect           text          `json:"redirectIncidentId"`
	IncidentURI        text          `json:"incidentUri"`
	CreatedTime        text          `json:"createdTime"`
	CreationTime       text          `json:"creationTime"`
	LastUpdateTime     text          `json:"lastUpdateTime"`
	LastUpdatedTime    text          `json:"lastUpdatedTime"`
	ResolvedTime       text          `json:"resolvedTime"`
	FirstActivity      text          `json:"firstActivity"`
	LastActivity       text          `json:"lastActivity"`
	ServiceSource      text          `json:"serviceSource"`
	DetectionSource    text          `json:"detectionSource"`
	DetectorID         text          `json:"detectorId"`
	Title              text          `json:"title"`
	Description        text          `json:"description"`
	Category           text          `json:"category"`
	Severity           text          `json:"severity"`
	Status             text          `json:"status"`
	Classification     text          `json:"classification"`
	Determination      text          `json:"determination"`
	AssignedTo         text          `json:"assignedTo"`
	InvestigationID    text          `json:"investigationId"`
	InvestigationState text          `json:"investigationState"`
	Actor              text          `json:"actorName"`
	ThreatFamily       text          `json:"threatFamilyName"`
	MitreTechniques    texts         `json:"mitreTechniques"`
	Tags               texts         `json:"tags"`
	Comments           list[comment] `json:"comments"`
	Devices            pieces        `json:"devices"`
	Entities           pieces        `json:"entities"`
}

// Incidents is the incidents API of Defender XDR, with the alerts that incidents carry.
const Incidents API = "incidents"

var xdrIncidents = recordKind{
	api:      Incidents,
	decode:   decodeIncident,
	evidence: "entities",
	typeOf:   endpointType,
	alerts:   true,
	signs:    []string{"incidentName", "alertId creationTime", "alertId entities[]"},
}

var xdrReader = newReader[xdrRecord]()

func decodeIncident(s *scanner, raw []byte, d *formats.Detection, p *problemList) error {
	r, err := xdrReader.read(s, raw)
	d.IncidentID, d.RedirectID = string(r.IncidentID), string(r.Redirect)
	d.Title, d.Description, d.Category = first(r.Title, r.IncidentName), string(r.Description), string(r.Category)
	if r.AlertID == "" {
		d.Kind = formats.KindIncident
		d.ID, d.IncidentName = string(r.IncidentID), string(r.IncidentName)
		d.IncidentLink = first(r.IncidentURI, text(s.portalLink("incidents", d.IncidentID, "")))
	} else {
		d.ID, d.AlertID, d.ProviderAlertID = string(r.AlertID), string(r.AlertID), string(r.ProviderAlertID)
		d.AlertLink = s.portalLink("alerts", d.AlertID, "")
		d.IncidentLink = s.portalLink("incidents", d.IncidentID, "")
	}
	d.SeverityText = string(r.Severity)
	d.Severity = severityOf(d.SeverityText)
	d.Created = p.moment("creationTime", text(first(r.CreationTime, r.CreatedTime)))
	d.Updated = p.moment("lastUpdatedTime", text(first(r.LastUpdatedTime, r.LastUpdateTime)))
	d.Resolved = p.moment("resolvedTime", r.ResolvedTime)
	d.FirstActivity, d.LastActivity = p.moment("firstActivity", r.FirstActivity), p.moment("lastActivity", r.LastActivity)
	d.ServiceSource, d.DetectionSource, d.DetectorID = string(r.ServiceSource), string(r.DetectionSource), string(r.DetectorID)
	d.Status, d.Classification, d.Determination = string(r.Status), string(r.Classification), string(r.Determination)
	d.AssignedTo = string(r.AssignedTo)
	fillComment(d, r.Comments, p)
	d.InvestigationID, d.InvestigationState = string(r.InvestigationID), string(r.InvestigationState)
	d.Actor, d.ThreatFamily = string(r.Actor), string(r.ThreatFamily)
	d.Techniques, d.Tags = append(d.Techniques, r.MitreTechniques...), append(d.Tags, r.Tags...)
	for _, device := range r.Devices {
		if s.whole && d.Device.ID == "" && d.Device.Name == "" && device != nil {
			device.kind, device.in, s.evidence.device = "device", &s.texts, device
			device.fillDevice(&d.Device)
		}
	}
	s.addEvidence(d, r.Entities, endpointType, p)
	return err
}

package defender

import "github.com/siembridge/siembridge/formats"

// graphAlert is an alert of Graph's alerts_v2 (schema v1.0 of microsoft.graph.security.alert).
type graphAlert struct {
	ID                 text          `json:"id"`
	ProviderAlertID    text          `json:"providerAlertId"`
	IncidentID         text          `json:"incidentId"`
	TenantID           text          `json:"tenantId"`
	DetectorID         text          `json:"detectorId"`
	AlertPolicyID      text          `json:"alertPolicyId"`
	ProductName        text          `json:"productName"`
	Title              text          `json:"title"`
	Description        text          `json:"description"`
	RecommendedActions text          `json:"recommendedActions"`
	Category           text          `json:"category"`
	Categories         texts         `json:"categories"`
	Severity           text          `json:"severity"`
	Status             text          `json:"status"`
	ServiceSource      text          `json:"serviceSource"`
	DetectionSource    text          `json:"detectionSource"`
	Classification     text          `json:"classification"`
	Determination      text          `json:"determination"`
	InvestigationState text          `json:"investigationState"`
	Created            text          `json:"createdDateTime"`
	Updated            text          `json:"lastUpdateDateTime"`
	FirstActivity      text          `json:"firstActivityDateTime"`
	LastActivity       text          `json:"lastActivityDateTime"`
	Resolved           text          `json:"resolvedDateTime"`
	AlertWebURL        text          `json:"alertWebUrl"`
	IncidentWebURL     text          `json:"incidentWebUrl"`
	AssignedTo         text          `json:"assignedTo"`
	Actor              text          `json:"actorDisplayName"`
	ThreatDisplayName  text          `json:"threatDisplayName"`
	ThreatFamilyName   text          `json:"threatFamilyName"`
	MitreTechniques    texts         `json:"mitreTechniques"`
	SystemTags         texts         `json:"systemTags"`
	Comments           list[comment] `json:"comments"`
	Evidence           pieces        `json:"evidence"`
}

// GraphAlerts is the alerts_v2 API of Graph.
const GraphAlerts API = "graph-alerts"

var graphAlerts = recordKind{
	api:      GraphAlerts,
	decode:   decodeGraphAlert,
	evidence: "evidence",
	typeOf:   graphType,
	alerts:   true,
	signs:    []string{"alertWebUrl", "id serviceSource", "id evidence[]", "id title"},
	faint:    []string{"id createdDateTime"},
}

var graphAlertReader = newReader[graphAlert]()

func decodeGraphAlert(s *scanner, raw []byte, d *formats.Detection, p *problemList) error {
	r, err := graphAlertReader.read(s, raw)
	d.ID, d.AlertID = string(r.ID), string(r.ID)
	d.ProviderAlertID, d.IncidentID, d.TenantID = string(r.ProviderAlertID), string(r.IncidentID), string(r.TenantID)
	d.DetectorID, d.PolicyID, d.Product = string(r.DetectorID), string(r.AlertPolicyID), string(r.ProductName)
	d.Title, d.Description, d.RecommendedActions = string(r.Title), string(r.Description), string(r.RecommendedActions)
	d.Category, d.SeverityText = string(r.Category), string(r.Severity)
	d.Categories = append(d.Categories, r.Categories...)
	d.Severity = severityOf(d.SeverityText)
	d.Status, d.ServiceSource, d.DetectionSource = string(r.Status), string(r.ServiceSource), string(r.DetectionSource)
	d.Classification, d.Determination = string(r.Classification), string(r.Determination)
	d.InvestigationState = string(r.InvestigationState)
	d.Created = p.moment("createdDateTime", r.Created)
	d.Updated = p.moment("lastUpdateDateTime", r.Updated)
	d.FirstActivity = p.moment("firstActivityDateTime", r.FirstActivity)
	d.LastActivity = p.moment("lastActivityDateTime", r.LastActivity)
	d.Resolved = p.moment("resolvedDateTime", r.Resolved)
	d.AlertLink, d.IncidentLink = string(r.AlertWebURL), string(r.IncidentWebURL)
	d.AssignedTo, d.Actor = string(r.AssignedTo), string(r.Actor)
	d.ThreatName, d.ThreatFamily = string(r.ThreatDisplayName), string(r.ThreatFamilyName)
	d.Techniques = append(d.Techniques, r.MitreTechniques...)
	d.Tags = append(d.Tags, r.SystemTags...)
	fillComment(d, r.Comments, p)
	s.addEvidence(d, r.Evidence, graphType, p)
	return err
}

// graphIncident is an incident of Graph.
type graphIncident struct {
	ID               text          `json:"id"`
	DisplayName      text          `json:"displayName"`
	TenantID         text          `json:"tenantId"`
	Created          text          `json:"createdDateTime"`
	Updated          text          `json:"lastUpdateDateTime"`
	Status           text          `json:"status"`
	Severity         text          `json:"severity"`
	Classification   text          `json:"classification"`
	Determination    text          `json:"determination"`
	AssignedTo       text          `json:"assignedTo"`
	WebURL           text          `json:"incidentWebUrl"`
	Redirect         text          `json:"redirectIncidentId"`
	CustomTags       texts         `json:"customTags"`
	SystemTags       texts         `json:"systemTags"`
	Description      text          `json:"description"`
	Summary          text          `json:"summary"`
	ResolvingComment text          `json:"resolvingComment"`
	LastModifiedBy   text          `json:"lastModifiedBy"`
	PriorityScore    text          `json:"priorityScore"`
	Comments         list[comment] `json:"comments"`
}

// GraphIncidents is the incidents API of Graph, without their alerts.
const GraphIncidents API = "graph-incidents"

var graphIncidents = recordKind{
	api:    GraphIncidents,
	decode: decodeGraphIncident,
	signs:  []string{"displayName incidentWebUrl", "displayName lastUpdateDateTime"},
}

var graphIncidentReader = newReader[graphIncident]()

func decodeGraphIncident(s *scanner, raw []byte, d *formats.Detection, p *problemList) error {
	r, err := graphIncidentReader.read(s, raw)
	d.Kind = formats.KindIncident
	d.ID, d.IncidentID, d.IncidentName, d.Title = string(r.ID), string(r.ID), string(r.DisplayName), string(r.DisplayName)
	d.TenantID, d.RedirectID, d.Status = string(r.TenantID), string(r.Redirect), string(r.Status)
	d.Created = p.moment("createdDateTime", r.Created)
	d.Updated = p.moment("lastUpdateDateTime", r.Updated)
	d.SeverityText = string(r.Severity)
	d.Severity = severityOf(d.SeverityText)
	d.Classification, d.Determination, d.AssignedTo = string(r.Classification), string(r.Determination), string(r.AssignedTo)
	d.IncidentLink, d.Description, d.Summary = string(r.WebURL), string(r.Description), string(r.Summary)
	d.ResolvingComment, d.LastModifiedBy, d.PriorityScore = string(r.ResolvingComment), string(r.LastModifiedBy), string(r.PriorityScore)
	d.Tags = append(append(d.Tags, r.CustomTags...), r.SystemTags...)
	fillComment(d, r.Comments, p)
	return err
}

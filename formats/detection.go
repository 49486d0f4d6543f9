// Package formats turns a detection of any Microsoft Defender API into events that a SIEM reads.
//
// Everything here is pure: bytes in, bytes out, no I/O, no clock, no goroutine. A record goes through it as
//
//	raw JSON ──formats/defender.Decode──▶ Detection ──mapping table──▶ formats/leef, formats/cef or JSON
//
// so that N APIs and M formats cost N + M mappings, not N x M.
package formats

import "time"

// Severity is a detection's severity, ordered as filters compare it:
// informational < unknown < low < medium < high. A word that Microsoft does not document is SeverityUnknown.
type Severity uint8

// The five severities that the Microsoft APIs tell apart.
const (
	SeverityNone Severity = iota // no severity: the record carried none at all
	SeverityInformational
	SeverityUnknown
	SeverityLow
	SeverityMedium
	SeverityHigh
)

var severityWords = [...]string{"", "informational", "unknown", "low", "medium", "high"}

// String returns the severity as the lower-case word that Microsoft Graph uses; "" for SeverityNone.
func (s Severity) String() string {
	if int(s) < len(severityWords) {
		return severityWords[s]
	}
	return "unknown"
}

// Flag is a boolean that may be absent, as in the antivirus fields of the detections API.
type Flag uint8

// The three states of a Flag.
const (
	FlagAbsent Flag = iota
	FlagFalse
	FlagTrue
)

// Kind says what an event is about.
type Kind string

// The kinds of event.
const (
	KindAlert    Kind = "alert"    // an alert, or a detection of the detections API
	KindIncident Kind = "incident" // an incident of Graph or Defender XDR
	KindStatus   Kind = "status"   // the bridge itself speaks: heartbeat, started, stale, dropped ...
)

// Change says whether a SIEM sees a record for the first time.
type Change string

// The two changes.
const (
	ChangeNew    Change = "new"
	ChangeUpdate Change = "update"
)

// Detection is one record of any Microsoft API in one shape: what mapping tables, filters and encoders speak of.
//
// A field that the record does not have is empty; empty and absent are the same, and so are Microsoft's ways to say
// nothing (null, "", the string "null"). Text is as Microsoft sent it: not cleaned, not shortened, possibly with
// control characters or invalid UTF-8; every encoder cleans what it writes. Strings may alias Raw.
//
// The name in a field's tag is its name in mapping tables and filter expressions (nested: "device.name").
// Only string, []string, time.Time, Severity and Flag occur as leaf types; numbers stay text, since APIs send them as
// numbers or as strings, and the mapping table knows what type a target needs.
type Detection struct {
	// What the bridge knows of the record.

	API    string    `detection:"api"`         // the API the record came from, as defender.APIs names it
	Source string    `detection:"source"`      // name of the configured source
	Kind   Kind      `detection:"kind"`        // alert, incident, status
	Change Change    `detection:"event_kind"`  // new, update
	Pulled time.Time `detection:"pulled_time"` // when the bridge pulled the record
	Fresh  bool      // pulled live and younger than 24 h then: what it says of users and hosts still holds

	// Identity.

	ID              string `detection:"id"`                   // identifies the record: FullId of the detections API, else the alert's or incident's id
	AlertID         string `detection:"alert_id"`             // the alert: AlertId, id, alertId
	FullID          string `detection:"full_id"`              // detections API: AlertId:IocUniqueId
	AlertPart       string `detection:"alert_part"`           // detections API: running number of a split alert
	ProviderAlertID string `detection:"provider_alert_id"`    // the id in the product that raised the alert
	IncidentID      string `detection:"incident_id"`          // decimal number as text
	IncidentName    string `detection:"incident_name"`        // incidents only
	RedirectID      string `detection:"redirect_incident_id"` // the incident that this one was merged into
	InvestigationID string `detection:"investigation_id"`     // of the automated investigation; Endpoint and Defender XDR
	TenantID        string `detection:"tenant_id"`            // of the tenant: tenantId

	// What happened.

	Title              string   `detection:"title"`               // of the alert; of an incident, its name
	Description        string   `detection:"description"`         // several lines, often
	RecommendedActions string   `detection:"recommended_actions"` // recommendedActions, recommendedAction
	Category           string   `detection:"category"`            // Microsoft's own word, untouched; see EventClass for the closed list
	Categories         []string `detection:"categories"`          // Graph: superset of category
	Severity           Severity `detection:"severity"`            // the word as a value that can be compared; see there
	SeverityText       string   `detection:"severity_text"`       // Microsoft's own word, untouched
	Techniques         []string `detection:"mitre_techniques"`    // ids of MITRE ATT&CK, e.g. T1059.001
	ThreatName         string   `detection:"threat_name"`         // threatDisplayName, threatName
	ThreatFamily       string   `detection:"threat_family"`       // threatFamilyName
	ThreatCategory     string   `detection:"threat_category"`     // of the detections API, or of malware among the evidence
	Actor              string   `detection:"actor"`               // actorDisplayName, actorName: the group that is behind it
	Tags               []string `detection:"tags"`                // incident tags, system tags

	// Who says so.

	ServiceSource   string `detection:"service_source"`   // in Microsoft's spelling; see ServiceWord for the closed list
	DetectionSource string `detection:"detection_source"` // the sensor or engine: detectionSource, Source
	Product         string `detection:"product"`          // productName
	DetectorID      string `detection:"detector_id"`      // the rule: detectorId, IoaDefinitionId
	PolicyID        string `detection:"policy_id"`        // alertPolicyId
	ReportID        string `detection:"report_id"`        // of the detections API
	ExternalID      string `detection:"external_id"`      // of the detections API

	// What became of it.

	Status             string `detection:"status"`              // Microsoft's word, e.g. new, inProgress, resolved
	Classification     string `detection:"classification"`      // e.g. truePositive
	Determination      string `detection:"determination"`       // e.g. malware
	InvestigationState string `detection:"investigation_state"` // of the automated investigation
	AssignedTo         string `detection:"assigned_to"`         // the analyst
	Remediation        string `detection:"remediation"`         // RemediationAction, else the primary evidence's remediationStatus or detectionStatus
	RemediationSuccess Flag   `detection:"remediation_success"` // detections API, antivirus only
	WasExecuting       Flag   `detection:"was_executing"`       // detections API, antivirus only
	LastComment        string `detection:"last_comment"`        // text of the newest comment
	LastCommentBy      string `detection:"last_comment_by"`     // who wrote it
	ResolvingComment   string `detection:"resolving_comment"`   // incidents of Graph only
	Summary            string `detection:"summary"`             // incidents of Graph only
	PriorityScore      string `detection:"priority_score"`      // incidents of Graph only, 0 to 100
	LastModifiedBy     string `detection:"last_modified_by"`    // incidents of Graph only

	// Times, as Microsoft gives them; zero when absent or not a time.

	Time          time.Time `detection:"time"`              // when it happened, as SIEM time stamps want it: creation of a new alert, last update of an update, AlertTime of the detections API
	Created       time.Time `detection:"created_time"`      // alertCreationTime, createdDateTime, creationTime; AlertTime of the detections API
	Updated       time.Time `detection:"updated_time"`      // lastUpdateTime, lastUpdateDateTime, lastUpdatedTime, LastProcessedTimeUtc
	FirstActivity time.Time `detection:"first_activity"`    // firstEventTime, firstActivityDateTime, firstActivity
	LastActivity  time.Time `detection:"last_activity"`     // lastEventTime, lastActivityDateTime, lastActivity
	Resolved      time.Time `detection:"resolved_time"`     // resolvedDateTime, resolvedTime
	Commented     time.Time `detection:"last_comment_time"` // when the newest comment was written

	// Links into the portal.

	AlertLink          string `detection:"alert_link"`           // security.microsoft.com (LinkToMTP, alertWebUrl, or built from id and tenant)
	IncidentLink       string `detection:"incident_link"`        // IncidentLinkToMTP, incidentWebUrl
	LegacyAlertLink    string `detection:"legacy_alert_link"`    // LinkToWDATP
	LegacyIncidentLink string `detection:"legacy_incident_link"` // IncidentLinkToWDATP

	// Indicators of the detections API.

	IOC IOC `detection:"ioc"` // empty for the other APIs

	// The primary entity of each role: the first by verdict, then evidence role, then Microsoft's order.

	Device   Device     `detection:"device"`   // of device evidence, else the host of other evidence
	User     User       `detection:"user"`     // of user evidence, else the account of other evidence
	File     File       `detection:"file"`     // of file or fileHash evidence
	Process  Process    `detection:"process"`  // of process evidence
	Network  Network    `detection:"network"`  // of ip, networkConnection and dns evidence
	URL      string     `detection:"url"`      // of url evidence
	Mail     Mail       `detection:"mail"`     // of analyzedMessage and mailCluster evidence, which complete each other
	Mailbox  Mailbox    `detection:"mailbox"`  // of mailbox evidence
	Registry Registry   `detection:"registry"` // of registryKey or registryValue evidence
	Cloud    Cloud      `detection:"cloud"`    // of evidence that is a resource of a cloud
	App      App        `detection:"app"`      // of application evidence
	Evidence []Evidence // every piece, in Microsoft's order

	EvidenceCount string `detection:"evidence_count"` // number of pieces as text; "" when the API has no evidence
	EvidenceID    string `detection:"evidence_id"`    // with one event per piece of evidence: hash of this piece
	EvidenceType  string `detection:"evidence_type"`  // with one event per piece of evidence: its type, e.g. "process"

	// What pieces of evidence have in common, of the most telling piece, or of the event's own.

	Verdict               string    `detection:"verdict"`                 // Microsoft's verdict on the piece
	RemediationDetail     string    `detection:"remediation_detail"`      // remediationStatusDetails
	EvidenceTime          time.Time `detection:"evidence_time"`           // when the piece was added
	EvidenceRoles         []string  `detection:"evidence_roles"`          // Graph: the part it has in the alert, e.g. attacked
	EvidenceDetailedRoles []string  `detection:"evidence_detailed_roles"` // Graph: the same in words
	EvidenceTags          []string  `detection:"evidence_tags"`           // Graph; a device's are in Device.Tags

	// What has no field of its own, as "name: value" with the names of the record, nested ones joined by dots.

	EvidenceDetails []string `detection:"evidence_details"` // of the most telling piece of each type, e.g. "nic.vlans: 10, 20"
	AlertDetails    []string `detection:"alert_details"`    // of the record itself, e.g. "customDetails.Host: h1"

	// Status events of the bridge itself.

	StatusClass string `detection:"status_class"` // closed list: heartbeat, started ...

	// Extra holds additions from the configuration of the source, in the order of the file.
	Extra []Pair

	// Raw is the record as Microsoft sent it; mapping tables reach into it by JSON Pointer (RFC 6901).
	Raw []byte
}

// Pair is one key with its value.
type Pair struct{ Key, Value string }

// Reset empties d for the next record and keeps the memory of its lists.
func (d *Detection) Reset() {
	// The lists are put back one by one: a literal with them would be made elsewhere and copied, twice the work.
	categories, techniques, tags, evidence, extra := d.Categories[:0], d.Techniques[:0], d.Tags[:0], d.Evidence[:0], d.Extra[:0]
	addresses, deviceTags, users, threats := d.Device.Addresses[:0], d.Device.Tags[:0], d.Device.LoggedOnUsers[:0], d.Mail.Threats[:0]
	roles, detailed, evidenceTags := d.EvidenceRoles[:0], d.EvidenceDetailedRoles[:0], d.EvidenceTags[:0]
	details, alertDetails := d.EvidenceDetails[:0], d.AlertDetails[:0]
	*d = Detection{}
	d.Categories, d.Techniques, d.Tags, d.Evidence, d.Extra = categories, techniques, tags, evidence, extra
	d.Device.Addresses, d.Device.Tags, d.Device.LoggedOnUsers, d.Mail.Threats = addresses, deviceTags, users, threats
	d.EvidenceRoles, d.EvidenceDetailedRoles, d.EvidenceTags = roles, detailed, evidenceTags
	d.EvidenceDetails, d.AlertDetails = details, alertDetails
}

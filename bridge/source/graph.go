package source

import "time"

// preferUnknown makes Graph send enum members that are newer than its first version by name.
const preferUnknown = "include-unknown-enum-members"

var graphPlaces = map[string]place{
	"public":   {"graph.microsoft.com", "https://graph.microsoft.com"},
	"gcc":      {"graph.microsoft.com", "https://graph.microsoft.com"},
	"gcc-high": {"graph.microsoft.us", "https://graph.microsoft.us"},
	"dod":      {"dod-graph.microsoft.us", "https://dod-graph.microsoft.us"},
}

// graphAlerts is the alerts_v2 API of Microsoft Graph. Neither $orderby nor a limit of $top is documented; more than
// 1,000 rows are cut silently and a $skip above 500 is refused (Graph security API constraints, reports of users).
var graphAlerts = api{
	name:       "graph-alerts",
	path:       "/v1.0/security/alerts_v2",
	permission: "SecurityAlert.Read.All",
	grant:      "App registrations > API permissions > Microsoft Graph > application permission SecurityAlert.Read.All, then grant admin consent",
	changed:    "lastUpdateDateTime",
	created:    "createdDateTime",
	top:        1000,
	maxSkip:    500,
	window:     24 * time.Hour,
	prefer:     preferUnknown,
	perMinute:  150,
	family:     "graph",
	places:     graphPlaces,
}

// graphIncidents is the incidents API of Microsoft Graph, listed without its alerts: expanding them fails for good on
// large tenants. A $top above 50 is refused.
var graphIncidents = api{
	name:       "graph-incidents",
	path:       "/v1.0/security/incidents",
	permission: "SecurityIncident.Read.All",
	grant:      "App registrations > API permissions > Microsoft Graph > application permission SecurityIncident.Read.All, then grant admin consent",
	changed:    "lastUpdateDateTime",
	created:    "createdDateTime",
	top:        50,
	maxSkip:    500,
	window:     24 * time.Hour,
	prefer:     preferUnknown,
	perMinute:  150,
	family:     "graph",
	places:     graphPlaces,
}

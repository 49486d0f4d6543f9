package source

import "time"

// incidents is the incidents API of Defender XDR, whose incidents carry their alerts. A $top above 100 is refused.
var incidents = api{
	name:       "incidents",
	path:       "/api/incidents",
	permission: "Incident.Read.All",
	grant:      "App registrations > API permissions > Microsoft Threat Protection > application permission Incident.Read.All, then grant admin consent",
	retiring:   "Microsoft is reported to end this API on 1 February 2027: move to graph-alerts and graph-incidents",
	changed:    "lastUpdateTime",
	created:    "createdTime",
	top:        100,
	maxSkip:    50000,
	window:     24 * time.Hour,
	perMinute:  50,
	perHour:    1500,
	family:     "incidents",
	places: map[string]place{
		"public":   {"api.security.microsoft.com", "https://api.security.microsoft.com"},
		"gcc":      {"api-gcc.security.microsoft.us", "https://api-gcc.security.microsoft.us"},
		"gcc-high": {"api-gov.security.microsoft.us", "https://api-gov.security.microsoft.us"},
		"dod":      {"api-gov.security.microsoft.us", "https://api-gov.security.microsoft.us"},
	},
}

package source

import "time"

// alerts is the alerts API of Defender for Endpoint. With $top it returns no next link, so it is read by windows. A
// page is kept at 1,000 rows although 10,000 are allowed: with evidence these could be more than 100 MB.
var alerts = api{
	name:       "alerts",
	path:       "/api/alerts",
	permission: "Alert.Read.All",
	grant:      "App registrations > API permissions > WindowsDefenderATP > application permission Alert.Read.All, then grant admin consent",
	retiring:   "Microsoft is reported to end this API on 1 February 2027: move to graph-alerts",
	changed:    "lastUpdateTime",
	created:    "alertCreationTime",
	expand:     "evidence",
	top:        1000,
	maxSkip:    50000,
	window:     24 * time.Hour,
	perMinute:  100,
	perHour:    1500,
	family:     "alerts",
	places: map[string]place{
		"public":   {"api.securitycenter.microsoft.com", "https://api.securitycenter.microsoft.com"},
		"gcc":      {"api-gcc.securitycenter.microsoft.us", "https://api-gcc.securitycenter.microsoft.us"},
		"gcc-high": {"api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us"},
		"dod":      {"api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us"},
	},
}

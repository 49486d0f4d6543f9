package source

import "time"

// detections is the SIEM detections API of Defender for Endpoint (Microsoft, "Pull detections using SIEM REST API"):
// a range of LastProcessedTimeUtc without pages, at most two hours at a time. Its request limit is not published.
var detections = api{
	name:       "detections",
	path:       "/api/alerts",
	permission: "SIEM integration",
	grant:      "Defender portal, Settings > Endpoints > APIs > SIEM: enable it and use its application",
	retiring:   "Microsoft has not supported this API since the end of 2023 and may end it any day: move to graph-alerts",
	window:     2 * time.Hour,
	perMinute:  100,
	family:     "detections",
	v1:         true,
	places: map[string]place{
		"public":   {"", "https://graph.windows.net"},
		"gcc":      {"wdatp-alertexporter-us.gcc.securitycenter.windows.us", "https://graph.windows.net"},
		"gcc-high": {"wdatp-alertexporter-us.securitycenter.windows.us", "https://graph.windows.net"},
		"dod":      {"wdatp-alertexporter-us.securitycenter.windows.us", "https://graph.windows.net"},
	},
	regions: func(cloud, region string) *string {
		if cloud != "public" {
			return nil
		}
		if region == "" {
			region = "us"
		}
		host := ""
		switch region {
		case "us", "eu", "uk":
			host = "wdatp-alertexporter-" + region + ".windows.com"
		}
		return &host
	},
}

// detectionsTime has the form with precedent: milliseconds, UTC meant and not said.
const detectionsTime = "2006-01-02T15:04:05.000"

// detectionsQuery asks for one millisecond more at both ends, since it is not documented which bound is included.
// limit is never sent: it would drop the oldest.
func detectionsQuery(q query) string {
	from, to := q.changed.Start().Add(-time.Millisecond), q.changed.End().Add(time.Millisecond)
	return "sinceTimeUtc=" + escape(from.Format(detectionsTime)) + "&untilTimeUtc=" + escape(to.Format(detectionsTime))
}

package emulator

// alerts is the alerts API of Defender for Endpoint.
var alerts = api{name: "alerts", path: "/api/alerts", audience: "https://api.securitycenter.microsoft.com", role: "Alert.Read.All",
	changed: "lastUpdateTime", created: "alertCreationTime", id: "id", title: "title",
	usualTop: 10_000, maxTop: 10_000, expand: "evidence",
	fill: func(g *Generator, r *Record, n novelty) {
		r.set("id", n.id)
		r.set("incidentId", 1000+g.n)
		r.set("lastUpdateTime alertCreationTime", n.stamp)
		r.set("firstEventTime lastEventTime", n.before)
		r.set("computerDnsName", n.host+".corp.example.org")
	}}

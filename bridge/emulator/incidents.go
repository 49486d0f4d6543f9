package emulator

import "fmt"

// incidents is the incidents API of Defender XDR, whose incidents carry their alerts.
var incidents = api{name: "incidents", path: "/api/incidents", audience: "https://api.security.microsoft.com", role: "Incident.Read.All",
	changed: "lastUpdateTime", created: "createdTime", id: "incidentId", title: "incidentName",
	usualTop: 100, maxTop: 100,
	fill: func(g *Generator, r *Record, n novelty) {
		r.ID = fmt.Sprint(900_000 + g.n)
		r.set("incidentId", 900_000+g.n)
		r.set("lastUpdateTime createdTime", n.stamp)
		r.set("redirectIncidentId", nil)
		r.Carried = g.carry(r.fields, n.stamp, n.before)
	}}

package emulator

import "fmt"

// graphAlerts is the alerts_v2 API of Graph.
var graphAlerts = api{name: "graph-alerts", path: "/v1.0/security/alerts_v2", audience: "https://graph.microsoft.com", role: "SecurityAlert.Read.All",
	changed: "lastUpdateDateTime", created: "createdDateTime", id: "id", title: "title",
	usualTop: 100, maxTop: 1000, cutsTop: true, maxSkip: 500, links: true,
	fill: func(g *Generator, r *Record, n novelty) {
		r.set("id providerAlertId", n.id)
		r.set("incidentId", fmt.Sprint(1000+g.n))
		r.set("lastUpdateDateTime createdDateTime", n.stamp)
		r.set("firstActivityDateTime lastActivityDateTime", n.before)
		r.set("alertWebUrl", "https://security.microsoft.com/alerts/"+n.id)
	}}

// graphIncidents is the incidents API of Graph. Expanding their alerts fails.
var graphIncidents = api{name: "graph-incidents", path: "/v1.0/security/incidents", audience: "https://graph.microsoft.com", role: "SecurityIncident.Read.All",
	changed: "lastUpdateDateTime", created: "createdDateTime", id: "id", title: "displayName",
	usualTop: 50, maxTop: 50, maxSkip: 500, links: true, fails: "alerts", codeless: true,
	fill: func(g *Generator, r *Record, n novelty) {
		r.ID = fmt.Sprint(900_000 + g.n)
		r.set("id", r.ID)
		r.set("lastUpdateDateTime createdDateTime", n.stamp)
		r.set("redirectIncidentId", nil)
		r.set("incidentWebUrl", "https://security.microsoft.com/incidents/"+r.ID)
	}}

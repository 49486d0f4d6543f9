package emulator

import "fmt"

// api is what sets one API of Microsoft apart from the others.
type api struct {
	name     string // as the bridge's configuration names it
	path     string
	audience string // of the tokens it takes
	role     string // application permission that a token has to have; "": any
	changed  string // property of the changed-time
	created  string // property of the creation time; "": none
	id       string
	title    string

	usualTop int    // rows of a page that asks for no number; 0: the API has no pages
	maxTop   int    // largest $top
	cutsTop  bool   // a larger one is cut without a word, not refused
	maxSkip  int    // largest $skip; 0: any
	links    bool   // pages have next links
	expand   string // the only $expand that works
	fails    string // the $expand that gives a lasting 500
	codeless bool   // the error about $top has an empty code

	fill func(g *Generator, r *Record, n novelty) // makes a record of a sample
}

// apis by name, with the limits that Microsoft documents or users report. An API needs an entry here, and samples in the
// folder of its name.
var apis = map[string]*api{
	"detections": {path: "/api/alerts", audience: "https://graph.windows.net", changed: "LastProcessedTimeUtc",
		id: "FullId", title: "AlertTitle",
		fill: func(g *Generator, r *Record, n novelty) {
			r.set("AlertId", n.id)
			r.set("FullId", n.id+":"+fmt.Sprint(g.n))
			r.set("LastProcessedTimeUtc", n.stamp)
			r.set("AlertTime", n.before)
			r.set("MachineName", n.host)
			r.set("ComputerDnsName", n.host+".corp.example.org")
			r.set("LinkToWDATP", "https://securitycenter.windows.com/alert/"+n.id)
			r.set("LinkToMTP", "https://security.microsoft.com/alert/"+n.id)
		}},
	"alerts": {path: "/api/alerts", audience: "https://api.securitycenter.microsoft.com", role: "Alert.Read.All",
		changed: "lastUpdateTime", created: "alertCreationTime", id: "id", title: "title",
		usualTop: 10_000, maxTop: 10_000, expand: "evidence",
		fill: func(g *Generator, r *Record, n novelty) {
			r.set("id", n.id)
			r.set("incidentId", 1000+g.n)
			r.set("lastUpdateTime alertCreationTime", n.stamp)
			r.set("firstEventTime lastEventTime", n.before)
			r.set("computerDnsName", n.host+".corp.example.org")
		}},
	"graph-alerts": {path: "/v1.0/security/alerts_v2", audience: "https://graph.microsoft.com", role: "SecurityAlert.Read.All",
		changed: "lastUpdateDateTime", created: "createdDateTime", id: "id", title: "title",
		usualTop: 100, maxTop: 1000, cutsTop: true, maxSkip: 500, links: true,
		fill: func(g *Generator, r *Record, n novelty) {
			r.set("id providerAlertId", n.id)
			r.set("incidentId", fmt.Sprint(1000+g.n))
			r.set("lastUpdateDateTime createdDateTime", n.stamp)
			r.set("firstActivityDateTime lastActivityDateTime", n.before)
			r.set("alertWebUrl", "https://security.microsoft.com/alerts/"+n.id)
		}},
	"graph-incidents": {path: "/v1.0/security/incidents", audience: "https://graph.microsoft.com", role: "SecurityIncident.Read.All",
		changed: "lastUpdateDateTime", created: "createdDateTime", id: "id", title: "displayName",
		usualTop: 50, maxTop: 50, maxSkip: 500, links: true, fails: "alerts", codeless: true,
		fill: func(g *Generator, r *Record, n novelty) {
			r.ID = fmt.Sprint(900_000 + g.n)
			r.set("id", r.ID)
			r.set("lastUpdateDateTime createdDateTime", n.stamp)
			r.set("redirectIncidentId", nil)
			r.set("incidentWebUrl", "https://security.microsoft.com/incidents/"+r.ID)
		}},
	"incidents": {path: "/api/incidents", audience: "https://api.security.microsoft.com", role: "Incident.Read.All",
		changed: "lastUpdateTime", created: "createdTime", id: "incidentId", title: "incidentName",
		usualTop: 100, maxTop: 100,
		fill: func(g *Generator, r *Record, n novelty) {
			r.ID = fmt.Sprint(900_000 + g.n)
			r.set("incidentId", 900_000+g.n)
			r.set("lastUpdateTime createdTime", n.stamp)
			r.set("redirectIncidentId", nil)
			r.Carried = g.carry(r.fields, n.stamp, n.before)
		}},
}

func init() {
	for name, a := range apis {
		a.name = name
	}
}

// Endpoint returns the path prefix of an API, for the source's endpoint key.
func Endpoint(api string) string { return "/" + api }

// TokenPath returns the path of the token endpoint that an API's tokens come from: v1 for the detections API, else v2.
func (t *Tenant) TokenPath(api string) string {
	if api == "detections" {
		return "/login/" + t.ID + "/oauth2/token"
	}
	return "/login/" + t.ID + "/oauth2/v2.0/token"
}

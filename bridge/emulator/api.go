package emulator

// api is what sets one API of Microsoft apart from the others.
type api struct {
	name     string // as the bridge's configuration names it
	path     string
	audience string // of the tokens it takes,
	v1       bool   // which come from the v1 endpoint
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

// apis by name, with the limits that Microsoft documents or users report. Each stands in a file of its own; its samples are
// in the folder of its name.
var apis = byName(&detections, &alerts, &graphAlerts, &graphIncidents, &incidents)

func byName(all ...*api) map[string]*api {
	apis := map[string]*api{}
	for _, a := range all {
		apis[a.name] = a
	}
	return apis
}

// Endpoint returns the path prefix of an API, for the source's endpoint key.
func Endpoint(api string) string { return "/" + api }

// TokenPath returns the path of the token endpoint that an API's tokens come from: v1 or v2.
func (t *Tenant) TokenPath(api string) string {
	if apis[api].v1 {
		return "/login/" + t.ID + "/oauth2/token"
	}
	return "/login/" + t.ID + "/oauth2/v2.0/token"
}

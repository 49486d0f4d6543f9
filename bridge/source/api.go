package source

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// api describes one API of Microsoft. The polling rules are the same for all of them; what differs is here.
type api struct {
	name       string // the key of the configuration
	path       string // fixed, appended to the endpoint
	permission string // application permission that a 403 asks for
	grant      string // where the operator grants it
	retiring   string // what is known of its end, for who uses it; "" for nothing

	changed string        // OData property of the changed-time; "" for sinceTimeUtc and untilTimeUtc
	created string        // OData property of the creation time
	expand  string        // $expand
	top     int           // rows of a full page; 0: the API has no pages
	maxSkip int           // largest $skip that is not refused
	window  time.Duration // widest window
	prefer  string        // Prefer header

	perMinute, perHour int    // documented limits; 0: none
	family             string // APIs that share them

	v1      bool                               // v1 token endpoint, with a resource
	places  map[string]place                   // by cloud
	regions func(cloud, region string) *string // host by region; nil when there are none
}

// place is where an API is in one cloud.
type place struct {
	host     string
	audience string // resource of a v1 token; with /.default the scope of a v2 token
}

// apis has all of them; "file" is not one. This is the only list here: a new API is a file with its description, and a
// name in this line.
var apis = []*api{&detections, &alerts, &graphAlerts, &graphIncidents, &incidents}

func findAPI(name string) (*api, error) {
	for _, a := range apis {
		if a.name == name {
			return a, nil
		}
	}
	names := make([]string, len(apis))
	for i, a := range apis {
		names[i] = a.name
	}
	return nil, fmt.Errorf("no API is named %q; there are %s", name, strings.Join(names, ", "))
}

// endpoint returns scheme and host of the API in a cloud.
func (a *api) endpoint(cloud, region string) (base, audience string, err error) {
	if cloud == "" {
		cloud = "public"
	}
	at, ok := a.places[cloud]
	if !ok {
		return "", "", fmt.Errorf("the API %s does not exist in the cloud %q; correct api or cloud", a.name, cloud)
	}
	host := at.host
	if a.regions != nil {
		if named := a.regions(cloud, region); named != nil {
			host = *named
		}
	}
	if host == "" {
		return "", "", fmt.Errorf("the API %s has no region %q; correct region", a.name, region)
	}
	return "https://" + host, at.audience, nil
}

// query is one request: a window of changed-time and, when that cannot be cut further, one of creation time.
type query struct {
	changed Interval
	created *Interval
	skip    int
	top     int // 0: the API's
}

// url returns the request's address.
func (a *api) url(base string, q query) string {
	base = strings.TrimSuffix(base, "/") + a.path
	if a.changed == "" {
		return base + "?" + detectionsQuery(q)
	}
	filter := between(a.changed, q.changed)
	if q.created != nil {
		filter += " and " + between(a.created, *q.created)
	}
	top := a.top
	if q.top > 0 {
		top = q.top
	}
	parts := []string{"$filter=" + escape(filter), "$top=" + strconv.Itoa(top)}
	if q.skip > 0 {
		parts = append(parts, "$skip="+strconv.Itoa(q.skip))
	}
	if a.expand != "" {
		parts = append(parts, "$expand="+a.expand)
	}
	return base + "?" + strings.Join(parts, "&")
}

// graphTime has the seven digits of Microsoft's own times; the last four are always zero here.
const graphTime = "2006-01-02T15:04:05.0000000Z"

func between(field string, i Interval) string {
	return field + " ge " + i.Start().Format(graphTime) + " and " + field + " lt " + i.End().Format(graphTime)
}

// escape encodes a query value, blanks as %20: some gateways keep a plus sign.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

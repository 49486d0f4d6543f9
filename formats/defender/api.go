package defender

import "github.com/siembridge/siembridge/formats"

// API names an API of Microsoft, as the configuration does.
type API string

// Unknown is the API of a file's record that is of no known kind.
const Unknown API = "unknown"

// recordKind describes the records of one API: what sets them apart from those of the others. It stands in the file with
// their decode; a new API is such a file and its name in recordKinds.
type recordKind struct {
	api      API
	decode   func(s *scanner, raw []byte, d *formats.Detection, p *problemList) error
	evidence string              // member with the list of evidence; "" when there is none
	typeOf   func(*piece) string // the type of one piece of it, in Graph's words
	alerts   bool                // they are alerts, or have them: the same ones as those of the other APIs, each in its own form

	// signs are members by which a record of a file is known for one of these: one of the lines has to be there whole. A
	// name stands for a text or a number, with [] for a list that is not empty, with {} for an object. faint ones tell when
	// no kind's signs do.
	signs, faint  []string
	known, likely []sign // the same lines, as sets
}

// recordKinds are the kinds of records, in the order in which their signs are looked for. It is the list of APIs that
// there are: the configuration, a mapping's conditions and the tests of other packages ask APIs.
var recordKinds = []*recordKind{&detections, &endpointAlerts, &xdrIncidents, &graphAlerts, &graphIncidents}

// APIs returns the names of the APIs whose records Decode reads, as the configuration and a mapping's conditions write
// them.
func APIs() (names []string) {
	for _, k := range recordKinds {
		names = append(names, string(k.api))
	}
	return names
}

// kindOf returns the kind of an API's records; nil: there is none.
func kindOf(api API) *recordKind {
	for _, k := range recordKinds {
		if k.api == api {
			return k
		}
	}
	return nil
}

// CarriesAlerts reports whether an API brings the alerts of a tenant, so that a second one that does brings them again.
func CarriesAlerts(api API) bool {
	k := kindOf(api)
	return k != nil && k.alerts
}

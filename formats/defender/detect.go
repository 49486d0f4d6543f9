package defender

// sign is a member by which a record's API is known, or a set of them.
type sign uint32

const (
	hasAlertTitle sign = 1 << iota
	hasAlertTime
	hasFullID
	hasLastUpdateDateTime
	hasCreatedDateTime
	hasServiceSource
	hasDisplayName
	hasIncidentWebURL
	hasAlertWebURL
	hasAlertCreationTime
	hasMachineID
	hasIncidentName
	hasAlertID
	hasCreationTime
	hasEntities
	hasVendor
	hasEntraTenant
	hasID
	hasTitle
	hasEvidence
)

// signOf is a sign with the kind of value that it needs: a text that says something, a list that is not empty, an object.
type signOf struct {
	bit  sign
	kind kind
}

// signs are all signs by the member's name.
var signs = map[string]signOf{
	"AlertTitle":         {hasAlertTitle, kindText},
	"AlertTime":          {hasAlertTime, kindText},
	"FullId":             {hasFullID, kindText},
	"lastUpdateDateTime": {hasLastUpdateDateTime, kindText},
	"createdDateTime":    {hasCreatedDateTime, kindText},
	"serviceSource":      {hasServiceSource, kindText},
	"displayName":        {hasDisplayName, kindText},
	"incidentWebUrl":     {hasIncidentWebURL, kindText},
	"alertWebUrl":        {hasAlertWebURL, kindText},
	"alertCreationTime":  {hasAlertCreationTime, kindText},
	"machineId":          {hasMachineID, kindText},
	"incidentName":       {hasIncidentName, kindText},
	"alertId":            {hasAlertID, kindText},
	"creationTime":       {hasCreationTime, kindText},
	"entities":           {hasEntities, kindValues},
	"vendorInformation":  {hasVendor, kindObject},
	"azureTenantId":      {hasEntraTenant, kindText},
	"id":                 {hasID, kindText},
	"title":              {hasTitle, kindText},
	"evidence":           {hasEvidence, kindValues},
}

// api tells whose record has these signs.
func (has sign) api() (api API, legacy, ok bool) {
	all := func(wanted sign) bool { return has&wanted == wanted }
	any := func(wanted sign) bool { return has&wanted != 0 }
	switch {
	case all(hasVendor | hasEntraTenant):
		return Unknown, true, false
	case any(hasAlertTitle | hasAlertTime | hasFullID):
		return Detections, false, true
	case any(hasAlertCreationTime) || all(hasMachineID|hasID):
		return Alerts, false, true
	case any(hasIncidentName) || any(hasAlertID) && any(hasCreationTime|hasEntities):
		return Incidents, false, true
	case any(hasAlertWebURL) || any(hasID) && any(hasServiceSource|hasEvidence|hasTitle):
		return GraphAlerts, false, true
	case any(hasDisplayName) && any(hasIncidentWebURL|hasLastUpdateDateTime):
		return GraphIncidents, false, true
	case all(hasCreatedDateTime | hasID):
		return GraphAlerts, false, true
	}
	return Unknown, false, false
}

// look notes whether the value that begins at i is what a sign needs. Of two members of one name the last one counts.
func (s *scanner) look(i int, of signOf) {
	said := false
	switch rest := s.b[i:]; {
	case at(rest, 0) == '{':
		said = of.kind == kindObject
	case at(rest, 0) == '[':
		said = of.kind == kindValues && at(rest, blank(rest, 1)) != ']'
	case of.kind == kindText:
		var text string
		end := s.scalar(i, &text)
		said = text != "" || end < 0 && at(rest, 0) == '"' // which the library reads
	}
	if s.signs &^= of.bit; said {
		s.signs |= of.bit
	}
}

var signReader = newReader[struct{}]() // which has no members: each is looked at for signs alone

// Detect tells of which API a single record is; ok is false for none. legacy is true for an alert of Graph's first
// alerts API, which is another resource: alerts_v2 replaces it.
func Detect(raw []byte) (api API, legacy, ok bool) {
	s := newScanner()
	defer s.releaseAll()
	if _, err := signReader.read(s, raw); err != nil {
		return Unknown, false, false
	}
	return s.signs.api()
}

// Recognize is Detect and then Identify, for a record that is probably of the API guess: then it is read once. Where ok is
// false, there is no identity.
func Recognize(guess API, raw []byte) (api API, id Identity, ok bool) {
	if _, known := apis[guess]; known {
		s := newScanner()
		id, err := s.identify(guess, raw)
		api, _, ok = s.signs.api()
		s.detection.Reset()
		if s.releaseAll(); err == nil && ok && api == guess {
			return api, id, true
		}
	}
	if api, _, ok = Detect(raw); ok {
		id, _ = Identify(api, raw)
	}
	return api, id, ok
}

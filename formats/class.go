package formats

import (
	_ "embed"

	"github.com/BurntSushi/toml"
)

//go:embed classes.toml
var classesTOML string

// Word is one member of a closed list with the other spellings it is known by.
type Word struct {
	ID  string   `toml:"id"`  // as events have it
	Aka []string `toml:"aka"` // other spellings; letters without their case and digits count
}

// closedLists is classes.toml with an index by folded word for each list.
type closedLists struct {
	Category []Word `toml:"category"`
	Incident string `toml:"incident"`
	Status   []Word `toml:"status"`
	Service  []Word `toml:"service"`

	category, status, service map[string]string
}

// lists is a constant of the program; a mistake in the embedded file shows in every test.
var lists = func() *closedLists {
	var l closedLists
	if _, err := toml.Decode(classesTOML, &l); err != nil {
		panic("formats: classes.toml: " + err.Error())
	}
	l.category, l.status, l.service = indexWords(l.Category), indexWords(l.Status), indexWords(l.Service)
	return &l
}()

func indexWords(words []Word) map[string]string {
	index := map[string]string{}
	for _, w := range words {
		for _, spelling := range append([]string{w.ID}, w.Aka...) {
			index[foldWord(spelling)] = w.ID
		}
	}
	return index
}

// CategoryClasses lists the classes of alerts with the further spellings of Microsoft's words, in the order of
// classes.toml. It must not be changed.
func CategoryClasses() []Word { return lists.Category }

// StatusClasses lists the classes of the bridge's own events, as CategoryClasses does those of alerts.
func StatusClasses() []Word { return lists.Status }

// EventClasses lists every word that EventClass may return, in the order of classes.toml.
func EventClasses() []string {
	var ids []string
	for _, w := range lists.Category {
		ids = append(ids, w.ID)
	}
	ids = append(ids, lists.Incident)
	for _, w := range lists.Status {
		ids = append(ids, w.ID)
	}
	return ids
}

// ServiceWords lists every word that ServiceWord may return, in the order of classes.toml.
func ServiceWords() []string {
	var ids []string
	for _, w := range lists.Service {
		ids = append(ids, w.ID)
	}
	return ids
}

// EventClass returns the class of event from the closed list: LEEF's EventID. It depends on kind, category and
// status class alone, never on a title or an id, so that receivers can key content on it.
func EventClass(d *Detection) string {
	switch d.Kind {
	case KindStatus:
		if id, ok := findWord(lists.status, d.StatusClass); ok {
			return id
		}
		return "SiembridgeStatus"
	case KindIncident:
		return lists.Incident
	}
	if id, ok := findWord(lists.category, d.Category); ok {
		return id
	}
	return "Other"
}

// ServiceWord returns the service that raised the detection as the word of Microsoft Graph's serviceSource, from the
// closed list: LEEF's cat. The two APIs of Defender for Endpoint name no service because there is only one.
func ServiceWord(d *Detection) string {
	if d.Kind == KindStatus {
		return "siembridge"
	}
	if id, ok := findWord(lists.service, d.ServiceSource); ok {
		return id
	}
	if d.ServiceSource == "" && (d.API == "detections" || d.API == "alerts") {
		return "microsoftDefenderForEndpoint"
	}
	return "other"
}

// serviceClass is the class id of CEF for records that name no detector: service and category. A category outside
// the closed list is told by its own word as long as that is short enough to be one.
func serviceClass(d *Detection) (service, class string) {
	class = EventClass(d)
	if class == "Other" && d.Category != "" && len(d.Category) <= 64 {
		class = d.Category
	}
	return ServiceWord(d), class
}

// findWord looks s up by its letters and digits, without regard to case and without allocating.
func findWord(index map[string]string, s string) (string, bool) {
	if s == "" || len(s) > 64 {
		return "", false
	}
	var room [64]byte
	id, ok := index[string(appendFolded(room[:0], s))]
	return id, ok
}

func foldWord(s string) string { return string(appendFolded(nil, s)) }

func appendFolded(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c >= 0x80:
			dst = append(dst, c)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		}
	}
	return dst
}

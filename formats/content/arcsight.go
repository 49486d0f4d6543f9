package content

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/cef"
)

// File is one file for the receiving side.
type File struct {
	Path string // slash-separated, below the folder that the first file names
	Text string // ends in a line feed
}

//go:embed arcsight.txt.tmpl
var arcsightGuide string

// The folders of a SmartConnector, below its "current".
const (
	categorizerFolder = "user/agent/acp/categorizer/current/"
	mapFolder         = "user/agent/map/"
)

// The columns of categorisation files besides the first. The outcome is missing: it is the event's own.
var categoryColumns = []string{"set.event.categoryObject", "set.event.categoryBehavior", "set.event.categoryTechnique",
	"set.event.categorySignificance", "set.event.categoryDeviceGroup"}

// ArcSight returns the files for a SmartConnector, first the one that says where the others go: a categorisation file
// for each product that events name, keyed by cat for alerts, since detectors are no closed list, and by the class id
// for the bridge's own events; a map file that brings the spellings of a category to one; and one for incidents, which
// have no category.
func ArcSight(version string) ([]File, error) {
	var files []File
	for _, profile := range []string{"", cef.ProfileArcSightLegacy} {
		m, err := cef.ProfileMapping(profile)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(m.Attributes, func(a formats.Attribute) bool {
			return a.Key == "cat" && slices.Equal(a.From, formats.Names{"category"})
		}) {
			return nil, fmt.Errorf("the CEF mapping does not fill cat from category alone, which the categorisation of profile %q hangs on", profile)
		}
		services := make([]string, 0, len(m.Header.Product))
		for service := range m.Header.Product {
			services = append(services, service)
		}
		slices.Sort(services)
		for _, service := range services {
			path := categorizerFolder + fileName(headerWord(m.Header.Vendor, service)) + "/" + fileName(m.Header.Product[service]) + ".csv"
			if slices.ContainsFunc(files, func(f File) bool { return f.Path == path }) {
				continue
			}
			text, err := categorisation(service)
			if err != nil {
				return nil, err
			}
			files = append(files, File{path, text})
		}
	}
	spelling, err := table([]string{"event.deviceEventCategory", "set.event.deviceEventCategory"}, spellingRows())
	if err != nil {
		return nil, err
	}
	incident := formats.EventClass(&formats.Detection{Kind: formats.KindIncident})
	incidents, err := table(append([]string{"event.deviceEventClassId"}, categoryColumns...),
		[][]string{categories(formats.ServiceWord(&formats.Detection{Kind: formats.KindIncident})+"/"+incident, classOf(incident))})
	if err != nil {
		return nil, err
	}
	files = append(files, File{mapFolder + "map.0.properties", spelling}, File{mapFolder + "map.1.properties", incidents})

	guide, err := template.New("arcsight").Parse(arcsightGuide)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	err = guide.Execute(&text, map[string]any{"Version": version, "Files": files, "Heartbeat": ownClassID(statusClass("heartbeat"))})
	return append([]File{{"README.txt", text.String()}}, files...), err
}

// WriteArcSight writes all files as one text, each under a line with its path.
func WriteArcSight(w io.Writer, version string) error {
	files, err := ArcSight(version)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := fmt.Fprintf(w, "===== %s\n%s\n", f.Path, f.Text); err != nil {
			return err
		}
	}
	return nil
}

// categorisation is the file of the product that the events of a service name.
func categorisation(service string) (string, error) {
	var rows [][]string
	if service == statusService() {
		for _, w := range formats.StatusClasses() {
			rows = append(rows, categories(ownClassID(w.ID), classOf(w.ID)))
		}
		return table(append([]string{"event.deviceEventClassId"}, categoryColumns...), rows)
	}
	for _, w := range formats.CategoryClasses() {
		for _, spelling := range spellings(w) {
			rows = append(rows, categories(spelling, classOf(w.ID)))
		}
	}
	return table(append([]string{"event.deviceEventCategory"}, categoryColumns...), rows)
}

// ownClassID is the class id of the bridge's own events, which name no detector: service and class.
func ownClassID(class string) string { return statusService() + "/" + class }

func categories(match string, c class) []string {
	group := "/IDS/Host"
	switch {
	case strings.HasPrefix(c.Object, "/Vector"):
		group = "/IDS/Host/Antivirus"
	case c.Object == "":
		return []string{match, "/Host/Application/Service", c.Behavior, c.Technique, c.Significance, "/Security Information Manager"}
	}
	return []string{match, c.Object, c.Behavior, c.Technique, c.Significance, group}
}

// spellingRows are the spellings of each category word besides the word itself.
func spellingRows() (rows [][]string) {
	for _, w := range formats.CategoryClasses() {
		for _, spelling := range spellings(w) {
			if spelling != w.ID {
				rows = append(rows, []string{spelling, w.ID})
			}
		}
	}
	return rows
}

// spellings returns the ways in which the APIs write a category: "PrivilegeEscalation", "privilegeEscalation",
// "Privilege Escalation", "Privilege escalation", and the same of its other names.
func spellings(w formats.Word) (all []string) {
	for _, word := range append([]string{w.ID}, w.Aka...) {
		var apart strings.Builder
		for i, r := range word {
			if i > 0 && unicode.IsUpper(r) {
				apart.WriteByte(' ')
			}
			apart.WriteRune(r)
		}
		for _, s := range []string{word, strings.ToLower(word[:1]) + word[1:], apart.String(), apart.String()[:1] + strings.ToLower(apart.String()[1:])} {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

func headerWord(words map[string]string, service string) string {
	if w, ok := words[service]; ok {
		return w
	}
	return words["other"]
}

// fileName is a vendor or product as the connector names its files: lower case, all but letters and digits "_".
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToLower(r)
		}
		return '_'
	}, s)
}

func table(header []string, rows [][]string) (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	err := w.WriteAll(append([][]string{header}, rows...))
	return b.String(), err
}

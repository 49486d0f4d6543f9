// Package content writes what the SIEM side needs to know of siembridge's events: for QRadar a script of REST calls and
// a log source extension, for ArcSight categorisation and map files. All of it is made from the closed lists of classes
// and from the mapping tables, so that it cannot say anything else than the encoders write.
//
// What stands in neither, how a SIEM files a class, is content.toml.
package content

import (
	_ "embed"

	"github.com/BurntSushi/toml"

	"github.com/siembridge/siembridge/formats"
)

//go:embed content.toml
var contentTOML string

// class is how the SIEMs file one class of event.
type class struct {
	ID       string   `toml:"id"`
	Text     string   `toml:"text"`
	Severity int      `toml:"severity"`  // of QRadar, 1 to 10
	LowLevel []string `toml:"low_level"` // names of QRadar's low-level categories, the best first

	// ArcSight's categories; "" is written as an empty field.
	Object       string `toml:"object"`
	Behavior     string `toml:"behavior"`
	Technique    string `toml:"technique"`
	Significance string `toml:"significance"`
}

// extensionField is one field of QRadar's log source extension and the LEEF attribute that it reads.
type extensionField struct {
	Key   string `toml:"key"`
	Field string `toml:"field"`
}

// tables is content.toml, a constant of the program.
var tables = func() (t struct {
	NotNormalised []string         `toml:"not_normalised"`
	Extension     []extensionField `toml:"extension"`
	Class         []class          `toml:"class"`
}) {
	if _, err := toml.Decode(contentTOML, &t); err != nil {
		panic("content: content.toml: " + err.Error())
	}
	return t
}()

// classOf finds a class by its word; a test holds that every word of the closed lists has one.
func classOf(id string) class {
	for _, c := range tables.Class {
		if c.ID == id {
			return c
		}
	}
	panic("content: content.toml has no class " + id)
}

// statusClass is the word for a class of the bridge's own events as the bridge names it: "heartbeat".
func statusClass(name string) string {
	return formats.EventClass(&formats.Detection{Kind: formats.KindStatus, StatusClass: name})
}

// statusService is the service word of the bridge's own events: their LEEF cat, and their product.
func statusService() string {
	return formats.ServiceWord(&formats.Detection{Kind: formats.KindStatus})
}

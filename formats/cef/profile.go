package cef

import (
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/siembridge/siembridge/formats"
)

// The built-in tables besides the default: values of Options.Profile.
const (
	// ProfileArcSightLegacy has the header strings and slots of the ArcSight FlexConnector for the SIEM detections API.
	ProfileArcSightLegacy = "arcsight-legacy"
	// ProfileMCASLegacy has the keys of the retired SIEM agent of Defender for Cloud Apps.
	ProfileMCASLegacy = "mcas-legacy"
)

// Profiles returns the names of the built-in tables besides the default.
func Profiles() []string { return []string{ProfileArcSightLegacy, ProfileMCASLegacy} }

//go:embed mapping.toml arcsight-legacy.toml mcas-legacy.toml
var tables embed.FS

// builtIn holds every built-in table by its profile's name. They are constants of the program; a mistake in one shows
// in every test.
var builtIn = sync.OnceValue(func() map[string]*formats.Mapping {
	all := map[string]*formats.Mapping{}
	for _, profile := range append([]string{""}, Profiles()...) {
		file := "mapping.toml"
		if profile != "" {
			file = profile + ".toml"
		}
		text, err := tables.ReadFile(file)
		if err != nil {
			panic("cef: " + err.Error())
		}
		if all[profile], err = formats.ParseMapping(string(text)); err != nil {
			panic("cef: " + file + ": " + err.Error())
		}
	}
	return all
})

// ProfileMapping returns a copy of a built-in table: the default for "", else one of Profiles.
func ProfileMapping(profile string) (*formats.Mapping, error) {
	m, ok := builtIn()[profile]
	if !ok {
		return nil, fmt.Errorf("no profile of CEF is named %q; there are %s", profile, strings.Join(Profiles(), ", "))
	}
	return m.Clone(), nil
}

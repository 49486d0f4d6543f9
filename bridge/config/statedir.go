package config

import (
	"reflect"

	"github.com/BurntSushi/toml"
)

// StateDir returns the state_dir of a configuration file, whatever mistakes the rest of it has, so that the daemon it
// belongs to can be found.
func StateDir(path string) (string, error) {
	text, err := readFile(path)
	if err != nil {
		return "", err
	}
	var only struct {
		StateDir string `toml:"state_dir"`
	}
	if _, err := toml.Decode(text, &only); err != nil {
		return "", notTOML(path, text, err)
	}
	if only.StateDir == "" {
		field, _ := reflect.TypeFor[Config]().FieldByName("StateDir")
		only.StateDir = field.Tag.Get("default")
	}
	return only.StateDir, nil
}

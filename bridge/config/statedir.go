package config

import (
	"fmt"
	"os"
	"reflect"

	"github.com/BurntSushi/toml"
)

// StateDir returns the state_dir of a configuration file, whatever mistakes the rest of it has, so that the daemon it
// belongs to can be found.
func StateDir(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("the configuration cannot be read: %w; name the file with --config", err)
	}
	if info.Size() > maxFile {
		return "", fmt.Errorf("%s has %d bytes, which is no configuration", path, info.Size())
	}
	var only struct {
		StateDir string `toml:"state_dir"`
	}
	if _, err := toml.DecodeFile(path, &only); err != nil {
		return "", fmt.Errorf("%s: state_dir cannot be read: %w", path, err)
	}
	if only.StateDir == "" {
		field, _ := reflect.TypeFor[Config]().FieldByName("StateDir")
		only.StateDir = field.Tag.Get("default")
	}
	return only.StateDir, nil
}

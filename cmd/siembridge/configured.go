package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
)

// loadConfig reads the configuration, with the files it names, and writes its warnings to standard error.
func loadConfig(path string) (*config.Config, error) {
	c, err := config.Load(path)
	if err != nil {
		var problems config.Problems
		if errors.As(err, &problems) {
			return nil, err
		}
		return nil, usageError{err}
	}
	for _, w := range c.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if err := bridge.Check(c); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// withConfig makes a command run with the configuration that its --config names.
func withConfig(c *cobra.Command, run func(c *cobra.Command, cfg *config.Config) error) *cobra.Command {
	path := configFlag(c, true)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		return run(c, cfg)
	}
	return c
}

// configFlag adds --config to a command.
func configFlag(c *cobra.Command, required bool) *string {
	path := c.Flags().StringP("config", "c", "", "configuration file")
	if required {
		_ = c.MarkFlagRequired("config")
	}
	return path
}

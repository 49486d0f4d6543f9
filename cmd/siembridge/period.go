package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
)

// periodFlags adds --since and --until to a command. The function returns what they say when the command runs.
func periodFlags(c *cobra.Command, begin string) func() (control.Period, error) {
	since := c.Flags().String("since", "", begin)
	until := c.Flags().String("until", "", "end of the period (default: now)")
	_ = c.MarkFlagRequired("since")
	return func() (control.Period, error) {
		p, err := parsePeriod(*since, *until, time.Now())
		if err != nil {
			return p, usageError{err}
		}
		return p, nil
	}
}

// parsePeriod reads the times of a period.
func parsePeriod(since, until string, now time.Time) (p control.Period, err error) {
	if p.Since, err = config.ParseStart(since, now); err != nil {
		return p, fmt.Errorf("--since %q: %w", since, err)
	}
	end := now
	if until != "" {
		if end, err = config.ParseStart(until, now); err != nil {
			return p, fmt.Errorf("--until %q: %w", until, err)
		}
		p.Until = end
	}
	if !p.Since.Before(end) {
		return p, errors.New("the period is empty: --since must be before --until and before now")
	}
	return p, nil
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
)

func newRunCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run --config FILE",
		Short: "The daemon: pull, buffer, deliver",
		Long: "run pulls and delivers until it is told to stop. SIGTERM and Ctrl-C confirm what is under way and stop within 10\n" +
			"seconds. SIGHUP reads the configuration again; one that is not valid is refused and the old one runs on.\n" +
			"A source that reads standard input ends the run when everything it brought is delivered.",
		Example: "  siembridge run --config /etc/siembridge/siembridge.toml",
		Args:    cobra.NoArgs,
	}
	path := configFlag(c, true)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		return runDaemon(c.Context(), *path, cfg)
	}
	return c
}

// Memory that the daemon holds itself to, unless GOMEMLIMIT says otherwise: collecting garbage earlier costs a few per
// cent at full load and nothing when idle. A destination has a few batches under way, each at most a mebibyte of
// records with their frames.
const (
	memoryAtLeast        = 56 << 20
	memoryPerDestination = 24 << 20
)

// limitMemory sets the soft limit for a configuration.
func limitMemory(cfg *config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryAtLeast + memoryPerDestination*int64(len(cfg.Destinations)))
	}
}

// runDaemon runs bridges one after the other: a new one for each valid configuration that SIGHUP brings.
func runDaemon(ctx context.Context, path string, cfg *config.Config) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		log := newLogger(cfg)
		limitMemory(cfg)
		b, err := bridge.New(cfg, bridge.Options{Logger: log, Version: buildVersion()})
		if err != nil {
			return err
		}
		log.Info("started", "version", buildVersion(), "sources", len(cfg.Sources), "destinations", len(cfg.Destinations))
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- b.Run(running) }()
		next, err := waitForChange(path, hup, ended, log)
		if next == nil {
			stop()
			_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
			log.Info("stopped")
			return err
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReloading)
		stop()
		if err := <-ended; err != nil {
			return err
		}
		cfg = next
	}
}

// waitForChange waits for the end of the bridge, or for a SIGHUP that brings a valid configuration.
func waitForChange(path string, hup <-chan os.Signal, ended <-chan error, log *slog.Logger) (*config.Config, error) {
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-hup:
			next, err := config.Load(path)
			if err == nil {
				err = bridge.Check(next)
			}
			if err == nil {
				log.Info("the configuration was read again")
				return next, nil
			}
			var problems config.Problems
			if errors.As(err, &problems) {
				for _, p := range problems {
					log.Error("the new configuration is refused; the old one runs on", "problem", p.String())
				}
				continue
			}
			log.Error("the new configuration is refused; the old one runs on", "error", err)
		}
	}
}

// newLogger writes to standard error as the configuration says.
func newLogger(c *config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

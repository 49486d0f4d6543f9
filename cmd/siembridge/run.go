package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/control"
	"github.com/siembridge/siembridge/bridge/logging"
	"github.com/siembridge/siembridge/bridge/terminal"
)

func newRunCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run --config FILE",
		Short: "The daemon: pull, buffer, deliver",
		Long: "run pulls and delivers until it is told to stop. SIGTERM and Ctrl-C confirm what is under way and stop within 10\n" +
			"seconds. SIGHUP reads the configuration again, as siembridge reload does; one that is not valid is refused and the\n" +
			"old one runs on.\n" +
			"A source that reads standard input ends the run when everything it brought is delivered. While files are read, a line\n" +
			"on the terminal says how far it is.",
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
	memoryPerDestination = 16 << 20
)

// limitMemory sets the soft limit for a configuration.
func limitMemory(cfg *config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryAtLeast + memoryPerDestination*int64(len(cfg.Destinations)))
	}
}

// server is a running bridge with what a daemon has besides: the file it was configured by, and who is told of it.
type server struct {
	*bridge.Bridge
	path   string
	level  *slog.LevelVar
	log    *slog.Logger
	folded *logging.Handler // of log
}

// runDaemon runs a bridge, answers commands and signals, and tells systemd.
func runDaemon(ctx context.Context, path string, cfg *config.Config) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	level := &slog.LevelVar{}
	limitMemory(cfg)
	line := terminal.NewLine(os.Stderr)
	folded := logging.NewHandler(newLogger(line, cfg, level).Handler(), time.Now)
	s := &server{path: path, level: level, log: slog.New(folded), folded: folded}
	b, err := bridge.New(cfg, bridge.Options{Logger: s.log, Version: buildVersion()})
	if err != nil {
		return err
	}
	s.Bridge = b
	commands, err := control.Listen(cfg.StateDir, s, s.log)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var helpers sync.WaitGroup
	helpers.Go(func() { commands.Serve(running) })
	helpers.Go(func() { s.reloadOn(running, hup) })
	helpers.Go(func() { tellSystemd(running, s) })
	helpers.Go(func() { showBackfill(running, line, s.Status) })
	s.log.Info("started", "version", buildVersion(), "sources", len(cfg.Sources), "destinations", len(cfg.Destinations))
	notify(daemon.SdNotifyReady)
	defer context.AfterFunc(ctx, func() { notify(daemon.SdNotifyStopping) })()
	err = b.Run(ctx)
	stop()
	helpers.Wait()
	s.log.Info("stopped")
	return err
}

// reloadOn reloads at each SIGHUP until ctx ends.
func (s *server) reloadOn(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-hup:
			_, _ = s.Reload(ctx) // it has logged what came of it
		case <-ctx.Done():
			return
		}
	}
}

// Reload implements control.Daemon: it reads the configuration file again. One that is not valid is refused with all
// its problems.
func (s *server) Reload(context.Context) (control.Changes, error) {
	notifyReloading()
	defer notify(daemon.SdNotifyReady)
	c, err := config.Load(s.path)
	if err != nil {
		return control.Changes{}, s.refuse(err)
	}
	changes, err := s.Bridge.Reload(c)
	if err != nil {
		return control.Changes{}, s.refuse(err)
	}
	setLevel(s.level, c)
	limitMemory(c)
	return changes, nil
}

// Log implements control.Daemon.
func (s *server) Log() []logging.Line { return s.folded.Last() }

// refuse logs why a configuration was refused, and makes it an answer.
func (s *server) refuse(err error) error {
	refusal := &control.Refusal{}
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			refusal.Problems = append(refusal.Problems, p.String())
		}
	} else {
		refusal.Problems = strings.Split(err.Error(), "\n")
	}
	for _, p := range refusal.Problems {
		s.log.Error("the new configuration is refused; the old one runs on", "problem", p)
	}
	return refusal
}

// setLevel sets the log level that a configuration asks for.
func setLevel(level *slog.LevelVar, c *config.Config) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Log.Level)); err == nil { // checked when the configuration was read
		level.Set(l)
	}
}

// newLogger writes as the configuration says. Its level can be changed.
func newLogger(out io.Writer, c *config.Config, level *slog.LevelVar) *slog.Logger {
	setLevel(level, c)
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

// Siembridge pulls Microsoft Defender detections and delivers them to a SIEM as LEEF, CEF or JSON over syslog.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/config"
)

// Exit codes.
const (
	exitDone    = 0
	exitFailure = 1 // ran and found a failure
	exitUsage   = 2 // usage or configuration error
)

// commands are all commands; each file adds one.
var commands = []func() *cobra.Command{
	newRunCommand,
	newStatusCommand,
	newReloadCommand,
	newReconcileCommand,
	newReplayCommand,
	newQuarantineCommand,
	newSupportCommand,
	newCheckCommand,
	newLoginCommand,
	newDemoCommand,
	newPreviewCommand,
	newListenCommand,
	newMappingCommand,
	newContentCommand,
	newImportCommand,
	newBenchCommand,
	newBufferCommand,
	newLintCommand,
	newVersionCommand,
	newManCommand,
}

func main() {
	command := func(ctx context.Context) int { return execute(ctx, os.Args[1:]) }
	if code, ok := asService(command); ok {
		os.Exit(code)
	}
	ctx, stop := interrupted()
	code := command(ctx)
	stop()
	os.Exit(code)
}

// interrupted returns a context that ends when the process is told to.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// newRoot is the program with all its commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "siembridge",
		Short: "Microsoft Defender detections for QRadar, ArcSight and every other SIEM",
		Long: "siembridge pulls detections and alerts from the Microsoft Defender APIs, maps them to LEEF, CEF or JSON and\n" +
			"delivers them over TCP or TLS syslog from a durable buffer.",
		SilenceUsage: true, SilenceErrors: true,
	}
	for _, command := range commands {
		root.AddCommand(command())
	}
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		withParts(completion)
	}
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = func(_ *cobra.Command, args []string) error { // cobra's own shows the commands and is content
			c, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q for %q", rest[0], c.CommandPath())
			}
			return err
		}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return root
}

// execute runs one command line until it ends or ctx does, and returns its exit code.
func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitFailure
	var usage usageError
	var problems config.Problems
	var quiet quietFailure
	switch {
	case errors.As(err, &quiet):
		return exitFailure
	case errors.As(err, &problems):
		fmt.Fprintln(os.Stderr, problems.Error())
		return exitUsage
	case errors.As(err, &usage), isCobraUsage(err):
		code = exitUsage
	}
	fmt.Fprintln(os.Stderr, "siembridge:", err)
	return code
}

// usageError is a mistake on the command line or a configuration that cannot be read.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// quietFailure ends with exit code 1; what there is to say was said.
type quietFailure struct{}

func (quietFailure) Error() string { return "failed" }

// said is the error of a command that has said itself what there is to say: exit code 1 unless ok.
func said(ok bool, err error) error {
	if err == nil && !ok {
		return quietFailure{}
	}
	return err
}

// isCobraUsage tells cobra's own errors, which have no type: an unknown command, a wrong number of arguments.
func isCobraUsage(err error) bool {
	for _, beginning := range []string{"unknown command", "accepts ", "requires ", "required flag"} {
		if len(err.Error()) >= len(beginning) && err.Error()[:len(beginning)] == beginning {
			return true
		}
	}
	return false
}

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

// withParts makes a command that does nothing by itself say which of its parts it needs.
func withParts(c *cobra.Command, parts ...*cobra.Command) *cobra.Command {
	c.AddCommand(parts...)
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		var names []string
		for _, part := range c.Commands() {
			names = append(names, part.Name())
		}
		return usageError{fmt.Errorf("%s needs one of: %s", c.Name(), strings.Join(names, ", "))}
	}
	return c
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

// Siembridge pulls Microsoft Defender detections and delivers them to a SIEM as LEEF, CEF or JSON over syslog.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge"
	"github.com/siembridge/siembridge/bridge/buffer/disk"
	"github.com/siembridge/siembridge/bridge/config"
	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/bridge/source"
)

func newLoginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "login --config FILE [--source NAME]",
		Short: "Sign in and fetch the first refresh token of a source",
		Long: "login has a user sign in to the tenant of a source with auth = \"refresh-token\", and puts the refresh token into\n" +
			"state_dir, from where a running siembridge takes it by itself. Where there is a browser, it comes back to\n" +
			"http://localhost; elsewhere a code is shown that is entered in a browser on any machine. Run it as the user that\n" +
			"siembridge runs as, since nobody else may read the token's file.",
		Example: "  siembridge login --config /etc/siembridge/siembridge.toml --source contoso\n" +
			"  siembridge login --config /etc/siembridge/siembridge.toml --source contoso --device",
		Args: cobra.NoArgs,
	}
	path := configFlag(c, true)
	name := c.Flags().String("source", "", "the source to sign in for; needed when several use refresh tokens")
	device := c.Flags().Bool("device", false, "show a code to enter in a browser elsewhere")
	redirect := c.Flags().String("redirect", "", "redirect URI of the app, when it is not http://localhost; it is on localhost, e.g. http://localhost:8400/callback")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *device && *redirect != "" {
			return usageError{errors.New("--device and --redirect exclude each other; a code is entered elsewhere, and nothing comes back here")}
		}
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		s, err := signInSource(cfg, *name)
		if err != nil {
			return usageError{err}
		}
		l := login{out: c.OutOrStdout(), device: *device || *redirect == "" && !hasBrowser(runtime.GOOS, os.Getenv), redirect: *redirect, open: openBrowser}
		return l.run(c.Context(), cfg, s)
	}
	return c
}

// signInSource finds the source to sign in for.
func signInSource(cfg *config.Config, name string) (*config.Source, error) {
	var fit []*config.Source
	var names []string
	for i := range cfg.Sources {
		s := &cfg.Sources[i]
		names = append(names, s.Name)
		switch {
		case name != "" && s.Name == name && s.Auth != "refresh-token":
			return nil, fmt.Errorf("source %s signs in by auth = %q; only auth = \"refresh-token\" needs a login", name, s.Auth)
		case name != "" && s.Name == name:
			return s, nil
		case s.Auth == "refresh-token":
			fit = append(fit, s)
		}
	}
	switch {
	case name != "":
		return nil, config.NotNamed("source", name, names)
	case len(fit) == 0:
		return nil, errors.New("no source has auth = \"refresh-token\"; the others need no login")
	case len(fit) > 1:
		return nil, errors.New("several sources use refresh tokens; name one with --source")
	}
	return fit[0], nil
}

// login is one sign-in.
type login struct {
	out      io.Writer
	device   bool
	redirect string
	open     func(address string)
}

// run signs in and puts the refresh token into the state directory.
func (l login) run(ctx context.Context, cfg *config.Config, s *config.Source) error {
	app, err := source.App(bridge.SourceOptions(s, bridge.Keeper{StateDir: cfg.StateDir}))
	if err != nil {
		return fmt.Errorf("source %s: %w", s.Name, err)
	}
	// Before anybody signs in for nothing: is there a place for the token?
	if err := disk.MakeDir(cfg.StateDir); err != nil {
		return fmt.Errorf("state_dir %s: %w", cfg.StateDir, err)
	}
	keeper, done, err := bridge.OpenKeeper(cfg)
	if err != nil {
		return err
	}
	defer done()
	refresh, err := l.signIn(ctx, entra.SignIn{App: app, Secret: bridge.SecretOf(s)})
	if err != nil {
		return fmt.Errorf("source %s: %w", s.Name, err)
	}
	if err := bridge.RefreshTokenOf(s, keeper, app).Begin(refresh); err != nil {
		return fmt.Errorf("the refresh token cannot be stored (%w); make room in state_dir, check its permissions, and sign in again", err)
	}
	place := entra.ChainFile(cfg.StateDir, s.Name)
	if keeper.Shared != nil {
		place = "the buffer, for all instances"
	}
	_, err = fmt.Fprintf(l.out, "Signed in. The refresh token of source %s is in %s.\n"+
		"It is good for 90 days and renews itself while siembridge runs. See whether it works: siembridge check\n",
		s.Name, place)
	return err
}

func (l login) signIn(ctx context.Context, s entra.SignIn) (string, error) {
	if l.device {
		return s.Device(ctx, func(address, code string) {
			fmt.Fprintf(l.out, "On any machine, open %s and enter the code %s\n", address, code)
		})
	}
	redirect := l.redirect
	if redirect == "" {
		redirect = "http://localhost"
	}
	return s.Browser(ctx, redirect, func(address string) {
		fmt.Fprintf(l.out, "Sign in with the browser that opens now. If none does, open this address in a browser on this machine:\n%s\n", address)
		l.open(address)
	})
}

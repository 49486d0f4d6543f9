package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/emulator"
	"github.com/siembridge/siembridge/bridge/terminal"
)

func newListenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "listen --address HOST:PORT",
		Short: "A test receiver: print frames as they arrive, check LEEF and CEF, count",
		Long: "listen takes any number of connections with any framing, prints each frame and what is wrong with it, and\n" +
			"counts. It ends with Ctrl-C; the exit code is 1 when a frame was malformed.",
		Example: "  siembridge listen --address 127.0.0.1:5514\n  siembridge listen --address :6514 --tls-cert server.pem --tls-key server-key.pem",
		Args:    cobra.NoArgs,
	}
	address := c.Flags().String("address", "127.0.0.1:5514", "host:port to listen on")
	cert := c.Flags().String("tls-cert", "", "certificate in PEM form: listen for TLS")
	key := c.Flags().String("tls-key", "", "its key")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var config *tls.Config
		if (*cert == "") != (*key == "") {
			return usageError{errors.New("TLS needs both --tls-cert and --tls-key")}
		}
		if *cert != "" {
			pair, err := tls.LoadX509KeyPair(*cert, *key)
			if err != nil {
				return usageError{fmt.Errorf("--tls-cert, --tls-key: %w; name a certificate and its key, both in PEM form", err)}
			}
			config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		}
		out := c.OutOrStdout()
		frames, malformed := 0, 0
		receiver, err := emulator.Listen(*address, config, func(got emulator.Received) {
			frames++
			fmt.Fprintln(out, terminal.Visible(string(got.Frame)))
			if got.Err != nil {
				malformed++
				fmt.Fprintln(out, "  ! "+got.Err.Error())
			}
		})
		if err != nil {
			return fmt.Errorf("--address %s: %w; give another address", *address, err)
		}
		fmt.Fprintln(os.Stderr, "listening on", receiver.Address())
		<-c.Context().Done()
		receiver.Close()
		fmt.Fprintf(out, "%d frames, %d malformed\n", frames, malformed)
		return said(malformed == 0, nil)
	}
	return c
}

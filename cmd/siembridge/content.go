package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/formats/content"
)

func newContentCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "content",
		Short: "What the SIEM needs to know of the events, made from the mapping tables",
	}
	return withParts(c, newContentQRadarCommand(), newContentArcSightCommand())
}

func newContentQRadarCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "qradar",
		Short: "A script of REST calls: event names, custom properties, the log source",
		Long: "qradar prints a shell script that makes by QRadar's REST API what names and shows the events: QID records, event\n" +
			"mappings, custom properties with LEEF expressions, and a log source without coalescing. It needs curl and awk,\n" +
			"takes its token from the environment and may be run again: a second run changes nothing. Its first lines say how\n" +
			"to call it, and how to make the rule that alarms when the heartbeat is silent.\n\n" +
			"With --lsx it prints a log source extension, for log source types that do not read LEEF by themselves.\n\n" +
			"Both follow IBM's documentation and were not tried on a live console.",
		Example: "  siembridge content qradar > siembridge-qradar.sh\n  siembridge content qradar --lsx > siembridge-lsx.xml",
		Args:    cobra.NoArgs,
	}
	lsx := c.Flags().Bool("lsx", false, "the log source extension instead of the script")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *lsx {
			return content.LogSourceExtension(c.OutOrStdout(), buildVersion())
		}
		return content.QRadarScript(c.OutOrStdout(), buildVersion())
	}
	return c
}

func newContentArcSightCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "arcsight",
		Short: "Categorisation and map files for a SmartConnector",
		Long: "arcsight prints the categorisation files, map files and steps for a SmartConnector as one text, each file under a\n" +
			"line with the path that it belongs to; with --dir it writes them as files in these folders. They follow public\n" +
			"descriptions and were not tried on a live connector.",
		Example: "  siembridge content arcsight > siembridge-arcsight.txt\n  siembridge content arcsight --dir arcsight",
		Args:    cobra.NoArgs,
	}
	dir := c.Flags().String("dir", "", "folder to write the files into; none of them may exist")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *dir == "" {
			return content.WriteArcSight(c.OutOrStdout(), buildVersion())
		}
		files, err := content.ArcSight(buildVersion())
		if err != nil {
			return err
		}
		return writeContent(*dir, files, c.OutOrStdout())
	}
	return c
}

// writeContent writes the files below dir and names them. It overwrites nothing: what is there may have been edited.
func writeContent(dir string, files []content.File, out io.Writer) error {
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("%w; give --dir a folder without it", err)
		}
		if _, err = w.WriteString(f.Text); err != nil {
			w.Close()
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		fmt.Fprintln(out, path)
	}
	return nil
}

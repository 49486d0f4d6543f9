package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/preview"
	"github.com/siembridge/siembridge/formats/coverage"
	"github.com/siembridge/siembridge/formats/defender"
)

// coverageFlags are the flags of `mapping --coverage`.
type coverageFlags struct {
	file        string
	json        bool
	config      *string
	destination *string
}

// addCoverageFlags adds them to the mapping command, which takes further files as arguments with them.
func addCoverageFlags(c *cobra.Command) *coverageFlags {
	f := &coverageFlags{}
	c.Flags().StringVar(&f.file, "coverage", "", "records (files, - for standard input): which of their values reach the SIEM and which never do")
	c.Flags().BoolVar(&f.json, "json", false, "with --coverage: as JSON")
	f.config = configFlag(c, false)
	f.destination = c.Flags().String("destination", "", "with --coverage and --config: the destination whose mapping is traced, else the first")
	c.Args = func(_ *cobra.Command, args []string) error {
		if f.file == "" && *f.config != "" {
			return usageError{errors.New("--config goes with --coverage")}
		}
		if f.file == "" && len(args) > 0 {
			return usageError{fmt.Errorf("accepts no arguments without --coverage, received %q", args[0])}
		}
		if f.file == "" && f.json {
			return usageError{errors.New("--json goes with --coverage")}
		}
		return nil
	}
	return f
}

// formats builds what is traced: the mapping of a configured destination, one format, or LEEF and CEF.
func (f *coverageFlags) formats(format, profile string) ([]coverage.Format, error) {
	if *f.config != "" {
		if format != "" {
			return nil, usageError{errors.New("give either --config or --format")}
		}
		p, err := previewOf(*f.config, "", *f.destination)
		if err != nil {
			return nil, err
		}
		return []coverage.Format{{Name: p.Name(), Encode: p.Fields}}, nil
	}
	names := coverageFormats
	if format != "" {
		names = []string{format}
	}
	var all []coverage.Format
	for _, name := range names {
		p, err := preview.OfFormat(name, profile)
		if err != nil {
			return nil, usageError{err}
		}
		all = append(all, coverage.Format{Name: name, Encode: p.Fields})
	}
	return all, nil
}

// run traces the records of the files.
func (f *coverageFlags) run(c *cobra.Command, args []string, format, profile string) error {
	all, err := f.formats(format, profile)
	if err != nil {
		return err
	}
	tracer := coverage.New(all...)
	unknown, err := preview.Records(append([]string{f.file}, args...), c.InOrStdin(), c.ErrOrStderr(), func(api defender.API, raw []byte) error {
		return tracer.Add(string(api), raw)
	})
	if err != nil {
		return ofFile(err)
	}
	return said(unknown == 0, f.write(c.OutOrStdout(), tracer.Report()))
}

func (f *coverageFlags) write(out io.Writer, r coverage.Report) error {
	if f.json {
		return writeJSON(out, r)
	}
	_, err := io.WriteString(out, r.Text())
	return err
}

// coverageFormats are those that are traced when no format is asked for.
var coverageFormats = []string{"leef:2.0", "cef:0"}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/siembridge/siembridge/bridge/config"
)

// Exit codes.
const (
	exitDone    = 0
	exitFailure = 1 // ran and found a failure
	exitUsage   = 2 // usage or configuration error
)

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
	return slices.ContainsFunc([]string{"unknown command", "accepts ", "requires ", "required flag"},
		func(beginning string) bool { return strings.HasPrefix(err.Error(), beginning) })
}

package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the commands say into the scripts")

// TestScripts runs testdata/script/*.txt: command lines as an operator types them, and what they say to the letter. The
// test program is siembridge itself then, each call a process of its own with its exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script"), UpdateScripts: *update})
}

// TestMain runs the tests, or is siembridge for a script.
func TestMain(m *testing.M) {
	testscript.Main(cleaning{m}, map[string]func(){"siembridge": func() { os.Exit(execute(context.Background(), os.Args[1:])) }})
}

// cleaning removes the binary that other tests have built.
type cleaning struct{ *testing.M }

func (c cleaning) Run() int {
	code := c.M.Run()
	if binaryDir != "" {
		os.RemoveAll(binaryDir)
	}
	return code
}

package main

import (
	"bytes"
	"context"
	"flag"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/siembridge/siembridge/bridge/emulator"
)

var update = flag.Bool("update", false, "write what the commands say into the scripts")

// TestScripts runs testdata/script/*.txt: command lines as an operator types them, and what they say to the letter. The
// test program is siembridge itself then, each call a process of its own with its exit code.
//
// Each script has an emulated tenant with three alerts at $API and $TOKEN, which knows $TENANT, $CLIENT and $SECRET, an
// address $SIEM on which nobody listens yet, and two commands more: fill writes these names' values into files, and
// until runs a command line until its output matches a regular expression.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), UpdateScripts: *update, Setup: setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"fill": fillCommand, "until": untilCommand},
	})
}

// TestEveryCommandHasAScript: each command, and each part of one, is run by a script.
func TestEveryCommandHasAScript(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for _, path := range paths {
		script, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, script...)
	}
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if !regexp.MustCompile(`(?m)^(?:! |until \S+ )?` + c.CommandPath() + `\b`).Match(lines) {
			t.Errorf("no script runs %s", c.CommandPath())
		}
		for _, part := range c.Commands() {
			look(part)
		}
	}
	look(newRoot())
}

// setUpScript makes the tenant of a script and finds an address for its SIEM.
func setUpScript(env *testscript.Env) error {
	tenant := emulator.NewTenant(1)
	generator := emulator.NewGenerator(1, false)
	for i := range 3 {
		tenant.Add("graph-alerts", generator.Record("graph-alerts", time.Now().Add(-time.Hour-time.Duration(i)*time.Minute)))
	}
	server := httptest.NewServer(tenant)
	env.Defer(server.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"API": server.URL + emulator.Endpoint("graph-alerts"), "TOKEN": server.URL + tenant.TokenPath("graph-alerts"),
		"TENANT": tenant.ID, "CLIENT": tenant.ClientID, "SECRET": tenant.Secret, "SIEM": free.Addr().String(),
	} {
		env.Setenv(name, value)
	}
	return free.Close()
}

// fillCommand writes the values of environment variables into files: fill FILE...
func fillCommand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

// untilCommand runs a command line until its output matches, whatever its exit code: until REGEXP COMMAND...
func untilCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until regexp command...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		var stdout, stderr bytes.Buffer
		program, err := exec.LookPath(args[1])
		ts.Check(err)
		cmd := exec.CommandContext(ctx, program, args[2:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = ts.Getenv("WORK"), &stdout, &stderr
		if _ = cmd.Run(); want.Match(stdout.Bytes()) {
			return
		}
		if ctx.Err() != nil {
			ts.Fatalf("%q does not match %q\n%s", stdout.String(), args[0], stderr.String())
		}
	}
}

// TestMain runs the tests, or is siembridge for a script.
func TestMain(m *testing.M) {
	testscript.Main(cleaning{m}, map[string]func(){"siembridge": func() {
		ctx, stop := interrupted()
		code := execute(ctx, os.Args[1:])
		stop()
		os.Exit(code)
	}})
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

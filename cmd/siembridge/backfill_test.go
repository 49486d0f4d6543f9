package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/emulator"
)

// writeBackfill writes a file of alerts: one a line, or as a page; compressed where its name says so.
func (d *drive) writeBackfill(t *testing.T, path string, records int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var out io.WriteCloser = file
	if strings.HasSuffix(path, ".gz") {
		out = gzip.NewWriter(file)
	}
	w := bufio.NewWriter(out)
	begin, between, end := "", "\n", "\n"
	if strings.Contains(path, "page") {
		begin, between, end = "{\"@odata.context\": \"c\",\n\"value\": [", ",\n", "\n]}\n"
	}
	generator := emulator.NewGenerator(21, true)
	fmt.Fprint(w, begin)
	for i := range records {
		if i > 0 {
			fmt.Fprint(w, between)
		}
		r := generator.Record("graph-alerts", time.Now().Add(-20*time.Minute))
		d.want[sighting{r.ID, "new", ""}] = true
		_, _ = w.Write(r.JSON())
	}
	fmt.Fprint(w, end)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if out != io.WriteCloser(file) {
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// fileStatus returns what the running daemon says of its first source.
func (d *drive) fileStatus(t *testing.T) (s admin.Source) {
	t.Helper()
	stdout, stderr, _ := d.command(t, "status", "--json")
	var status admin.Status
	if err := json.Unmarshal([]byte(stdout), &status); err != nil || len(status.Sources) != 1 {
		t.Fatalf("%v: %s %s", err, stdout, stderr)
	}
	return status.Sources[0]
}

// TestKilledBackfillGoesOn: the bridge is killed in the middle of a large file, a compressed page; at full length also
// of one with lines. What it had stored is not appended again, and nothing is missing.
func TestKilledBackfillGoesOn(t *testing.T) {
	names, records, kills := []string{"page.json.gz"}, 6000, 1
	if _, many := driveSize(); many > 3 {
		names, records, kills = append(names, "alerts.ndjson"), 20_000, many
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDrive(t, driveOptions{})
			path := filepath.Join(filepath.Dir(d.config), name)
			d.writeBackfill(t, path, records)
			// The buffer is small, so that the file is read no faster than it is delivered.
			d.edit(t, "[admin]", fmt.Sprintf("[buffer]\nmax_size = \"16MiB\"\n[[source]]\nname = \"files\"\napi = \"file\"\npath = %q\npoll_interval = \"1s\"\n[admin]", path))
			log := newWatched()
			for k := range kills {
				cmd := d.start(t, log)
				enough := (k + 1) * records / (kills + 3)
				d.arcsight.wait(t, func() int { return enough }, log)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if stdout, _, _ := d.command(t, "status"); !strings.Contains(stdout, "stopped") {
					t.Errorf("after a kill:\n%s", stdout)
				}
			}
			cmd := d.start(t, log)
			d.arcsight.wait(t, d.sightings, log)
			d.qradar.wait(t, d.sightings, log)
			d.settled(t, 0)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			s := d.fileStatus(t)
			if s.Duplicates != 0 || s.Pulled == 0 || s.Pulled >= uint64(records) || s.Read != info.Size() || s.Total != info.Size() {
				t.Errorf("the last run, of %d records and %d bytes: %+v", records, info.Size(), s)
			}
			if stdout, _, _ := d.command(t, "status"); !strings.Contains(stdout, "files of files: "+s.Backfill()) || !strings.Contains(s.Backfill(), "(100 %)") {
				t.Errorf("status does not show %q:\n%s", s.Backfill(), stdout)
			}
			stop(t, cmd, log)
			d.check(t, 1<<30)
			t.Logf("%d records, %d kills: the last run stored %d, none again", records, kills, s.Pulled)
		})
	}
}

// TestBackfillLine: the line says what is left, and nothing when nothing is; log lines stand above it, and where there
// is no terminal there is none.
func TestBackfillLine(t *testing.T) {
	s := admin.Status{Sources: []admin.Source{{Name: "f", State: "starting", Read: 1 << 20, Total: 4 << 20, Pulled: 7}, {Name: "api", State: "ok"}},
		Destinations: []admin.Destination{{Pending: 3}, {Pending: 5}}}
	want := "f: 1 MiB of 4 MiB read (25 %), 7 records stored; 5 to deliver"
	if got := backfill(&s); got != want {
		t.Errorf("%q, not %q", got, want)
	}
	s.Sources[0].Read = 4 << 20
	if got := backfill(&s); got != "" {
		t.Errorf("all is read: %q", got)
	}
	s.Sources[0].State = "ended"
	if got := backfill(&s); !strings.HasPrefix(got, "f: 4 MiB of 4 MiB read (100 %)") {
		t.Errorf("all is read and not delivered: %q", got)
	}
	s.Sources[0].State, s.Sources[0].Total = "ok", 0
	if got := backfill(&s); !strings.HasPrefix(got, "f: 4 MiB read, 7 records") {
		t.Errorf("a pipe: %q", got)
	}
}

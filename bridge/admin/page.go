package admin

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

// static is what the page asks for besides itself: its style and script, and uPlot 1.6.32 with its licence (MIT).
//
//go:embed static
var static embed.FS

//go:embed page.html
var pageHTML string

// policy lets the page use what this server serves, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// view is what the page shows.
type view struct {
	Status
	Now        time.Time
	Hours      []hour
	Events     []Event
	ShowEvents bool

	rates map[string]uint64 // of the last hour
}

// hour sums up the minutes of an hour, for those who do not see the plots.
type hour struct {
	From      time.Time
	Pulled    uint64
	Delivered uint64
	Backlog   int64 // the most
}

func hours(minutes []Minute) []hour {
	var all []hour
	for _, m := range slices.Backward(minutes) {
		from := m.At.Truncate(time.Hour)
		if n := len(all); n == 0 || !all[n-1].From.Equal(from) {
			all = append(all, hour{From: from})
		}
		h := &all[len(all)-1]
		h.Pulled, h.Delivered, h.Backlog = h.Pulled+m.Pulled, h.Delivered+m.Delivered, max(h.Backlog, m.Backlog)
	}
	return all
}

// Rate is how many records of a source came in the last hour.
func (v *view) Rate(kind, name string) uint64 { return v.rates[kind+"/"+name] }

var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago":      ago,
	"size":     size,
	"count":    count,
	"day":      func(t time.Time) string { return t.UTC().Format("2 January 2006") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"clockday": func(t time.Time) string { return t.UTC().Format(moment) },
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04 MST") },
	"sourceMark": func(s Source) string {
		switch {
		case s.State == "failing" || s.Holes > 0:
			return "bad"
		case s.Stale != "" || s.Warning != "":
			return "warn"
		}
		return ""
	},
	"destinationMark": func(d Destination) string {
		switch d.State {
		case "down", "stalled":
			return "bad"
		case "connecting", "probing":
			return "warn"
		}
		if d.Warning != "" {
			return "warn"
		}
		return ""
	},
}).Parse(pageHTML))

// ago words how long ago t was.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	switch d := now.Sub(t); {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// count writes an integer with a comma between thousands.
func count(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size words a number of bytes.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	x, i := float64(n), 0
	for x >= 1024 && i < len(units)-1 {
		x, i = x/1024, i+1
	}
	return strings.Replace(fmt.Sprintf("%.1f %s", x, units[i]), ".0 ", " ", 1)
}

// servePage adds the page and what it asks for.
func servePage(mux *http.ServeMux, o Options) {
	mux.Handle("GET /static/", http.FileServerFS(static))
	mux.HandleFunc("GET /history.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		minutes := o.History.Minutes()
		if minutes == nil {
			minutes = []Minute{}
		}
		_ = json.NewEncoder(w).Encode(minutes)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		now := time.Now()
		minutes := o.History.Minutes()
		v := &view{Status: o.Status(), Now: now, Hours: hours(minutes), ShowEvents: o.Events != nil, rates: lastHour(minutes, now)}
		if o.Events != nil {
			v.Events = o.Events()
		}
		if err := page.Execute(w, v); err != nil {
			o.Logger.Debug("the status page could not be written", "error", err)
		}
	})
}

// lastHour sums up the last hour by source and destination.
func lastHour(minutes []Minute, now time.Time) map[string]uint64 {
	sum := map[string]uint64{}
	for _, m := range minutes {
		if now.Sub(m.At) > time.Hour {
			continue
		}
		for name, r := range m.Source {
			sum["source/"+name] += r.Count
		}
		for name, r := range m.Dest {
			sum["destination/"+name] += r.Count
		}
	}
	return sum
}

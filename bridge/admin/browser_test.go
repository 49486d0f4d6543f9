//go:build browser

package admin

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-json-experiment/json/jsontext"
)

// widths are those of a phone and of a desk, in CSS pixels.
var widths = map[int64]string{390: "narrow", 1600: "wide"}

// TestBrowser looks at the page of each scene with Chromium, narrow and wide, light and dark, and clicks through it.
// SCREENSHOTS names a folder for what it saw.
func TestBrowser(t *testing.T) {
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	all, cancel := chromedp.NewExecAllocator(t.Context(), o...)
	defer cancel()
	ctx, cancel := chromedp.NewContext(all)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var complaints, elsewhere []string
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *log.EventEntryAdded: // where violations of the policy are told
			if !strings.HasSuffix(e.Entry.URL, "/favicon.ico") {
				complaints = append(complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "http://127.0.0.1:") {
				elsewhere = append(elsewhere, e.Request.URL)
			}
		}
	})
	for name := range scenes {
		url := serve(t, name, nil).URL
		for width := range widths {
			var plots, overflow int
			var shown bool
			err := chromedp.Run(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url),
				chromedp.WaitVisible(`[data-plot="latency"] canvas`),
				chromedp.Evaluate(`document.querySelectorAll("[data-plot] canvas").length`, &plots),
				chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow),
				chromedp.Click(`details:last-of-type summary`),
				chromedp.Evaluate(`document.querySelector("details:last-of-type").open`, &shown))
			if err != nil {
				t.Fatalf("%s at %d: %v", name, width, err)
			}
			if plots != 4 || overflow > 0 || !shown {
				t.Errorf("%s at %d px: %d plots, %d px too wide, event shown: %v", name, width, plots, overflow, shown)
			}
		}
	}
	t.Run("keyboard", func(t *testing.T) { keyboard(t, ctx, serve(t, "hole", nil).URL) })
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) { contrast(t, ctx, scheme) })
	}
	t.Run("screen reader", func(t *testing.T) { spoken(t, ctx, serve(t, "replay", nil).URL) })
	if len(complaints) > 0 || len(elsewhere) > 0 {
		t.Errorf("the browser complains: %q; it asked elsewhere: %q", complaints, elsewhere)
	}
}

// keyboard goes through the page without a mouse: the first stop leads past the header, a later one opens the table,
// and each shows where it is.
func keyboard(t *testing.T, ctx context.Context, url string) {
	const focus = `(() => { const e = document.activeElement; return [e.className || e.textContent.trim(), getComputedStyle(e).outlineStyle].join("; ") })()`
	var first, hash string
	var stops []string
	var open bool
	err := chromedp.Run(ctx, emulation.SetFocusEmulationEnabled(true), chromedp.Navigate(url), chromedp.WaitVisible(`[data-plot="latency"] canvas`),
		chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(focus, &first), chromedp.KeyEvent(kb.Enter), chromedp.Evaluate(`location.hash`, &hash))
	for len(stops) < 9 && err == nil {
		var at string
		err = chromedp.Run(ctx, chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(focus, &at))
		if stops = append(stops, at); strings.HasPrefix(at, "The same by the hour") {
			err = chromedp.Run(ctx, chromedp.KeyEvent(kb.Enter), chromedp.Evaluate(`document.querySelector("details").open`, &open))
			break
		}
	}
	if err != nil || first != "skip; solid" || hash != "#pipeline" || !open || !strings.HasSuffix(stops[len(stops)-1], "; solid") {
		t.Errorf("%v; first stop %q leads to %q, then %q; table open: %v", err, first, hash, stops, open)
	}
}

// contrast measures every text of each scene against what is behind it: 4.5 to 1 or more (WCAG 2.2, 1.4.3).
func contrast(t *testing.T, ctx context.Context, scheme string) {
	const measure = `(() => {
		const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
		const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255] };
		const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
		const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, k, i) => { const x = c[i] / 255; return sum + k * (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4) }, 0);
		const behind = e => e ? over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement)) : rgba(matchMedia("(prefers-color-scheme:dark)").matches ? "#121212" : "#ffffff");
		const poor = [];
		for (const e of document.querySelectorAll("main *, header *")) {
			if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
			const back = behind(e), ink = rgba(getComputedStyle(e).color); ink[3] *= getComputedStyle(e).opacity;
			const a = light(over(ink, back)), b = light(back), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (ratio < 4.5) poor.push(ratio.toFixed(2) + " " + e.tagName + " " + e.textContent.trim().slice(0, 40));
		}
		return poor })()`
	for name := range scenes {
		url := serve(t, name, nil).URL
		for width, called := range widths {
			var poor []string
			var shot []byte
			err := chromedp.Run(ctx, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.EmulateViewport(width, 900), chromedp.Navigate(url), chromedp.WaitVisible(`[data-plot="latency"] canvas`),
				chromedp.Evaluate(measure, &poor), chromedp.FullScreenshot(&shot, 100))
			if err != nil || len(poor) > 0 {
				t.Errorf("%s at %d px: %v; hard to read: %q", name, width, err, poor)
			}
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, name+"-"+called+"-"+scheme+".png"), shot, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// spoken reads the page as a screen reader gets it: landmarks and headings in order, and a name on all that has a role
// of its own.
func spoken(t *testing.T, ctx context.Context, url string) {
	type text struct{ Value string }
	type node struct {
		NodeID     string   `json:"nodeId"`
		ChildIDs   []string `json:"childIds"`
		Ignored    bool
		Role, Name text
	}
	var tree struct{ Nodes []node }
	err := chromedp.Run(ctx, chromedp.Navigate(url), chromedp.WaitVisible(`[data-plot="latency"] canvas`),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			var raw jsontext.Value
			if err = cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &raw); err == nil {
				err = json.Unmarshal(raw, &tree)
			}
			return err
		}))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]int{}
	var headings []string
	byID := map[string]node{}
	for _, n := range tree.Nodes {
		byID[n.NodeID] = n
	}
	for left := []string{tree.Nodes[0].NodeID}; len(left) > 0; {
		n := byID[left[0]]
		left = append(slices.Clone(n.ChildIDs), left[1:]...)
		if n.Ignored {
			continue
		}
		role, name := n.Role.Value, n.Name.Value
		said[role]++
		if role == "heading" {
			headings = append(headings, name)
		}
		if name == "" && (role == "link" || role == "progressbar" || role == "region" || role == "figure" || role == "image" || role == "heading" || role == "button") {
			t.Errorf("a %s without a name", role)
		}
	}
	for _, role := range []string{"banner", "main", "list", "article", "figure", "progressbar", "link"} {
		if said[role] == 0 {
			t.Errorf("no %s among %v", role, said)
		}
	}
	want := "siembridge test, Pipeline, Sources, contoso, Buffer, On disk, Destinations, qradar, arcsight, Last reconciliation, Last 24 hours, Newest events"
	if got := strings.Join(headings, ", "); got != want {
		t.Errorf("headings %s, want %s", got, want)
	}
}

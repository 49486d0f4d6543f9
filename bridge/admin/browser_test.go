//go:build browser

package admin

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestBrowser looks at the page of each scene with Chromium, narrow and wide, and clicks through it. SCREENSHOTS names a
// folder for what it saw.
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
	var base string
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *log.EventEntryAdded: // where violations of the policy are told
			if !strings.HasSuffix(e.Entry.URL, "/favicon.ico") {
				complaints = append(complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, base) {
				elsewhere = append(elsewhere, e.Request.URL)
			}
		}
	})
	for name := range scenes {
		base = serve(t, name, nil).URL
		for _, width := range []int64{390, 1600} {
			var plots, overflow int
			var shown bool
			var shot []byte
			err := chromedp.Run(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(base),
				chromedp.WaitVisible(`[data-plot="latency"] canvas`),
				chromedp.Evaluate(`document.querySelectorAll("[data-plot] canvas").length`, &plots),
				chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow),
				chromedp.FullScreenshot(&shot, 90),
				chromedp.Click(`details:last-of-type summary`),
				chromedp.Evaluate(`document.querySelector("details:last-of-type").open`, &shown))
			if err != nil {
				t.Fatalf("%s at %d: %v", name, width, err)
			}
			if plots != 4 || overflow > 0 || !shown {
				t.Errorf("%s at %d px: %d plots, %d px too wide, event shown: %v", name, width, plots, overflow, shown)
			}
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, name+map[int64]string{390: "-narrow", 1600: "-wide"}[width]+".jpg"), shot, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(complaints) > 0 || len(elsewhere) > 0 {
		t.Errorf("the browser complains: %q; it asked elsewhere: %q", complaints, elsewhere)
	}
}

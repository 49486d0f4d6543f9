package source

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// TestCheckFindings: what check says of a good source, of a role that was withdrawn, of a wrong secret, of clocks that
// are apart, and of APIs that are about to end.
func TestCheckFindings(t *testing.T) {
	for name, c := range map[string]struct {
		api    string
		tenant func(*emulator.Tenant)
		secret string
		failed string   // what is not OK; "" when all is well
		says   []string // in the findings
	}{
		"all is well":          {api: "graph-alerts", says: []string{"roles ", "SecurityAlert.Read.All", "agrees with Microsoft's"}},
		"alerts is retiring":   {api: "alerts", says: []string{"1 February 2027", "graph-alerts"}},
		"incidents retires":    {api: "incidents", says: []string{"1 February 2027", "graph-incidents"}},
		"detections may end":   {api: "detections", says: []string{"may end it any day", "as this API's tokens are"}},
		"the role is gone":     {api: "graph-alerts", tenant: func(e *emulator.Tenant) { e.Withdrawn = []string{"SecurityAlert.Read.All"} }, failed: "one page", says: []string{"needs SecurityAlert.Read.All", "grant admin consent"}},
		"a wrong secret":       {api: "graph-alerts", secret: "not~the~one", failed: "token", says: []string{"AADSTS"}},
		"two minutes ahead":    {api: "graph-alerts", tenant: clock(-2 * time.Minute), says: []string{"ahead of Microsoft's", "NTP"}},
		"twenty minutes off":   {api: "graph-alerts", tenant: clock(20 * time.Minute), failed: "clock", says: []string{"behind Microsoft's", "NTP"}},
		"twenty minutes ahead": {api: "graph-alerts", tenant: clock(-20 * time.Minute), failed: "clock", says: []string{"ahead of Microsoft's", "NTP"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := emulator.NewTenant(1)
			if c.tenant != nil {
				c.tenant(e)
			}
			server := httptest.NewServer(e)
			defer server.Close()
			secret := e.Secret
			if c.secret != "" {
				secret = c.secret
			}
			findings := Check(t.Context(), Options{Name: "s", API: c.api, Endpoint: server.URL + emulator.Endpoint(c.api), TokenURL: server.URL + e.TokenPath(c.api),
				TenantID: e.ID, ClientID: e.ClientID, Secret: func() (string, error) { return secret, nil }, Version: "test"})
			text, failed := "", ""
			for _, f := range findings {
				text += fmt.Sprintln(f.What, f.OK, f.Detail)
				if !f.OK {
					failed += f.What
				}
			}
			if failed != c.failed {
				t.Errorf("not OK: %q, want %q\n%s", failed, c.failed, text)
			}
			for _, says := range c.says {
				if !strings.Contains(text, says) {
					t.Errorf("it does not say %q:\n%s", says, text)
				}
			}
			if strings.Contains(text, secret) {
				t.Error("the secret is in it")
			}
		})
	}
}

// clock sets a tenant's clock so far from ours.
func clock(off time.Duration) func(*emulator.Tenant) {
	return func(e *emulator.Tenant) { e.Now = func() time.Time { return time.Now().Add(off) } }
}

package source

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/siembridge/siembridge/bridge/entra"
	"github.com/siembridge/siembridge/formats/defender"
)

// Finding is one thing that Check looked at.
type Finding struct {
	What   string // e.g. "token", "one page", "clock"
	OK     bool   // false: the source cannot pull
	Detail string // what was found; for a failure with its remedy
}

// How far the clocks may be apart before it is worth a word, and before it is a failure: Entra ID refuses signed
// assertions of more than 5 minutes' difference, and events are taken for old or future ones.
const (
	maxSkew  = time.Minute
	failSkew = 5 * time.Minute
)

// Check proves a source: a token, one small page, the clock. Nothing is stored. Tokens of the refresh-token flow are
// rotated and kept as in a run, so Check needs the state directory then.
func Check(ctx context.Context, o Options) []Finding {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Limits == nil {
		o.Limits = NewLimits()
	}
	a, err := findAPI(o.API)
	if err != nil {
		return []Finding{{"api", false, err.Error()}}
	}
	c, err := newClient(&o, a)
	if err != nil {
		return []Finding{{"settings", false, err.Error()}}
	}
	var findings []Finding
	if a.retiring != "" {
		findings = append(findings, Finding{"api", true, a.retiring})
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return append(findings, Finding{"token", false, tokenError(err).Error()})
	}
	findings = append(findings, Finding{"token", true, a.tokenDetail(token.AccessToken, token.Expiry)})
	now := time.Now()
	q := query{changed: Interval{now.Add(-5 * time.Minute).UnixMilli(), now.UnixMilli()}, top: 1}
	got, err := c.get(ctx, a.url(c.base, q), false, func(defender.Found) error { return nil })
	if err != nil {
		return append(findings, Finding{"one page", false, err.Error()})
	}
	findings = append(findings, Finding{"one page", true, fmt.Sprintf("%d records of the last 5 minutes on a page of one", got.rows)})
	return append(findings, clockFinding(time.Until(got.date).Round(time.Second)))
}

// clockFinding judges how far the server's clock is ahead of ours.
func clockFinding(ahead time.Duration) Finding {
	off, which := ahead.Abs(), "behind"
	if ahead < 0 {
		which = "ahead of"
	}
	if off <= maxSkew {
		return Finding{"clock", true, "agrees with Microsoft's"}
	}
	return Finding{"clock", off <= failSkew, fmt.Sprintf("this clock is %s %s Microsoft's; pulling does not mind, but certificates, signed assertions and event times do: let NTP set it (timedatectl set-ntp true)", off, which)}
}

// tokenDetail says until when a token is good and which permissions it has, where it can be read.
func (a *api) tokenDetail(token string, expiry time.Time) string {
	detail := "good until " + expiry.UTC().Format(time.RFC3339)
	claims, ok := entra.ReadClaims(token)
	if !ok {
		return detail
	}
	switch {
	case len(claims.Roles) > 0:
		return detail + ", roles " + strings.Join(claims.Roles, ", ")
	case len(claims.Scopes) > 0:
		return detail + ", delegated permissions " + strings.Join(claims.Scopes, ", ")
	case a == &detections:
		return detail + ", without any role, as this API's tokens are"
	}
	return detail + ", without any role: grant the application permission and admin consent"
}

package entra

import (
	"fmt"
	"os"
	"time"
)

// Expiry is when a credential ends. An access token is none: it is renewed without anybody.
type Expiry struct {
	What   string        // e.g. "the refresh token"
	End    time.Time     // zero: not known
	Notice time.Duration // how long before it is time to act
	Remedy string        // what the operator does
}

// How long before its end a credential is worth a warning: a refresh token renews itself while siembridge runs, so
// that one near its end is a sign of trouble; the others need an appointment.
const (
	noticeRefresh = 14 * 24 * time.Hour
	noticeOther   = 30 * 24 * time.Hour
)

// refreshLife is how long a refresh token lives from its issue (Microsoft identity platform, "refresh tokens").
const refreshLife = 90 * 24 * time.Hour

// SecretExpiry is the expiry of a credential that does not tell it, by the date that the configuration names: the
// last day on which it works.
func SecretExpiry(day time.Time) Expiry {
	return Expiry{What: "the credential", End: day.AddDate(0, 0, 1), Notice: noticeOther,
		Remedy: "make a new one in the app registration, put it in place, and correct credential_expires"}
}

// Warning is one line for the operator when it is time to act; "" before.
func (e Expiry) Warning(now time.Time) string {
	left := e.End.Sub(now)
	switch {
	case e.End.IsZero() || left > e.Notice:
		return ""
	case left <= 0:
		return fmt.Sprintf("%s has ended on %s; %s", e.What, e.End.UTC().Format(time.DateOnly), e.Remedy)
	case left < 48*time.Hour:
		return fmt.Sprintf("%s ends in %d hours; %s", e.What, int(left.Hours()), e.Remedy)
	}
	return fmt.Sprintf("%s ends in %d days, on %s; %s", e.What, int(left.Hours()/24), e.End.UTC().Format(time.DateOnly), e.Remedy)
}

// Earlier returns the expiry that comes first; one that is not known comes last.
func (e Expiry) Earlier(o Expiry) Expiry {
	if e.End.IsZero() || !o.End.IsZero() && o.End.Before(e.End) {
		return o
	}
	return e
}

// Expires tells the end of the newest refresh token: 90 days from its issue. Of a seed that was not used yet the
// issue is not known, and its file's time stands for it.
func (g *RefreshToken) Expires() Expiry {
	e := Expiry{What: "the refresh token", Notice: noticeRefresh, Remedy: "sign in again with siembridge login"}
	c, err := g.chain()
	if err != nil {
		return e
	}
	issued, file := c.Issued, g.File
	if stored, err := g.read(); err != nil || stored.Current != c.Current {
		file = g.SeedFile
	}
	if info, err := os.Stat(file); issued.IsZero() && err == nil {
		issued = info.ModTime()
	}
	if !issued.IsZero() {
		e.End = issued.Add(refreshLife)
	}
	return e
}

// Expires tells the end of the certificate.
func (g *Certificate) Expires() Expiry {
	e := Expiry{What: "the certificate", Notice: noticeOther, Remedy: newCertificate}
	if c, err := g.Files.load(); err == nil {
		e.End = c.leaf.NotAfter
	}
	return e
}

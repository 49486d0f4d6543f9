package entra

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const day = 24 * time.Hour

// TestWarning holds when a warning begins and what it says.
func TestWarning(t *testing.T) {
	end := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	e := Expiry{What: "the certificate", End: end, Notice: 14 * day, Remedy: "make another"}
	for _, test := range []struct {
		before time.Duration
		want   string
	}{
		{15 * day, ""},
		{14*day + time.Second, ""},
		{14 * day, "the certificate ends in 14 days, on 2027-01-31; make another"},
		{47 * time.Hour, "the certificate ends in 47 hours; make another"},
		{0, "the certificate has ended on 2027-01-31; make another"},
		{-day, "the certificate has ended on 2027-01-31; make another"},
	} {
		if got := e.Warning(end.Add(-test.before)); got != test.want {
			t.Errorf("%s before: %q, want %q", test.before, got, test.want)
		}
	}
	if got := (Expiry{Notice: day}).Warning(end); got != "" {
		t.Errorf("an end that is not known: %q", got)
	}
}

// TestEarlier: of two ends the first counts, and one that is not known does not.
func TestEarlier(t *testing.T) {
	a, b, none := Expiry{What: "a", End: time.Unix(1, 0)}, Expiry{What: "b", End: time.Unix(2, 0)}, Expiry{What: "none"}
	for _, test := range []struct {
		x, y Expiry
		want string
	}{{a, b, "a"}, {b, a, "a"}, {none, b, "b"}, {b, none, "b"}, {none, none, "none"}} {
		if got := test.x.Earlier(test.y); got.What != test.want {
			t.Errorf("%s, %s: %s", test.x.What, test.y.What, got.What)
		}
	}
}

// TestSecretExpiry: the date is the last day on which a secret works.
func TestSecretExpiry(t *testing.T) {
	e := SecretExpiry(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC))
	if got := e.Warning(time.Date(2027, 1, 31, 23, 59, 0, 0, time.UTC)); !strings.Contains(got, "ends in 0 hours") {
		t.Errorf("on its last day: %q", got)
	}
	if got := e.Warning(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)); got != "" {
		t.Errorf("31 days before: %q", got)
	}
	if got := e.Warning(time.Date(2027, 1, 2, 0, 0, 1, 0, time.UTC)); !strings.Contains(got, "29 days") {
		t.Errorf("30 days before: %q", got)
	}
}

// TestRefreshTokenExpires follows a chain: each use begins 90 days anew, a restart does not.
func TestRefreshTokenExpires(t *testing.T) {
	dir, e, _ := newChain(t)
	seeded := time.Now().Add(-80 * day).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "seed"), seeded, seeded); err != nil {
		t.Fatal(err)
	}
	g := chainIn(dir, e)
	if end := g.Expires().End; !end.Equal(seeded.Add(90 * day)) {
		t.Errorf("a seed of 80 days ago ends %s", end)
	}
	if w := g.Expires().Warning(time.Now()); !strings.Contains(w, "siembridge login") {
		t.Errorf("warning %q", w)
	}
	if _, err := g.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*RefreshToken{g, chainIn(dir, e)} {
		if left := time.Until(g.Expires().End); left < 89*day || left > 90*day {
			t.Errorf("after its use it ends in %s", left)
		}
		if w := g.Expires().Warning(time.Now().Add(75 * day)); w != "" {
			t.Errorf("15 days before: %q", w)
		}
		if w := g.Expires().Warning(time.Now().Add(76*day + time.Minute)); w == "" {
			t.Error("14 days before: no warning")
		}
	}
	if end := (&RefreshToken{File: filepath.Join(t.TempDir(), "none")}).Expires().End; !end.IsZero() {
		t.Errorf("no token at all ends %s", end)
	}
}

// TestChainFileWithoutIssue: of a chain that does not tell when its token was issued, the file's time is taken.
func TestChainFileWithoutIssue(t *testing.T) {
	dir, e, _ := newChain(t)
	g := chainIn(dir, e)
	put(t, g.File, `{"version":1,"seed_sha256":"`+mark("seed-1")+`","current":"refresh-0","previous":""}`)
	at := time.Now().Add(-50 * day).Truncate(time.Second)
	if err := os.Chtimes(g.File, at, at); err != nil {
		t.Fatal(err)
	}
	if end := g.Expires().End; !end.Equal(at.Add(90 * day)) {
		t.Errorf("ends %s", end)
	}
}

// TestCertificateExpires reads the end from the file.
func TestCertificateExpires(t *testing.T) {
	end := time.Now().Add(100 * day).Truncate(time.Second)
	file := filepath.Join(t.TempDir(), "certificate.pem")
	put(t, file, certPEM(selfSigned(testKey(), end))+keyPEM(testKey()))
	g := &Certificate{Files: CertificateFiles{File: file}}
	if e := g.Expires(); !e.End.Equal(end) || e.Warning(time.Now()) != "" || e.Warning(end.Add(-29*day)) == "" {
		t.Errorf("%+v", e)
	}
	put(t, file, "")
	if e := g.Expires(); !e.End.IsZero() {
		t.Errorf("of no certificate: %+v", e)
	}
}

// TestBegin: a sign-in goes before the seed and before a chain that has worked, and outlives a use that is under way
// in another process.
func TestBegin(t *testing.T) {
	dir, e, r := newChain(t)
	g := chainIn(dir, e)
	if _, err := g.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.parent["sign-in-1"], r.parent["sign-in-2"] = "", ""
	if err := g.Begin("sign-in-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "sign-in-1" {
		t.Errorf("used %s, %v", r.last, err)
	}
	g.step = func(s string) error {
		if s == "answered" {
			return chainIn(dir, e).Begin("sign-in-2")
		}
		return nil
	}
	if token, err := g.Token(t.Context()); err != nil || token.AccessToken == "" {
		t.Errorf("the use under way: %v", err)
	}
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "sign-in-2" {
		t.Errorf("used %s, %v", r.last, err)
	}
}

// TestBeginWithoutSeed is a first sign-in with no refresh_token_file at all.
func TestBeginWithoutSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &RefreshToken{File: filepath.Join(t.TempDir(), "chain")}
		if err := g.Begin("first"); err != nil {
			t.Fatal(err)
		}
		if c, err := g.chain(); err != nil || c.Current != "first" {
			t.Errorf("%+v, %v", c, err)
		}
		if left := time.Until(g.Expires().End); left != 90*day {
			t.Errorf("ends in %s", left)
		}
	})
}

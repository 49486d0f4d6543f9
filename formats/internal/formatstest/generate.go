package formatstest

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/defender"
)

// pieces are what hostile texts are put together from: every character and word that a reader of some format takes
// for structure, beside harmless ones.
var pieces = []string{"a", "Z", "9", "word", " ", "  ", "\t", "\n", "\r", "\r\n", `\`, `\\`, "|", `\|`, "=", `\=`, "^", `"`, "'", ",", ";", "#", "%", "/",
	"usrName=", " usrName=", "|usrName=", "suser=", " src=", "sev=10", " cat=forged", " customerNote=", "externalId=", "LEEF:1.0|", "LEEF:2.0|", "CEF:0|", "<134>", "0x09", "x09",
	"\x00", "\x01", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\u2029", "\ufeff", "\u202e", "\u2066", "\xff", "\xc3", "\xe2\x82", "\u00a0", "\u3000", "ü", "検", "🚨", "\u0301", "\uff1d"}

// typed are texts that are of the types that keys have, or nearly so.
var typed = []string{"0", "1", "-1", "true", "False", "65535", "65536", "2147483647", "2147483648", "999999999999999999", "9999999999999999999", "007", " 42 ", "1.5",
	"10.0.0.1", "192.0.2.255", "10.0.0.256", "2001:DB8::10", "fe80::1%eth0", "::ffff:192.0.2.1", "00155D012345", "00-15-5d-01-23-45", "00:15:5D:01:23", "tcp",
	"2026-11-23T10:11:12.1234567Z", "2026-11-23", "Malware", "privilege escalation", "None", "blocked", "inProgress", "resolved", "microsoftDefenderForIdentity", "OfficeATP", "null"}

// Generator makes detections from a seed: the same ones each time, for tests that look at very many.
type Generator struct {
	r       *rand.Rand
	hostile []string
}

// NewGenerator returns a generator. Generators of different streams of one seed are independent.
func NewGenerator(seed, stream uint64) *Generator {
	return &Generator{rand.New(rand.NewPCG(seed, stream)), Hostile()}
}

// Next returns a detection. Each of its fields is empty, hostile, or something that may or may not be of its key's
// type; no field is always harmless.
func (g *Generator) Next() *formats.Detection {
	d := &formats.Detection{}
	filled := 5 + g.r.IntN(60) // in a hundred
	SetTexts(d, func(string) string {
		if g.r.IntN(100) >= filled {
			return ""
		}
		return g.text()
	})
	if g.r.IntN(10) > 0 {
		apis := defender.APIs()
		d.API = apis[g.r.IntN(len(apis))]
		d.Kind = [...]formats.Kind{formats.KindAlert, formats.KindAlert, formats.KindIncident, formats.KindStatus}[g.r.IntN(4)]
		d.Change = [...]formats.Change{formats.ChangeNew, formats.ChangeUpdate}[g.r.IntN(2)]
	}
	for _, list := range []*[]string{&d.Device.Addresses, &d.Device.LoggedOnUsers, &d.Techniques, &d.Tags, &d.Categories} {
		for len(*list) > 0 && len(*list) < 5 && g.r.IntN(2) == 0 {
			*list = append(*list, g.text())
		}
	}
	d.Severity = formats.Severity(g.r.IntN(8))
	d.RemediationSuccess, d.WasExecuting = formats.Flag(g.r.IntN(3)), formats.Flag(g.r.IntN(3))
	for _, t := range []*time.Time{&d.Time, &d.Created, &d.Updated, &d.FirstActivity, &d.LastActivity, &d.Resolved, &d.Pulled} {
		if g.r.IntN(4) > 0 {
			*t = time.Unix(g.r.Int64N(12_000_000_000)-1_000_000_000, g.r.Int64N(1e9)).UTC()
		}
	}
	d.Fresh = g.r.IntN(2) == 0
	if g.r.IntN(3) == 0 {
		d.Extra = []formats.Pair{{Key: "customerNote", Value: g.text()}, {Key: "a key", Value: g.text()}}
	}
	return d
}

// text returns one text; one in a few hundred is longer than any key allows.
func (g *Generator) text() string {
	switch n := g.r.IntN(400); {
	case n < 120:
		return typed[g.r.IntN(len(typed))]
	case n < 160:
		s := g.hostile[g.r.IntN(len(g.hostile))]
		return s[:min(len(s), 300)]
	case n < 162:
		return strings.Repeat(g.joined(4), 1+g.r.IntN(1500))
	case n < 180:
		return g.joined(200)
	case n < 200:
		return strconv.FormatUint(g.r.Uint64(), 10)
	}
	return g.joined(12)
}

func (g *Generator) joined(most int) string {
	var b strings.Builder
	for range g.r.IntN(most + 1) {
		b.WriteString(pieces[g.r.IntN(len(pieces))])
	}
	return b.String()
}

package emulator

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"strings"
	"time"
)

//go:embed payloads
var payloadFiles embed.FS

// templates are the sample records of each API, from the files in the folder of its name.
var templates = func() map[string][]json.RawMessage {
	all := map[string][]json.RawMessage{}
	files, err := fs.Glob(payloadFiles, "payloads/*/*.json") // sorted
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := payloadFiles.ReadFile(file)
		if err != nil {
			panic(err)
		}
		api := path.Base(path.Dir(file))
		var list []json.RawMessage
		var page struct{ Value []json.RawMessage }
		switch {
		case json.Unmarshal(text, &list) == nil:
			all[api] = append(all[api], list...)
		case json.Unmarshal(text, &page) == nil && page.Value != nil:
			all[api] = append(all[api], page.Value...)
		default:
			all[api] = append(all[api], bytes.TrimSpace(text))
		}
	}
	return all
}()

// hostileTitles are titles that try to forge a header, an attribute or an event, and texts that break careless writers.
var hostileTitles = []string{
	"line one\nline two\r\nCEF:0|Evil|Forged|1|1|forged|10|externalId=forged",
	"pipes | and || and = equals src=6.6.6.6 suser=forged",
	"LEEF:2.0|Evil|Forged|1|Forged|0x09|cat=x\talertId=forged",
	"<13>Jan  1 00:00:00 evil LEEF:1.0|Evil|Forged|1|Forged|cat=x",
	"<13>1 2026-01-01T00:00:00.000Z evil app - - - CEF:0|Evil|Forged|1|1|x|1|",
	"nul \x00 escape \x1b[31m bell \x07 backspace \x08",
	"ends in a backslash \\",
	"tab\tseparated\tsrc=6.6.6.6",
	"\u202Ebidirectional\u202C \u2028 \u2029 \u0085 \uFEFF",
	"",
	"   ",
	strings.Repeat("long text with = and | and \\ ", 7500/29),
	"检出 обнаружено 🚨 ünïcödé",
}

// Generator makes records of an API from the samples, from a seed.
type Generator struct {
	random  *rand.Rand
	hostile bool
	n       int
}

// NewGenerator makes a generator; hostile gives every third record a title that tries to forge something.
func NewGenerator(seed uint64, hostile bool) *Generator {
	return &Generator{random: rand.New(rand.NewPCG(seed, 0x51e8)), hostile: hostile}
}

// Record makes the next record of an API, changed (and created) at t. An incident of Defender XDR carries one to three
// alerts.
func (g *Generator) Record(name string, t time.Time) Record {
	g.n++
	api, t := apis[name], t.Truncate(100*time.Nanosecond)
	fields := g.sample(name)
	n := novelty{id: g.alertID(), host: fmt.Sprintf("ws-%04d", g.random.IntN(4000)), stamp: microsoftTime(t),
		before: microsoftTime(t.Add(-time.Duration(g.random.IntN(300)) * time.Second))}
	r := Record{ID: n.id, Created: t, Changed: t, fields: fields}
	api.fill(g, &r, n)
	if g.hostile && g.n%3 == 0 {
		fields[api.title] = hostileTitles[g.random.IntN(len(hostileTitles))]
	}
	return r
}

// novelty is what a new record has that its sample has not.
type novelty struct {
	id, host      string
	stamp, before string // when it was created and changed, and when what it is about happened
}

// set gives several properties of a record one value.
func (r *Record) set(names string, v any) {
	for name := range strings.FieldsSeq(names) {
		r.fields[name] = v
	}
}

// sample returns a fresh copy of one of an API's samples.
func (g *Generator) sample(name string) (fields map[string]any) {
	all := templates[name]
	if err := json.Unmarshal(all[g.random.IntN(len(all))], &fields); err != nil {
		panic(err)
	}
	return fields
}

// alertID makes an id as Defender for Endpoint's alerts have.
func (g *Generator) alertID() string {
	return fmt.Sprintf("da%018d_%d", 637370718981685665+uint64(g.n), g.random.Int32())
}

// carry fills an incident with alerts made from the sample's own, and returns their ids.
func (g *Generator) carry(incident map[string]any, stamp, before string) (ids []string) {
	samples := incident["alerts"].([]any)
	var alerts []any
	for range 1 + g.random.IntN(3) {
		alert := maps.Clone(samples[g.random.IntN(len(samples))].(map[string]any))
		id := g.alertID()
		ids = append(ids, id)
		alert["alertId"], alert["incidentId"] = id, incident["incidentId"]
		alert["creationTime"], alert["lastUpdatedTime"] = stamp, stamp
		alert["firstActivity"], alert["lastActivity"], alert["resolvedTime"] = before, before, nil
		alerts = append(alerts, alert)
	}
	incident["alerts"] = alerts
	return ids
}

// Revise returns a record of an API as it is shown once its title was changed at t.
func (r Record) Revise(api string, t time.Time, title string) Record {
	fields := maps.Clone(r.fields)
	fields[apis[api].title], fields[apis[api].changed] = title, microsoftTime(t)
	return Record{ID: r.ID, Changed: t.Truncate(100 * time.Nanosecond), Visible: r.Visible, fields: fields}
}

// microsoftTime writes a time as Microsoft does: seven digits, trailing zeros cut.
func microsoftTime(t time.Time) string {
	s := t.UTC().Format("2006-01-02T15:04:05.0000000")
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "Z"
}

// JSON returns the record as the API would send it, on one line.
func (r Record) JSON() []byte {
	text, err := json.Marshal(r.fields)
	if err != nil { // they were read from JSON
		panic(err)
	}
	return text
}

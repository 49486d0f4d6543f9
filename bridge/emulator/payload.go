package emulator

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"sort"
	"strings"
	"time"
)

//go:embed payloads/*.json
var payloadFiles embed.FS

// templates are the sample records of each API, by the beginning of their file names.
var templates = func() map[string][]json.RawMessage {
	all := map[string][]json.RawMessage{}
	entries, err := payloadFiles.ReadDir("payloads")
	if err != nil {
		panic(err)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	for _, e := range entries {
		text, err := payloadFiles.ReadFile(path.Join("payloads", e.Name()))
		if err != nil {
			panic(err)
		}
		api := ""
		for _, name := range []string{"graph-alerts", "graph-incidents", "alerts", "incidents", "detections"} {
			if strings.HasPrefix(e.Name(), name+"-") {
				api = name
				break
			}
		}
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

// Hostile are titles that try to forge a header, an attribute or an event, and texts that break careless writers.
var Hostile = []string{
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

// NewGenerator makes a generator; hostile gives every third record a title out of Hostile.
func NewGenerator(seed uint64, hostile bool) *Generator {
	return &Generator{random: rand.New(rand.NewPCG(seed, 0x51e8)), hostile: hostile}
}

// Record makes the next record of an API, changed (and created) at t. An incident of Defender XDR carries one to three
// alerts.
func (g *Generator) Record(name string, t time.Time) Record {
	g.n++
	api, t := apis[name], t.Truncate(100*time.Nanosecond)
	fields := g.sample(name)
	id := g.alertID()
	host := fmt.Sprintf("ws-%04d", g.random.IntN(4000))
	stamp, before := microsoftTime(t), microsoftTime(t.Add(-time.Duration(g.random.IntN(300))*time.Second))
	set := func(names string, v any) {
		for name := range strings.FieldsSeq(names) {
			fields[name] = v
		}
	}
	r := Record{ID: id, Created: t, Changed: t, fields: fields}
	switch name {
	case "detections":
		set("AlertId", id)
		set("FullId", id+":"+fmt.Sprint(g.n))
		set("LastProcessedTimeUtc", stamp)
		set("AlertTime", before)
		set("MachineName", host)
		set("ComputerDnsName", host+".corp.example.org")
		set("LinkToWDATP", "https://securitycenter.windows.com/alert/"+id)
		set("LinkToMTP", "https://security.microsoft.com/alert/"+id)
	case "alerts":
		set("id", id)
		set("incidentId", 1000+g.n)
		set("lastUpdateTime alertCreationTime", stamp)
		set("firstEventTime lastEventTime", before)
		set("computerDnsName", host+".corp.example.org")
	case "graph-alerts":
		set("id providerAlertId", id)
		set("incidentId", fmt.Sprint(1000+g.n))
		set("lastUpdateDateTime createdDateTime", stamp)
		set("firstActivityDateTime lastActivityDateTime", before)
		set("alertWebUrl", "https://security.microsoft.com/alerts/"+id)
	case "graph-incidents":
		r.ID = fmt.Sprint(900_000 + g.n)
		set("id", r.ID)
		set("lastUpdateDateTime createdDateTime", stamp)
		set("redirectIncidentId", nil)
		set("incidentWebUrl", "https://security.microsoft.com/incidents/"+r.ID)
	case "incidents":
		r.ID = fmt.Sprint(900_000 + g.n)
		set("incidentId", 900_000+g.n)
		set("lastUpdateTime createdTime", stamp)
		set("redirectIncidentId", nil)
		r.Carried = g.carry(fields, stamp, before)
	}
	if g.hostile && g.n%3 == 0 {
		fields[api.title] = Hostile[g.random.IntN(len(Hostile))]
	}
	return r
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
	names := map[string][2]string{"detections": {"AlertTitle", "LastProcessedTimeUtc"}, "alerts": {"title", "lastUpdateTime"}}[api]
	if names[0] == "" {
		names = [2]string{"title", "lastUpdateDateTime"}
	}
	fields[names[0]], fields[names[1]] = title, microsoftTime(t)
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

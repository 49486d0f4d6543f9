package emulator

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
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
		for _, name := range []string{"graph-alerts", "alerts", "detections"} {
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

// Record makes the next record of an API, changed (and created) at t.
func (g *Generator) Record(api string, t time.Time) Record {
	g.n++
	all := templates[api]
	var fields map[string]any
	if err := json.Unmarshal(all[g.random.IntN(len(all))], &fields); err != nil {
		panic(err)
	}
	id := fmt.Sprintf("da%018d_%d", 637370718981685665+uint64(g.n), g.random.Int32())
	host := fmt.Sprintf("ws-%04d", g.random.IntN(4000))
	stamp, before := microsoftTime(t), microsoftTime(t.Add(-time.Duration(g.random.IntN(300))*time.Second))
	set := func(names string, v any) {
		for name := range strings.FieldsSeq(names) {
			fields[name] = v
		}
	}
	title := "title"
	switch api {
	case "detections":
		title = "AlertTitle"
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
	default:
		set("id providerAlertId", id)
		set("incidentId", fmt.Sprint(1000+g.n))
		set("lastUpdateDateTime createdDateTime", stamp)
		set("firstActivityDateTime lastActivityDateTime", before)
		set("alertWebUrl", "https://security.microsoft.com/alerts/"+id)
	}
	if g.hostile && g.n%3 == 0 {
		fields[title] = Hostile[g.random.IntN(len(Hostile))]
	}
	return Record{ID: id, Changed: t.Truncate(100 * time.Nanosecond), fields: fields}
}

// microsoftTime writes a time as Microsoft does: seven digits, trailing zeros cut.
func microsoftTime(t time.Time) string {
	s := t.UTC().Format("2006-01-02T15:04:05.0000000")
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "Z"
}

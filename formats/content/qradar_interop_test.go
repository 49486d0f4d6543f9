//go:build interop

package content_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/siembridge/siembridge/formats/content"
)

// TestInteropQRadar runs the script for QRadar with the system's shell, curl and awk against a stand-in of the
// REST objects as IBM documents them: everything is made as the tables say, and a second run changes nothing.
func TestInteropQRadar(t *testing.T) {
	console := newConsole()
	server := httptest.NewServer(console)
	defer server.Close()
	var script bytes.Buffer
	if err := content.QRadarScript(&script, "test"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "siembridge-qradar.sh")
	if err := os.WriteFile(path, script.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(extra ...string) (string, error) {
		cmd := exec.Command("sh", path)
		cmd.Env = append(os.Environ(), "QRADAR_URL="+server.URL, "QRADAR_TOKEN="+console.token, "LOG_SOURCE_IDENTIFIER=bridge01.example.org")
		cmd.Env = append(cmd.Env, extra...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	if out, err := run("QRADAR_TOKEN=wrong"); err == nil || !strings.Contains(out, "401") {
		t.Errorf("with a wrong token: %v\n%s", err, out)
	}
	if out, err := run(`LOG_SOURCE_IDENTIFIER=a","enabled":false`); err == nil || !strings.Contains(out, "character") {
		t.Errorf("with an identifier that is no host name: %v\n%s", err, out)
	}
	if n := console.changes; n != 0 {
		t.Fatalf("%d changes before the first good run", n)
	}

	out, err := run()
	if err != nil {
		t.Fatalf("first run: %v\n%s", err, out)
	}
	properties := console.checkObjects(t)
	first := console.changes
	if !strings.Contains(out, fmt.Sprintf("\n%d objects made or changed", first)) {
		t.Errorf("%d objects were made, the script says otherwise:\n%s", first, out)
	}
	t.Logf("first run: %d objects, %d custom properties among them", first, properties)

	out, err = run()
	if err != nil || console.changes != first {
		t.Fatalf("second run: %v, %d changes more\n%s", err, console.changes-first, out)
	}
	console.checkObjects(t)

	// What an administrator changed stays; only coalescing is set back, since it loses alerts.
	sources := console.objects["config/event_sources/log_source_management/log_sources"]
	sources[0]["coalesce_events"] = true
	mapping := console.objects["data_classification/dsm_event_mappings"][0]
	mapping["qid_record_id"] = 1.0
	if out, err = run(); err != nil || console.changes != first+1 || sources[0]["coalesce_events"] != false || mapping["qid_record_id"] != 1.0 {
		t.Errorf("after changes by hand: %v, %d changes more, %v, %v\n%s", err, console.changes-first, sources[0], mapping, out)
	}
}

// console is a stand-in of a QRadar console: the objects that the script uses, with the fields, filters and answers of
// IBM's documentation. It refuses what the documentation does not have.
type console struct {
	token string

	mu      sync.Mutex
	objects map[string][]map[string]any
	changes int
	next    float64
}

// documented are the fields of a POST body by path, with a value of the type; the required ones begin with "!".
var documentedFields = map[string]map[string]any{
	"data_classification/qid_records":                                  {"!log_source_type_id": 0.0, "!name": "", "description": "", "severity": 0.0, "!low_level_category_id": 0.0},
	"data_classification/dsm_event_mappings":                           {"!log_source_type_id": 0.0, "!log_source_event_id": "", "!log_source_event_category": "", "!qid_record_id": 0.0},
	"config/event_sources/custom_properties/regex_properties":          {"!name": "", "description": "", "!property_type": "", "use_for_rule_engine": false},
	"config/event_sources/custom_properties/property_leef_expressions": {"!regex_property_identifier": "", "enabled": false, "!expression": "", "!log_source_type_id": 0.0},
	"config/event_sources/log_source_management/log_sources": {"!name": "", "description": "", "!type_id": 0.0, "!protocol_type_id": 0.0,
		"!protocol_parameters": []any{}, "enabled": false, "coalesce_events": false, "store_event_payload": false},
}

// unique are the fields that no two objects may have alike.
var uniqueFields = map[string][]string{
	"data_classification/dsm_event_mappings":                           {"log_source_type_id", "log_source_event_id", "log_source_event_category"},
	"config/event_sources/custom_properties/regex_properties":          {"name"},
	"config/event_sources/log_source_management/log_sources":           {"name"},
	"config/event_sources/custom_properties/property_leef_expressions": {"regex_property_identifier", "expression", "log_source_type_id"},
}

func newConsole() *console {
	c := &console{token: "0f2d-test-token", next: 2000, objects: map[string][]map[string]any{
		"config/event_sources/log_source_management/log_source_types": {{"id": 11.0, "name": "Microsoft Windows Security Event Log"}, {"id": 199.0, "name": "Universal LEEF"}},
		"config/event_sources/log_source_management/protocol_types":   {{"id": 0.0, "name": "Syslog"}, {"id": 42.0, "name": "TLS Syslog"}},
		// Another product's content, with names that must not be taken for ours.
		"data_classification/qid_records": {{"id": 1.0, "qid": 1002500001.0, "name": "Defender: Malware, by another, \"old\" app", "log_source_type_id": 199.0, "low_level_category_id": 6001.0}},
		"config/event_sources/custom_properties/regex_properties": {{"id": 5.0, "identifier": "DEFAULTCUSTOMEVENT5", "name": "Defender alertIds", "property_type": "string"},
			{"id": 6.0, "identifier": "11111111-2222", "name": "Event, ID}, {", "property_type": "string"}},
	}}
	for i, name := range []string{"Unknown Malware", "Trojan Detected", "Backdoor Detected", "Unknown Suspicious Event", "Suspicious Pattern Detected",
		"Suspicious Activity", "Information Leak", "Executable Code Detected", "Unknown Evasion Event", "System Status", "Misc System Event", "Service Started"} {
		c.objects["data_classification/low_level_categories"] = append(c.objects["data_classification/low_level_categories"], map[string]any{"id": float64(6001 + i*100), "name": name})
	}
	return c
}

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		text, _ := json.MarshalIndent(v, "", "  ") // some versions of the console write blanks, some do not
		if c.changes%2 == 0 {
			text, _ = json.Marshal(v)
		}
		_, _ = w.Write(text)
	}
	refuse := func(code int, format string, args ...any) {
		answer(code, map[string]any{"http_response": map[string]any{"code": code}, "message": fmt.Sprintf(format, args...)})
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/")
	switch {
	case r.Header.Get("SEC") != c.token:
		refuse(http.StatusUnauthorized, "You are unauthorized to access the requested resource.")
	case r.Method == http.MethodGet:
		if _, postable := documentedFields[path]; !postable && c.objects[path] == nil {
			refuse(http.StatusNotFound, "no such path %s", path)
			return
		}
		all := []map[string]any{}
		for _, o := range c.objects[path] {
			if matchesFilter(o, r.URL.Query().Get("filter")) {
				all = append(all, project(o, r.URL.Query().Get("fields")))
			}
		}
		answer(http.StatusOK, all)
	case r.Method == http.MethodPost:
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			refuse(http.StatusUnprocessableEntity, "the body is not JSON: %v", err)
			return
		}
		if at := strings.LastIndexByte(path, '/'); documentedFields[path] == nil && documentedFields[path[:at]] != nil {
			for _, o := range c.objects[path[:at]] {
				if fmt.Sprint(o["id"]) == path[at+1:] {
					for k, v := range body {
						o[k] = v
					}
					c.changes++
					answer(http.StatusOK, o)
					return
				}
			}
			refuse(http.StatusNotFound, "no such object")
			return
		}
		if err := c.check(path, body); err != "" {
			refuse(http.StatusUnprocessableEntity, "%s", err)
			return
		}
		for _, o := range c.objects[path] {
			if keys := uniqueFields[path]; len(keys) > 0 && !slices.ContainsFunc(keys, func(k string) bool { return o[k] != body[k] }) {
				refuse(http.StatusConflict, "there is one already")
				return
			}
		}
		c.next++
		body["id"] = c.next
		if strings.HasSuffix(path, "regex_properties") {
			body["identifier"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", int(c.next))
		}
		if strings.HasSuffix(path, "qid_records") {
			body["qid"] = 2e9 + c.next
		}
		c.objects[path] = append(c.objects[path], body)
		c.changes++
		answer(http.StatusCreated, body)
	default:
		refuse(http.StatusMethodNotAllowed, "%s", r.Method)
	}
}

// check says what is wrong with a body: an unknown field, another type, a required one that is missing.
func (c *console) check(path string, body map[string]any) string {
	fields, ok := documentedFields[path]
	if !ok {
		return "nothing can be made at " + path
	}
	for k, v := range body {
		want, ok := fields[k]
		if !ok {
			want, ok = fields["!"+k]
		}
		if !ok || fmt.Sprintf("%T", want) != fmt.Sprintf("%T", v) {
			return fmt.Sprintf("%s is not a field, or not of type %T", k, want)
		}
	}
	for k := range fields {
		if name, required := strings.CutPrefix(k, "!"); required && body[name] == nil {
			return name + " is required"
		}
	}
	return ""
}

// matchesFilter understands FIELD=NUMBER and FIELD="TEXT".
func matchesFilter(o map[string]any, filter string) bool {
	if filter == "" {
		return true
	}
	key, value, _ := strings.Cut(filter, "=")
	return fmt.Sprint(o[key]) == strings.Trim(value, `"`)
}

func project(o map[string]any, fields string) map[string]any {
	p := map[string]any{}
	for _, f := range strings.Split(fields, ",") {
		p[f] = o[f]
	}
	return p
}

// checkObjects holds what was made against the tables.
func (c *console) checkObjects(t *testing.T) int {
	t.Helper()
	qids := map[any]string{}
	for _, o := range c.objects["data_classification/qid_records"][1:] {
		qids[o["id"]] = o["name"].(string)
	}
	var mappings []content.EventMapping
	for _, o := range c.objects["data_classification/dsm_event_mappings"] {
		mappings = append(mappings, content.EventMapping{EventID: o["log_source_event_id"].(string), Category: o["log_source_event_category"].(string), QIDName: qids[o["qid_record_id"]]})
	}
	if want := content.EventMappings(); !slices.Equal(mappings, want) {
		t.Errorf("%d event mappings, want these %d:\n%v\n%v", len(mappings), len(want), mappings, want)
	}
	expressions := map[any]string{}
	for _, o := range c.objects["config/event_sources/custom_properties/property_leef_expressions"] {
		expressions[o["regex_property_identifier"]] = o["expression"].(string)
	}
	var properties []content.Property
	for _, o := range c.objects["config/event_sources/custom_properties/regex_properties"][2:] {
		properties = append(properties, content.Property{Name: o["name"].(string), Key: expressions[o["identifier"]], Type: o["property_type"].(string),
			Rules: o["use_for_rule_engine"].(bool), Text: o["description"].(string)})
	}
	if want := content.Properties(); !slices.Equal(properties, want) {
		t.Errorf("custom properties\n%v, want\n%v", properties, want)
	}
	sources := c.objects["config/event_sources/log_source_management/log_sources"]
	if len(sources) != 1 || sources[0]["type_id"] != 199.0 || sources[0]["coalesce_events"] != false ||
		fmt.Sprint(sources[0]["protocol_parameters"]) != "[map[name:identifier value:bridge01.example.org]]" {
		t.Errorf("log sources: %v", sources)
	}
	return len(properties)
}

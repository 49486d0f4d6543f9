package flexconnector

import (
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// header fills vendor, product, version, class id and name.
func (b *builder) header(defaults *formats.Mapping) {
	b.m.Header.Vendor, b.m.Header.Product = map[string]string{}, map[string]string{}
	for field, set := range map[string]func(string){
		"deviceVendor":  func(text string) { everyService(b.m.Header.Vendor, defaults.Header.Vendor, text) },
		"deviceProduct": func(text string) { everyService(b.m.Header.Product, defaults.Header.Product, text) },
		"deviceVersion": func(text string) { b.m.Version = text },
	} {
		n := b.nodes[field]
		if n == nil {
			continue
		}
		text, ok := n.(literal)
		if !ok {
			b.problems.add(b.events[field], "siembridge needs a constant here, the same for all records")
			continue
		}
		set(string(text))
	}
	if n := b.nodes["name"]; n != nil {
		b.m.Header.Name = append(formats.Names{b.computed("name", n)}, defaults.Header.Name...)
	}
	if n := b.nodes["deviceEventClassId"]; n != nil {
		b.m.Header.ClassID = append(formats.Names{b.computed("deviceEventClassId", n)}, defaults.Header.ClassID...)
	}
}

// everyService sets a text of the header for all services but siembridge itself, whose status events keep their own.
func everyService(words, defaults map[string]string, text string) {
	words["other"] = text
	for service := range defaults {
		if service != "siembridge" {
			words[service] = text
		}
	}
}

// bands are ArcSight's four severities and the numbers of the CEF header that mean them (CEF Implementation Standard,
// "Header"), with the number that stands for each.
var bands = map[string]struct{ least, most, number int }{
	"low": {0, 3, 3}, "medium": {4, 6, 5}, "high": {7, 8, 8}, "veryhigh": {9, 10, 10},
}

// severity turns the severity map into numbers. Where the number of the built-in table lies in the band it stays, so
// that informational and low can be told apart.
func (b *builder) severity(defaults *formats.Mapping) {
	e, mapped := b.events["deviceSeverity"]
	if mapped {
		if t, ok := b.nodes["deviceSeverity"].(*token); b.nodes["deviceSeverity"] != nil && (!ok || len(t.path) != 1 || !strings.EqualFold(t.path[0], "severity")) {
			b.problems.add(e, "the severity comes from the record's own; an expression is not understood")
		}
	}
	for _, e := range b.parser.severity {
		m := severityKey.FindStringSubmatch(e.Key)
		if m[2] != "deviceSeverity" {
			b.problems.add(e, "a severity map goes by deviceSeverity")
			continue
		}
		band := bands[m[1]]
		for word := range strings.SplitSeq(e.Value, ",") {
			word = strings.ToLower(strings.TrimSpace(word))
			if word == "unspecified" {
				word = "unknown"
			}
			number, known := defaults.Severity[word]
			switch {
			case word == "":
			case !known:
				b.notes.add(e, "Microsoft has no severity %q, so it never occurs", word)
			case number < band.least || number > band.most:
				b.m.Severity[word] = band.number
			default:
				b.m.Severity[word] = number
			}
		}
	}
}

package coverage

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// maxDerived is how many fields that merely depend on a value are named in text; JSON has all.
const maxDerived = 3

func (a *API) text(b *strings.Builder, formats []string) {
	counts := make([]int, len(formats))
	never, empty := 0, 0
	for i := range a.Paths {
		p := &a.Paths[i]
		for f := range formats {
			if p.Reach[f].Values > 0 {
				counts[f]++
			}
		}
		switch {
		case p.Values == 0:
			empty++
		case !p.Reached():
			never++
		}
	}
	fmt.Fprintf(b, "%s: %s, %s\n", a.Name, count(a.Records, "record"), count(len(a.Paths), "path"))
	for f, name := range formats {
		fmt.Fprintf(b, "  %d reach the SIEM in %s\n", counts[f], name)
	}
	fmt.Fprintf(b, "  %d never do, %d are empty in these records\n", never, empty)
	if a.Large > 0 {
		fmt.Fprintf(b, "  %s more than %d values, of which a few that arrive may stand under never\n", count(a.Large, "record")+" had", maxSingly)
	}
	b.WriteByte('\n')
	a.table(b, formats, "REACHES THE SIEM", (*Path).Reached)
	a.list(b, "NEVER REACHES IT", func(p *Path) bool { return p.Values > 0 && !p.Reached() })
	a.list(b, "EMPTY HERE", func(p *Path) bool { return p.Values == 0 })
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (a *API) table(b *strings.Builder, formats []string, title string, want func(*Path) bool) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\n", title, strings.Join(formats, "\t"))
	for i := range a.Paths {
		p := &a.Paths[i]
		if !want(p) {
			continue
		}
		fmt.Fprint(w, p.Path)
		for _, r := range p.Reach {
			fmt.Fprintf(w, "\t%s", r.describe(p.Values))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

func (a *API) list(b *strings.Builder, title string, want func(*Path) bool) {
	first := true
	for i := range a.Paths {
		p := &a.Paths[i]
		if !want(p) {
			continue
		}
		if first {
			fmt.Fprintf(b, "\n%s\n", title)
			first = false
		}
		fmt.Fprint(b, p.Path)
		if p.Values > 1 {
			fmt.Fprintf(b, "  (%d values)", p.Values)
		}
		b.WriteByte('\n')
	}
}

// describe names the fields of a path in one cell: "dhost, shost (part); 1 of 3".
func (r *Reach) describe(values int) string {
	if r.Values == 0 {
		return "-"
	}
	var parts []string
	derived := 0
	for _, f := range r.Fields {
		switch {
		case f.As == AsValue:
			parts = append(parts, f.Name)
		case f.As != AsDerived:
			parts = append(parts, fmt.Sprintf("%s (%s)", f.Name, f.As))
		case derived < maxDerived:
			parts = append(parts, fmt.Sprintf("%s (%s)", f.Name, f.As))
			derived++
		default:
			derived++
		}
	}
	s := strings.Join(parts, ", ")
	if derived > maxDerived {
		s += fmt.Sprintf(" and %d more", derived-maxDerived)
	}
	if r.Values < values {
		s += fmt.Sprintf("; %d of %d", r.Values, values)
	}
	return s
}

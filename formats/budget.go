package formats

// MinBudget is the smallest size an event can be held to.
const MinBudget = 512

// leastText is what a text of priority A is cut to before such keys are dropped.
const leastText = 40

// Fit shortens the event until its pairs, the name of the header and the list of shortened keys take at most budget
// bytes: by the table's priorities from the bottom upwards, and no more than needed. In this order:
//
//  1. values of priority B and C that have a short form are cut, down to that at most;
//  2. keys of priority C are dropped, 3. keys of priority B;
//  4. values of priority A that have a short form are cut, 5. all other texts of priority A to 40 bytes;
//  6. keys of priority A are dropped, the list of shortened keys last.
//
// What a receiver must not misread is never cut: identifiers, hashes, addresses, numbers and links are dropped whole.
func (e *Event) Fit(budget int) {
	if e.over(budget) <= 0 {
		return
	}
	steps := [...]func(v *eventValue, a *attribute, over int){
		func(v *eventValue, a *attribute, over int) {
			if a.priority != 'A' && a.short > 0 {
				e.cut(v, a.short, over)
			}
		},
		func(v *eventValue, a *attribute, _ int) {
			if a.priority == 'C' {
				e.drop(v)
			}
		},
		func(v *eventValue, a *attribute, _ int) {
			if a.priority == 'B' {
				e.drop(v)
			}
		},
		func(v *eventValue, a *attribute, over int) {
			if a.short > 0 {
				e.cut(v, a.short, over)
			}
		},
		func(v *eventValue, a *attribute, over int) {
			if a.kind == ValueText && !a.whole && !a.hash {
				e.cut(v, leastText, over)
			}
		},
		func(v *eventValue, a *attribute, _ int) {
			if !a.header {
				e.drop(v)
			}
		},
	}
	for _, step := range steps {
		for i := len(e.values) - 1; i >= 0; i-- {
			v := &e.values[i]
			if v.size == 0 {
				continue
			}
			step(v, e.attributeOf(v), e.over(budget))
			if e.over(budget) <= 0 {
				return
			}
		}
	}
	e.listDropped = true
}

// extraAttribute stands for the pairs of Detection.Extra.
var extraAttribute = attribute{priority: 'B', kind: ValueText}

func (e *Event) attributeOf(v *eventValue) *attribute {
	if v.attr < 0 {
		return &extraAttribute
	}
	return &e.table.attrs[v.attr]
}

// over returns by how many bytes the event is too long.
func (e *Event) over(budget int) int { return e.total + e.listSize() - budget }

// cut shortens v by about over bytes, to no less than least. An array cannot be cut.
func (e *Event) cut(v *eventValue, least, over int) {
	had := v.to - v.from
	if had <= least || v.fragment {
		return
	}
	listed := e.listSize()
	e.noteValue(v)
	// The list of shortened keys may just have grown: that has to be made up for as well.
	want := max(least, had-over-(e.listSize()-listed))
	from := e.body
	if v.apart {
		from = e.arena
	}
	text := from[v.from:v.to]
	v.from, v.apart = len(e.arena), true
	e.arena = append(e.arena, text...)
	e.arena = e.arena[:v.from+len(cutText(e.arena[v.from:], want))]
	v.to = len(e.arena)
	if v.to == v.from { // not even the ellipsis has room
		e.drop(v)
		return
	}
	e.total -= v.size
	e.write(v, e.beforeOf(v), special)
}

func (e *Event) drop(v *eventValue) {
	e.total -= v.size
	v.size = 0
	e.noteValue(v)
}

func (e *Event) beforeOf(v *eventValue) string {
	if v.attr < 0 {
		return e.table.extra.before(e.table, e.keyOf(v))
	}
	return e.table.attrs[v.attr].before
}

func (e *Event) keyOf(v *eventValue) string {
	if v.attr < 0 {
		return e.extras[-1-v.attr]
	}
	return e.table.attrs[v.attr].key
}

func (e *Event) noteValue(v *eventValue) {
	if v.attr < 0 {
		e.noteExtra(e.keyOf(v))
		return
	}
	e.note(v.attr)
}

// note remembers that a key was cut or dropped.
func (e *Event) note(i int) {
	if !e.shortened.has(i) {
		e.shortened.add(i)
		e.listed += len(e.table.attrs[i].key) + e.table.layout.NameCost
	}
}

func (e *Event) unnote(i int) {
	e.shortened.remove(i)
	e.listed -= len(e.table.attrs[i].key) + e.table.layout.NameCost
}

func (e *Event) noteExtra(key string) {
	for _, k := range e.shortenedExtra {
		if k == key {
			return
		}
	}
	e.shortenedExtra = append(e.shortenedExtra, key)
	e.listed += len(key) + e.table.layout.NameCost
}

// listSize returns the bytes that the list of shortened keys takes, at most.
func (e *Event) listSize() int {
	i := e.table.shortenedIndex
	if i < 0 || e.listed == 0 || e.listDropped {
		return 0
	}
	a := &e.table.attrs[i]
	return len(a.before) + min(e.listed-1, a.max) // no comma stands before the first name
}

// shortenedKey returns what is written before the list of what was cut or dropped; ok is false when there is nothing to
// list.
func (e *Event) shortenedKey() (before string, ok bool) {
	if e.listSize() == 0 {
		return "", false
	}
	return e.table.attrs[e.table.shortenedIndex].before, true
}

// eachShortened calls f with the keys to list, in the order of the table, as long as they fit into the list's
// maximum; it ends with "..." when not all do.
func (e *Event) eachShortened(f func(key string)) {
	room := e.table.attrs[e.table.shortenedIndex].max - len(ellipsis) - e.table.layout.NameCost
	all := e.listed <= room
	visit := func(key string) bool {
		if room -= len(key) + e.table.layout.NameCost; room < 0 && !all {
			f(ellipsis)
			return false
		}
		f(key)
		return true
	}
	for i := range e.table.attrs {
		if e.shortened.has(i) && !visit(e.table.attrs[i].key) {
			return
		}
	}
	for _, key := range e.shortenedExtra {
		if !visit(key) {
			return
		}
	}
}

// Loss returns what was cut, dropped or of the wrong type. The lists are shared and must not be changed.
func (e *Event) Loss() Loss {
	l := Loss{Shortened: e.table.names.of(e.shortened), Mistyped: e.table.names.of(e.mistyped)}
	if len(e.shortenedExtra) > 0 {
		l.Shortened = append(append([]string(nil), l.Shortened...), e.shortenedExtra...)
	}
	return l
}

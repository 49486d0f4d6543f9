package formats

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// extraKeys remembers which keys of Detection.Extra may be written, with what is written before their values; "" for
// those that may not. There are as many as the configuration names, so each is looked at once and an event costs a
// look-up.
type extraKeys struct {
	known atomic.Pointer[map[string]string]
	grow  sync.Mutex
}

// maxExtraKeys bounds the memory of extraKeys; keys beyond it are looked at each time.
const maxExtraKeys = 256

// before returns what is written before the value of key, or "" when key must not be added to the events of t: it is
// no key of the format, or another spelling of one that the table fills.
func (k *extraKeys) before(t *Table, key string) (before string) {
	if known := k.known.Load(); known != nil {
		if before, found := (*known)[key]; found {
			return before
		}
	}
	ok := t.dict.checkKey(key, t.version) == nil && !t.objects[key]
	for i := range t.attrs {
		ok = ok && !(strings.EqualFold(t.attrs[i].key, key) && !t.attrs[i].header)
	}
	if slot, found := t.dict.Key(key); found && slot.LabelKey != "" {
		ok = false
	}
	if ok {
		before = t.layout.Before(key, "", "")
	}
	k.remember(key, before)
	return before
}

func (k *extraKeys) remember(key, before string) {
	k.grow.Lock()
	defer k.grow.Unlock()
	grown := map[string]string{}
	if old := k.known.Load(); old != nil {
		if len(*old) >= maxExtraKeys {
			return
		}
		for name, was := range *old {
			grown[name] = was
		}
	}
	grown[strings.Clone(key)] = before
	k.known.Store(&grown)
}

// addExtra adds a pair of the source's configuration. Keys and values were checked when it was read; what would do
// harm is left out here all the same.
func (e *Event) addExtra(p Pair) {
	before := e.table.extra.before(e.table, p.Key)
	if before == "" || e.hasExtra(p.Key) {
		return
	}
	start := len(e.arena)
	longest := defaultMax
	k, known := e.table.dict.Key(p.Key)
	if known && k.Max > 0 {
		longest = k.Max
	}
	if known && k.Type != ValueText {
		var how fit
		if e.arena, how = appendTyped(e.arena, k.Type, p.Value); how != fits {
			e.arena = e.arena[:start]
			return
		}
	} else {
		e.arena = AppendClean(e.arena, p.Value, e.table.layout.Clean, longest)
		e.guard(start)
	}
	if len(e.arena)-start > longest {
		e.arena = e.arena[:start+len(cutText(e.arena[start:], longest))]
		e.noteExtra(p.Key)
	}
	if len(e.arena) > start {
		e.extras = append(e.extras, p.Key)
		e.add(-len(e.extras), before, start, false, special)
	}
}

// hasExtra reports whether the event already has a pair of that key; readers differ in which of two they keep.
func (e *Event) hasExtra(key string) bool {
	return slices.ContainsFunc(e.extras, func(one string) bool { return strings.EqualFold(one, key) })
}

package formats

import (
	"strings"
	"sync"
	"sync/atomic"
)

// extraKeys remembers which keys of Detection.Extra may be written. There are as many as the configuration names,
// so each is looked at once and an event costs a look-up.
type extraKeys struct {
	known atomic.Pointer[map[string]bool]
	grow  sync.Mutex
}

// maxExtraKeys bounds the memory of extraKeys; keys beyond it are looked at each time.
const maxExtraKeys = 256

// allowed reports whether key may be added to the events of t: it is a key of the format, and no other spelling of
// one that the table fills.
func (k *extraKeys) allowed(t *Table, key string) bool {
	known := k.known.Load()
	if known != nil {
		if ok, found := (*known)[key]; found {
			return ok
		}
	}
	ok := t.dict.checkKey(key, t.version) == nil && !t.objects[key]
	for i := range t.attrs {
		ok = ok && !(strings.EqualFold(t.attrs[i].key, key) && !t.attrs[i].header)
	}
	if slot, found := t.dict.Key(key); found && slot.LabelKey != "" {
		ok = false
	}
	k.remember(key, ok)
	return ok
}

func (k *extraKeys) remember(key string, ok bool) {
	k.grow.Lock()
	defer k.grow.Unlock()
	grown := map[string]bool{}
	if old := k.known.Load(); old != nil {
		if len(*old) >= maxExtraKeys {
			return
		}
		for name, was := range *old {
			grown[name] = was
		}
	}
	grown[strings.Clone(key)] = ok
	k.known.Store(&grown)
}

// addExtra adds a pair of the source's configuration. Keys and values were checked when it was read; what would do
// harm is left out here all the same.
func (e *Event) addExtra(p Pair) {
	if !e.table.extra.allowed(e.table, p.Key) || e.hasExtra(p.Key) {
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
		if e.table.guarded != nil {
			e.arena = e.table.guard(e.arena, start, start)
		}
	}
	if len(e.arena)-start > longest {
		e.arena = e.arena[:start+len(cutText(e.arena[start:], longest))]
		e.noteExtra(p.Key)
	}
	if len(e.arena) > start {
		e.add(eventValue{attr: -1, extra: p.Key, start: start, end: len(e.arena)})
	}
}

// hasExtra reports whether the event already has a pair of that key; readers differ in which of two they keep.
func (e *Event) hasExtra(key string) bool {
	for i := len(e.values) - 1; i >= 0 && e.values[i].attr < 0; i-- {
		if strings.EqualFold(e.values[i].extra, key) {
			return true
		}
	}
	return false
}

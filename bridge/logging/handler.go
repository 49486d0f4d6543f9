package logging

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxKept is how many warnings and errors are kept for a bug report.
const maxKept = 100

// Handler passes a log on. A warning or error with the attribute "error" that comes again is counted and written once in
// Every, with the attribute "repeated"; errors that differ by numbers only are the same. It needs no timer: what is due
// is written before the next line, whatever that is.
type Handler struct {
	next    slog.Handler
	log     *shared
	context []slog.Attr // of With
}

// shared is what the handlers of one log have together.
type shared struct {
	now func() time.Time

	mu     sync.Mutex
	folder folder[entry]
	kept   []Line
}

// entry is a line that was not written.
type entry struct {
	handler slog.Handler
	record  slog.Record
}

// Line is a warning or error that was logged.
type Line struct {
	Time    time.Time         `json:"time"`            // when it was logged
	Level   string            `json:"level"`           // WARN or ERROR
	Message string            `json:"message"`         // without the attributes
	Attrs   map[string]string `json:"attrs,omitempty"` // by key, groups joined by dots
}

// NewHandler returns a handler before next. now is the clock.
func NewHandler(next slog.Handler, now func() time.Time) *Handler {
	return &Handler{next: next, log: &shared{now: now, folder: folder[entry]{seen: map[string]*repeats[entry]{}}}}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.next.WithAttrs(attrs), h.log, append(slices.Clone(h.context), attrs...)}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.log, h.context}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	now := h.log.now()
	h.log.mu.Lock()
	due := h.log.folder.due(now)
	write := true
	if r.Level >= slog.LevelWarn {
		key, folds := h.keep(&r)
		write = !folds || h.log.folder.decide(key, entry{h.next, r.Clone()}, now)
	}
	h.log.mu.Unlock()
	for _, x := range due {
		again := x.last.record
		again.AddAttrs(slog.Int("repeated", x.folded))
		if err := x.last.handler.Handle(ctx, again); err != nil {
			return err
		}
	}
	if !write {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// keep keeps a line, and returns what makes it the same as others, if it is an error.
func (h *Handler) keep(r *slog.Record) (key string, folds bool) {
	line := Line{Time: r.Time, Level: r.Level.String(), Message: r.Message, Attrs: map[string]string{}}
	text := strings.Builder{}
	text.WriteString(line.Level + "\x00" + r.Message)
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		line.Attrs[a.Key] = value
		if a.Key == "error" {
			value, folds = alike(value), true
		}
		text.WriteString("\x00" + a.Key + "\x00" + value)
		return true
	}
	for _, a := range h.context {
		add(a)
	}
	r.Attrs(add)
	h.log.kept = append(h.log.kept, line)
	h.log.kept = h.log.kept[max(0, len(h.log.kept)-maxKept):]
	return text.String(), folds
}

// Last returns the last warnings and errors, at most 100, oldest first.
func (h *Handler) Last() []Line {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	return slices.Clone(h.log.kept)
}

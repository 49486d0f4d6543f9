package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/siembridge/siembridge/bridge/buffer"
	"github.com/siembridge/siembridge/formats/defender"
)

// errRewritten: what is read is not what the position belongs to.
var errRewritten = errors.New("the file was written anew")

// reading reads the text of a file from the position of its batch on.
type reading struct {
	b        *fileBatch
	in       *bufio.Reader // stands at the position
	end      atomic.Int64  // of what was read of the text so far
	complete bool          // nothing will be appended to the last line any more
	settled  bool          // nor to what is cut short
	once     bool          // it cannot be read again
	waits    bool          // more is to come, and what is cut short is read then
	api      defender.API  // of the last line; most files have records of one
	skipped  int           // lines behind a damaged document that are no records
}

// newReading begins to read a text, which stands at the position of b.
func newReading(b *fileBatch, in io.Reader, complete, settled bool) *reading {
	r := &reading{b: b, complete: complete, settled: settled}
	r.end.Store(b.at.At)
	r.in = bufio.NewReaderSize(&countingReader{b.ctx, in, &r.end}, 1<<20)
	return r
}

// run reads to the end.
func (r *reading) run() error {
	switch r.b.at.Part {
	case partDocument:
		return r.document(true)
	case partLine:
		if err := r.line(nil); err != nil || r.waits {
			return err
		}
	}
	return r.lines()
}

// lines reads one record a line. A first line that is only the beginning of a JSON text begins a document, which is all
// the rest.
func (r *reading) lines() error {
	at := &r.b.at
	first := at.At == 0
	if mark, err := r.in.Peek(3); first && err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = r.in.Discard(3)
		at.At = 3
	}
	for {
		line, err := readLine(r.in, r.b.f.longest)
		text := bytes.TrimSpace(line)
		opens := len(text) > 0 && (text[0] == '{' || text[0] == '[')
		ended := errors.Is(err, io.EOF)
		long := errors.Is(err, errLongLine)
		if err != nil && !ended && !long {
			if r.waits = errors.Is(err, io.ErrUnexpectedEOF) && !r.settled; !r.waits {
				return err
			}
			if first {
				at.At = 0
			}
			return nil
		}
		switch {
		case first && opens && !ended && (long || beginsJSON(line)):
			r.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(line), r.in), 1<<20)
			at.Part = partDocument
			return r.document(false)
		case long:
			err = r.line(line)
		case at.Part == partSalvage:
			err = r.salvage(text, ended)
		default:
			err = r.text(text, ended)
		}
		if r.waits && first {
			at.At = 0 // what comes may begin a document
		}
		if err != nil || r.waits {
			return err
		}
		if !long {
			at.At += int64(len(line))
		}
		if first = first && len(text) == 0; ended {
			break
		}
	}
	if first {
		at.At = 0
	}
	if r.skipped > 0 {
		r.b.f.log.Error("lines behind a damaged document are no records and were passed over", "file", r.b.path, "lines", r.skipped)
	}
	return nil
}

// text deals with one line. What is no JSON becomes a record all the same.
func (r *reading) text(text []byte, ended bool) error {
	if len(text) == 0 {
		return nil
	}
	api, id, record := defender.Recognize(r.api, text) // false for what is no JSON
	switch r.api = api; {
	case record && api != defender.Incidents: // these have alerts to split off
		return r.b.take(defender.Found{API: api, Identity: id, Record: text})
	case ended && !r.complete && text[0] != '{' && text[0] != '[':
		r.waits = true
		return nil
	case record, jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)):
		start, found := r.b.at, 0
		_, _, err := defender.SplitFrom(defender.Unknown, bytes.NewReader(text), defender.Place{Offset: start.At}, func(f defender.Found) error {
			found++
			return r.found(f, partLine)
		})
		var stored *storeError
		if r.b.at = start; err == nil || errors.As(err, &stored) || found > 0 {
			return err
		}
	case ended && !r.complete:
		r.waits = true
		return nil
	}
	id, _ = defender.Identify(defender.Unknown, text) // what cannot be read is delivered in a minimal form
	return r.b.take(defender.Found{API: defender.Unknown, Identity: id, Record: text})
}

// salvage takes a line behind a damaged document if it is a record, with or without the comma of a list.
func (r *reading) salvage(text []byte, ended bool) error {
	text = bytes.TrimSuffix(text, []byte(","))
	switch _, _, record := defender.Detect(text); {
	case record:
		return r.text(text, false)
	case len(text) > 0 && ended && !r.complete:
		r.waits = true
	case len(text) > 0:
		r.skipped++
	}
	return nil
}

// found takes a record of a document and moves the position behind it.
func (r *reading) found(f defender.Found, part string) error {
	var err error
	if f.Record == nil {
		err = r.b.setAside(f.Offset, fmt.Sprintf("a record of %d bytes is larger than %d MiB", f.Length, buffer.MaxRecord>>20), f.Head)
	} else {
		if f.API == defender.Unknown {
			if _, legacy, _ := defender.Detect(f.Record); legacy {
				r.b.f.log.Warn("a record is of Graph's first alerts API, whose fields are not mapped; use alerts_v2")
			}
		}
		err = r.b.take(f)
	}
	if err == nil {
		r.b.at.At, r.b.at.Within, r.b.at.Part = f.Behind.Offset, f.Behind.Within, part
	}
	return err
}

// line reads a line that is too long for one record, or what is left of a line: a document of several records, or one
// that is set aside. begun is what was read of it already.
func (r *reading) line(begun []byte) error {
	start := r.b.at
	rest := &lineReader{in: r.in, ended: bytes.HasSuffix(begun, []byte("\n"))}
	_, _, err := defender.SplitFrom(defender.Unknown, io.MultiReader(bytes.NewReader(begun), rest), defender.Place{Offset: start.At, Within: start.Within},
		func(f defender.Found) error { return r.found(f, partLine) })
	var stored *storeError
	if errors.As(err, &stored) {
		return err
	}
	if _, err := io.Copy(io.Discard, rest); err != nil {
		return err
	}
	if err != nil && !rest.ended && !r.complete { // it is being written
		r.waits = true
		return nil
	}
	length := int64(len(begun)) + rest.n
	if err != nil {
		what := fmt.Sprintf("a line of %d bytes is longer than %d MiB and no list of records (%v)", length, buffer.MaxRecord>>20, err)
		if err := r.b.setAside(start.At, what, begun); err != nil {
			return err
		}
	}
	r.b.at.At, r.b.at.Within, r.b.at.Part = start.At+length, "", start.Part
	if start.Part == partLine {
		r.b.at.Part = partLines
	}
	return nil
}

// document reads all the rest as JSON values. Behind what cannot be read, lines are looked for that are records.
func (r *reading) document(resumed bool) error {
	at := &r.b.at
	from := defender.Place{Offset: at.At, Within: at.Within}
	found := 0
	_, unread, err := defender.SplitFrom(defender.Unknown, r.in, from, func(f defender.Found) error {
		found++
		return r.found(f, partDocument)
	})
	var stored *storeError
	var api *defender.APIError
	switch {
	case err == nil:
		at.At, at.Within = r.end.Load(), ""
		return nil
	case errors.As(err, &stored), r.b.ctx.Err() != nil:
		return err
	case errors.Is(err, defender.ErrTruncated) && !r.once:
		if r.waits = !r.settled; r.waits {
			return nil // it is being written
		}
		return fmt.Errorf("it ends in the middle of a document, behind byte %d: what was read is stored, and reading goes on when more is appended", at.At)
	case errors.Is(err, defender.ErrNotPage) && resumed && from.Within == "" && found == 0 && !r.once:
		return errRewritten
	case !errors.Is(err, defender.ErrTruncated) && !errors.Is(err, defender.ErrNotPage) && !errors.As(err, &api):
		return err
	}
	r.in = bufio.NewReaderSize(unread.Rest, 1<<20)
	head, _ := r.in.Peek(headLength)
	what := "the JSON text cannot be read on (" + oneLine(err.Error(), 300) + "); behind it, lines are taken that are records"
	if err := r.b.setAside(unread.Offset, what, head); err != nil {
		return err
	}
	at.At, at.Within, at.Part = unread.Offset, "", partSalvage
	return r.lines()
}

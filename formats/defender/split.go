package defender

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxRecord is the largest record in bytes that Split hands out.
const MaxRecord = 32 << 20

// Page is what Split has read of a page besides its records.
type Page struct {
	Records  int    // rows of the page: an incident with its alerts is one
	NextLink string // @odata.nextLink; "" when there is none
	TooLarge int    // records over MaxRecord, which were passed over
}

// What is wrong with a page.
var (
	ErrTruncated = errors.New("the answer ends in the middle")
	ErrNotPage   = errors.New("the answer is not a page of records")
)

// APIError is an error in the body of an answer: {"error":{"code","message"}}, also inside of value.
type APIError struct{ Code, Message string }

// Error returns code and message.
func (e *APIError) Error() string { return e.Code + ": " + e.Message }

// Split reads a page and calls yield for each record in the page's order: the page is an object with a list "value", a
// list, a single record, or several JSON values one after the other. record is fresh memory that yield may keep. An
// error of yield ends the reading and is returned. No more than one record is held in memory, at most a few times over:
// one that is larger than MaxRecord is passed over as it streams by.
//
// An incident of Defender XDR is split: its alerts become records of their own, behind the incident without them.
func Split(api API, r io.Reader, yield func(record []byte) error) (Page, error) {
	s := &splitter{api: api, found: func(f Found) error {
		if f.Record == nil {
			return nil
		}
		return yield(f.Record)
	}}
	err := s.read(r, Place{})
	return s.page, err
}

type splitter struct {
	api   API
	text  source
	in    *meter
	dec   *jsontext.Decoder
	base  int64 // bytes of the text that the decoder did not see, less those of the opening that it saw instead
	place Place // behind the last value that was dealt with

	passed []byte // the beginning of the last value that value passed over
	found  func(Found) error
	page   Page

	scanner *scanner // identifies records; nil: nobody wants to know
	last    API      // of Unknown's last record: the next one is probably of the same
}

// yieldError carries an error of yield past the reading.
type yieldError struct{ error }

// read reads a text that begins at a place.
func (s *splitter) read(r io.Reader, from Place) error {
	s.place, s.base = from, from.Offset
	s.text = source{r: r}
	b := bufio.NewReaderSize(&s.text, readAhead)
	if mark, err := b.Peek(3); from == (Place{}) && err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3)
		s.base = 3
	}
	err := s.openAt(from.Within, true, b)
	switch {
	case err != nil:
	case from.Within == WithinList:
		err = s.elements(WithinList)
	case from.Within == WithinPage:
		if err = s.elements(WithinPage); err == nil {
			err = s.members(true)
		}
	}
	if err == nil {
		err = s.document(from == (Place{}))
	}
	return s.wrap(err)
}

// document reads JSON values; there must be a first.
func (s *splitter) document(first bool) error {
	for ; ; first = false {
		switch s.dec.PeekKind() {
		case '[':
			if _, err := s.dec.ReadToken(); err != nil {
				return err
			}
			if err := s.elements(WithinList); err != nil {
				return err
			}
		case '{':
			if _, err := s.dec.ReadToken(); err != nil {
				return err
			}
			if err := s.members(false); err != nil {
				return err
			}
		default:
			_, err := s.dec.ReadToken()
			switch {
			case err == io.EOF && !first:
				return nil
			case err == nil:
				return fmt.Errorf("%w: neither an object nor a list", ErrNotPage)
			}
			return err
		}
	}
}

// wrap tells what an error means for the page.
func (s *splitter) wrap(err error) error {
	var y yieldError
	var api *APIError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &y):
		return y.error
	case errors.As(err, &api):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case s.text.failed != nil && err != nil:
		return s.text.failed
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: %v", ErrNotPage, err)
	}
	return err
}

// elements reads what is left of a list of records, to its end.
func (s *splitter) elements(within string) error {
	if err := s.scan(within); err != nil {
		return err
	}
	for s.dec.PeekKind() != ']' {
		at := s.offset()
		v, err := s.value(within)
		if err != nil {
			return err
		}
		behind := Place{s.offset(), within}
		if v == nil {
			err = s.tooLarge(at, behind, s.passed)
		} else {
			err = s.record(Found{Record: v, Behind: behind})
		}
		if err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

// members reads what is left of an object: a page, or a single record when there is no list "value" in it.
func (s *splitter) members(isPage bool) error {
	begin := s.offset() - 1
	var kept bytes.Buffer // the members in case this is a record
	kept.WriteByte('{')
	tooLarge := false
	for s.dec.PeekKind() != '}' {
		token, err := s.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if name == "value" && s.dec.PeekKind() == '[' {
			isPage = true
			if _, err := s.dec.ReadToken(); err != nil {
				return err
			}
			if err := s.elements(WithinPage); err != nil {
				return err
			}
			continue
		}
		v, err := s.value(withinObject)
		if err != nil {
			return err
		}
		switch {
		case name == "@odata.nextLink":
			var link text
			if unmarshal(v, &link) == nil {
				s.page.NextLink = string(link)
			}
		case name == "error" && v.Kind() == '{' && kept.Len() == 1:
			return apiError(v)
		}
		if tooLarge = tooLarge || v == nil || kept.Len()+len(v) > MaxRecord; !isPage && !tooLarge {
			if kept.Len() > 1 {
				kept.WriteByte(',')
			}
			quoted, _ := jsontext.AppendQuote(nil, name)
			kept.Write(quoted)
			kept.WriteByte(':')
			kept.Write(v)
		}
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	behind := Place{Offset: s.offset()}
	switch {
	case isPage:
		s.place = behind
		return nil
	case tooLarge:
		return s.tooLarge(begin, behind, kept.Bytes())
	}
	kept.WriteByte('}')
	return s.record(Found{Record: kept.Bytes(), Behind: behind})
}

func apiError(v []byte) error {
	var e struct {
		Code    text `json:"code"`
		Message text `json:"message"`
	}
	_ = unmarshal(v, &e)
	return &APIError{Code: string(e.Code), Message: string(e.Message)}
}

// isError reports whether the first member of an object is "error", however it is spaced: no record begins so.
func isError(v []byte) bool {
	rest, ok := bytes.CutPrefix(v, []byte("{"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"error"`))
}

// record hands a copy of one record out. It has an API when it has been identified.
func (s *splitter) record(f Found) error {
	v := jsontext.Value(f.Record)
	if len(v) > MaxRecord {
		return s.tooLarge(f.Behind.Offset-int64(len(v)), f.Behind, v)
	}
	s.page.Records++
	if isError(v) {
		var e struct {
			Error jsontext.Value `json:"error"`
		}
		if unmarshal(v, &e) == nil && e.Error.Kind() == '{' {
			return apiError(e.Error)
		}
	}
	if f.API == "" && (s.api == Incidents || s.api == Unknown && isIncident(v)) {
		return s.incident(v, f.Behind)
	}
	f.Record = bytes.Clone(v)
	return s.hand(f)
}

// tooLarge hands out that a value was passed over, of which head is the beginning.
func (s *splitter) tooLarge(at int64, behind Place, head []byte) error {
	s.page.Records++
	s.page.TooLarge++
	return s.hand(Found{Behind: behind, Offset: at, Length: behind.Offset - at, Head: bytes.Clone(head[:min(len(head), maxHead)])})
}

// isIncident reports whether a record of unknown kind is an incident of Defender XDR with its alerts.
func isIncident(v []byte) bool {
	api, _, ok := Detect(v)
	return ok && api == Incidents
}

// hand hands out what was found, identified.
func (s *splitter) hand(f Found) error {
	if s.scanner != nil && f.Record != nil && f.API == "" {
		if f.API = s.api; f.API == Unknown {
			f.API, _, _ = Detect(f.Record)
			s.last = f.API
		}
		f.Identity, _ = Identify(f.API, f.Record)
	}
	if err := s.found(f); err != nil {
		return yieldError{err}
	}
	s.place = f.Behind
	return nil
}

// incident hands out an incident without its alerts, then the alerts; what was handed out before the last of them is
// handed out again by who goes on in between. An alert that says nothing of its incident gets the incident's id.
func (s *splitter) incident(v jsontext.Value, behind Place) error {
	var parts struct {
		ID     jsontext.Value `json:"incidentId"`
		Alerts values         `json:"alerts"`
	}
	if err := unmarshal(v, &parts); err != nil || parts.Alerts == nil {
		return s.hand(Found{Record: bytes.Clone(v), Behind: behind})
	}
	bare, err := withoutMember(v, "alerts")
	if err != nil {
		return err
	}
	all, before := append([]jsontext.Value{bare}, parts.Alerts...), s.place
	for i, record := range all {
		if i > 0 && record.Kind() == '{' && bytes.IndexByte(record, '"') > 0 && parts.ID != nil && !bytes.Contains(record, []byte(`"incidentId"`)) {
			record = append(append([]byte(`{"incidentId":`+string(parts.ID)+`,`), record[1:]...), ""...)
		}
		at := before
		if i == len(all)-1 {
			at = behind
		}
		if err := s.hand(Found{Record: record, Behind: at}); err != nil {
			return err
		}
	}
	return nil
}

// withoutMember copies an object without one of its members.
func withoutMember(v []byte, name string) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(v), tolerant)
	out := []byte{'{'}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		member := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if member == name {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if out, err = jsontext.AppendQuote(out, member); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), value...)
	}
	return append(out, '}'), nil
}

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
	s := &splitter{api: api, yield: yield}
	b := bufio.NewReaderSize(r, 64<<10)
	if mark, err := b.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3)
	}
	s.open("", b)
	err := s.document()
	return s.page, err
}

type splitter struct {
	api   API
	in    *meter
	dec   *jsontext.Decoder
	yield func([]byte) error
	page  Page
}

// yieldError carries an error of yield past the reading.
type yieldError struct{ error }

func (s *splitter) document() error {
	for first := true; ; first = false {
		switch s.dec.PeekKind() {
		case '[':
			if err := s.array(`[0`); err != nil {
				return s.wrap(err)
			}
		case '{':
			if err := s.object(); err != nil {
				return s.wrap(err)
			}
		default:
			_, err := s.dec.ReadToken()
			switch {
			case err == io.EOF && !first:
				return nil
			case err == nil:
				return fmt.Errorf("%w: neither an object nor a list", ErrNotPage)
			}
			return s.wrap(err)
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
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: %v", ErrNotPage, err)
	}
	return err
}

// array reads a list of records. opening is what value needs.
func (s *splitter) array(opening string) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for s.dec.PeekKind() != ']' {
		v, err := s.value(opening)
		if err != nil {
			return err
		}
		if v == nil {
			s.page.Records++
			s.page.TooLarge++
			continue
		}
		if err := s.record(v); err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

// object reads a page, or a single record when there is no list "value" in it.
func (s *splitter) object() error {
	var kept bytes.Buffer // the members in case this is a record
	kept.WriteByte('{')
	isPage, tooLarge := false, false
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for s.dec.PeekKind() != '}' {
		token, err := s.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if name == "value" && s.dec.PeekKind() == '[' {
			isPage = true
			if err := s.array(`{"value":[0`); err != nil {
				return err
			}
			continue
		}
		v, err := s.value(`{"":0`)
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
	switch {
	case isPage:
		return nil
	case tooLarge:
		s.page.Records++
		s.page.TooLarge++
		return nil
	}
	kept.WriteByte('}')
	return s.record(kept.Bytes())
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

// record hands one record out.
func (s *splitter) record(v jsontext.Value) error {
	s.page.Records++
	if len(v) > MaxRecord {
		s.page.TooLarge++
		return nil
	}
	if isError(v) {
		var e struct {
			Error jsontext.Value `json:"error"`
		}
		if unmarshal(v, &e) == nil && e.Error.Kind() == '{' {
			return apiError(e.Error)
		}
	}
	if s.api == Incidents || s.api == Unknown && isIncident(v) {
		return s.incident(v)
	}
	return s.emit(bytes.Clone(v))
}

// isIncident reports whether a record of unknown kind is an incident of Defender XDR with its alerts.
func isIncident(v []byte) bool {
	api, _, ok := Detect(v)
	return ok && api == Incidents
}

func (s *splitter) emit(record []byte) error {
	if err := s.yield(record); err != nil {
		return yieldError{err}
	}
	return nil
}

// incident hands out an incident without its alerts, then the alerts. An alert that says nothing of its incident gets
// the incident's id.
func (s *splitter) incident(v jsontext.Value) error {
	var parts struct {
		ID     jsontext.Value `json:"incidentId"`
		Alerts values         `json:"alerts"`
	}
	if err := unmarshal(v, &parts); err != nil || parts.Alerts == nil {
		return s.emit(bytes.Clone(v))
	}
	bare, err := withoutMember(v, "alerts")
	if err != nil {
		return err
	}
	if err := s.emit(bare); err != nil {
		return err
	}
	for _, alert := range parts.Alerts {
		if alert.Kind() == '{' && bytes.IndexByte(alert, '"') > 0 && parts.ID != nil && !bytes.Contains(alert, []byte(`"incidentId"`)) {
			alert = append(append([]byte(`{"incidentId":`+string(parts.ID)+`,`), alert[1:]...), ""...)
		}
		if err := s.emit(alert); err != nil {
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

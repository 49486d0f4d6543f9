package defender

import (
	"bytes"
	"io"
	"sync"
)

// window is what has been read of a text and not yet been dealt with.
type window struct {
	r     io.Reader
	b     []byte
	begin int64 // of b in the text
	ended error // of r
}

// maxWindow is the largest record in bytes that is read through a window.
const maxWindow = 1 << 20

var windows = sync.Pool{New: func() any { return new(make([]byte, 0, 2*readAhead)) }}

// more drops what is before i and reads on. ok is false when there is nothing more, or when what is left is as large as
// a window may be.
func (w *window) more(i int) (ok bool) {
	w.b, w.begin = append(w.b[:0], w.b[i:]...), w.begin+int64(i)
	enough := len(w.b) + 1
	if len(w.b) >= readAhead { // a large record is not looked at again for each bit of it
		enough = 2 * len(w.b)
	}
	if enough > maxWindow {
		return false
	}
	for len(w.b) < enough && w.ended == nil {
		if len(w.b) == cap(w.b) {
			w.b = append(make([]byte, 0, 2*cap(w.b)), w.b...)
		}
		var n int
		n, w.ended = w.r.Read(w.b[len(w.b):cap(w.b)])
		w.b = w.b[:len(w.b)+n]
	}
	return len(w.b) >= enough
}

// Read implements io.Reader for what is behind the window.
func (w *window) Read(p []byte) (int, error) {
	if w.ended != nil {
		return 0, w.ended
	}
	return w.r.Read(p)
}

// scan hands out the elements of a list without the JSON library, as long as they are objects that the scanner accepts
// and as large as a window at most. The library goes on behind them.
func (s *splitter) scan(within string) error {
	memory := windows.Get().(*[]byte)
	w := &window{r: s.in.r, b: append((*memory)[:0], s.dec.UnreadBuffer()...), begin: s.offset()}
	_, before := s.dec.StackIndex(s.dec.StackDepth())
	i, err := 0, error(nil)
	for err == nil {
		begin := blank(w.b, i)
		if before > 0 && at(w.b, begin) == ',' {
			begin = blank(w.b, begin+1)
		} else if before > 0 && begin < len(w.b) {
			break
		}
		f, length := Found{}, refused
		if at(w.b, begin) == '{' {
			f, length = s.next(w.b[begin:])
		}
		if length < 0 {
			if begin < len(w.b) && w.b[begin] != '{' {
				break
			}
			more := w.more(i)
			if i = 0; !more {
				break
			}
			continue
		}
		i, before = begin+length, before+1
		f.Record, f.Behind = w.b[begin:i], Place{w.begin + int64(i), within}
		err = s.record(f)
	}
	rest := io.MultiReader(bytes.NewReader(bytes.Clone(w.b[i:])), w)
	s.base = w.begin + int64(i)
	*memory, w.b = w.b, nil
	windows.Put(memory)
	if failed := s.openAt(within, before > 0, rest); err == nil {
		err = failed
	}
	return err
}

// next returns the length of the object that a text begins with, or refused. It is identified on the way if that is
// wanted, and what it is can be told beforehand.
func (s *splitter) next(text []byte) (f Found, length int) {
	probably := s.api
	if probably == Unknown {
		probably = s.last
	}
	if s.scanner == nil || probably == Incidents || kindOf(probably) == nil {
		return f, skip(text, 0, 0)
	}
	id, length := s.scanner.identifyNext(probably, text)
	if s.api == Unknown {
		if api, _, ok := s.scanner.signs.api(); !ok || api != probably {
			return f, length
		}
	}
	return Found{API: probably, Identity: id}, length
}

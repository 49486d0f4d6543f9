package bridge

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
)

// serve gives a request to a handler without a network. A handler that aborts cuts the connection, in the body or
// before it.
func serve(h http.Handler, r *http.Request) (response *http.Response, err error) {
	answer := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			if answer.Body.Len() == 0 {
				response, err = nil, syscall.ECONNRESET
				return
			}
			response = answer.Result()
			length, _ := strconv.Atoi(response.Header.Get("Content-Length"))
			response.ContentLength = int64(length)
			response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(answer.Body.Bytes()), cut{}))
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI()
	h.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// cut is the end of a body that was cut short.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

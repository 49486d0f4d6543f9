package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/siembridge/siembridge/bridge/admin"
	"github.com/siembridge/siembridge/bridge/logging"
)

// maxAnswer bounds an answer in bytes.
const maxAnswer = 256 << 20

// Client speaks to the siembridge that runs on a state directory. Its errors are ErrNotRunning where none does, and a
// *Refusal where it says no.
type Client struct {
	http http.Client
	path string
}

// NewClient returns the client of a state directory.
func NewClient(stateDir string) (*Client, error) {
	path, err := socketPath(stateDir)
	if err != nil {
		return nil, err
	}
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	return c, nil
}

// Status returns the daemon's.
func (c *Client) Status(ctx context.Context) (s admin.Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// Reload makes the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) (changes Changes, err error) {
	return changes, c.do(ctx, http.MethodPost, "/reload", struct{}{}, &changes)
}

// Reconcile holds what the APIs have of a period against what was confirmed. It takes as long as reading the period.
func (c *Client) Reconcile(ctx context.Context, p Period) (r Report, err error) {
	return r, c.do(ctx, http.MethodPost, "/reconcile", p, &r)
}

// Replay sends the retained records of a period to a destination again. It returns when these are counted; they are
// sent after that.
func (c *Client) Replay(ctx context.Context, r ReplayRequest) (answer Replay, err error) {
	return answer, c.do(ctx, http.MethodPost, "/replay", r, &answer)
}

// Quarantined lists what was set aside.
func (c *Client) Quarantined(ctx context.Context) (q Quarantine, err error) {
	return q, c.do(ctx, http.MethodPost, "/quarantine/list", struct{}{}, &q)
}

// QuarantinedRecord returns one record that was set aside.
func (c *Client) QuarantinedRecord(ctx context.Context, id uint64) (r QuarantinedRecord, err error) {
	return r, c.do(ctx, http.MethodPost, "/quarantine/show", byID{id}, &r)
}

// Retry has records in quarantine sent again.
func (c *Client) Retry(ctx context.Context, r RetryRequest) (all Retries, err error) {
	return all, c.do(ctx, http.MethodPost, "/quarantine/retry", r, &all)
}

// Log returns the last warnings and errors of the daemon, oldest first.
func (c *Client) Log(ctx context.Context) (lines []logging.Line, err error) {
	return lines, c.do(ctx, http.MethodGet, "/log", nil, &lines)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://siembridge"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; run it as the user that siembridge runs as, or as root", c.path)
	case err != nil:
		return fmt.Errorf("the control socket %s: %w", c.path, err)
	}
	defer resp.Body.Close()
	decoder := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode == http.StatusUnprocessableEntity {
		var refusal Refusal
		if err := decoder.Decode(&refusal); err != nil {
			return err
		}
		return &refusal
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the siembridge that runs does not know %s: it is of another version; restart it", path)
	}
	return decoder.Decode(out)
}

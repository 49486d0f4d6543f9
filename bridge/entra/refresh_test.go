package entra

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rotating honours a refresh token until a successor of it has been used, as strictly as an endpoint may be.
type rotating struct {
	parent map[string]string // of each token that was given out
	ended  map[string]bool
	next   int
	last   string // the token that was used last
}

func newRotating(seed string) *rotating {
	return &rotating{parent: map[string]string{seed: ""}, ended: map[string]bool{}}
}

func (r *rotating) accept(form url.Values) (int, map[string]any) {
	used := form.Get("refresh_token")
	parent, known := r.parent[used]
	switch {
	case form.Get("grant_type") != "refresh_token":
		return 70003, nil
	case form.Get("client_secret") != testSecret:
		return 7000215, nil
	case !known || r.ended[used]:
		return 700082, nil
	}
	for ; parent != ""; parent = r.parent[parent] {
		r.ended[parent] = true
	}
	r.next++
	r.last = used
	successor := fmt.Sprintf("refresh-%d", r.next)
	r.parent[successor] = used
	return 0, map[string]any{"refresh_token": successor}
}

// chainIn is a new process's view of the chain in a directory.
func chainIn(dir string, e *endpoint) *RefreshToken {
	return &RefreshToken{App: e.app(), Secret: secretIs(testSecret), SeedFile: filepath.Join(dir, "seed"), File: ChainFile(dir, "contoso")}
}

func newChain(t *testing.T) (string, *endpoint, *rotating) {
	dir, e, r := t.TempDir(), newEndpoint(t, true), newRotating("seed-1")
	e.accept = r.accept
	put(t, filepath.Join(dir, "seed"), "seed-1\n")
	return dir, e, r
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestChainRotates uses the chain across processes: each use takes the newest token, which is on disk before the
// access token that came with it is given to anybody.
func TestChainRotates(t *testing.T) {
	dir, e, r := newChain(t)
	for i := range 5 {
		token, err := chainIn(dir, e).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if token.RefreshToken != "" {
			t.Error("the refresh token left its package")
		}
		stored, err := readChain(ChainFile(dir, "contoso"))
		if err != nil || stored.Current != fmt.Sprintf("refresh-%d", i+1) || stored.Previous != r.last {
			t.Fatalf("stored %+v, %v", stored, err)
		}
	}
	if r.last != "refresh-4" {
		t.Errorf("the last use was of %s", r.last)
	}
	if info, err := os.Stat(ChainFile(dir, "contoso")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// steps are all points between the request and the access token's return.
var steps = []string{"request", "answered", "written", "synced", "renamed", "stored"}

type killed struct{}

// run asks for a token once; at the given step the process is killed, or the step reports a fault that may have
// happened after its work was done. It returns whether there was a token.
func run(t *testing.T, g *RefreshToken, at string, kill bool) (ok bool) {
	t.Helper()
	g.step = func(s string) error {
		switch {
		case s != at:
			return nil
		case kill:
			panic(killed{})
		}
		return errors.New("no space left on device")
	}
	defer func() {
		if p := recover(); p != nil && p != (killed{}) {
			panic(p)
		}
	}()
	_, err := g.Token(t.Context())
	return err == nil
}

// TestChainSurvives kills the process, and fails the disk, at each step, several times running, and then goes on.
func TestChainSurvives(t *testing.T) {
	for _, kill := range []bool{true, false} {
		for _, at := range steps {
			t.Run(fmt.Sprintf("%s,kill=%v", at, kill), func(t *testing.T) {
				dir, e, _ := newChain(t)
				for range 3 {
					for range 3 {
						if run(t, chainIn(dir, e), at, kill) {
							t.Fatal("a token came out of an interrupted run")
						}
					}
					if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
						t.Fatalf("the chain is broken: %v", err)
					}
				}
			})
		}
	}
}

// sharedChain is a chain that several instances share.
type sharedChain struct {
	data  []byte
	fault func() (applied bool, err error) // what becomes of a write; nil: all work
}

func (s *sharedChain) ReadChain() ([]byte, error) { return s.data, nil }

func (s *sharedChain) WriteChain(data []byte) error {
	applied, err := true, error(nil)
	if s.fault != nil {
		applied, err = s.fault()
	}
	if applied {
		s.data = data
	}
	return err
}

// TestSharedChainSurvives: a rotated token whose write to the shared buffer did not happen, or happened and was reported
// as failed, gives no access token, says so, and does not break the chain.
func TestSharedChainSurvives(t *testing.T) {
	for name, applied := range map[string]bool{"did not happen": false, "happened and was reported as failed": true} {
		t.Run(name, func(t *testing.T) {
			dir, e, _ := newChain(t)
			shared := &sharedChain{}
			instance := func() *RefreshToken {
				g := chainIn(dir, e)
				g.Shared = shared
				return g
			}
			for range 3 {
				shared.fault = func() (bool, error) { return applied, errors.New("the servers do not answer") }
				for range 3 {
					_, err := instance().Token(t.Context())
					var refused *Error
					if !errors.As(err, &refused) || refused.Permanent || !strings.Contains(err.Error(), "cannot be stored (the servers do not answer)") {
						t.Fatalf("a write that was reported as failed: %v", err)
					}
				}
				shared.fault = nil
				if _, err := instance().Token(t.Context()); err != nil {
					t.Fatalf("the chain is broken: %v", err)
				}
			}
		})
	}
}

// TestChainSurvivesAnything interrupts at random, also by what a power cut adds: a temporary file with anything in it,
// and a rename that is not on disk after all.
func TestChainSurvivesAnything(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir, e, _ := newChain(t)
		file := ChainFile(dir, "contoso")
		for i := range 60 {
			before, _ := os.ReadFile(file)
			at, kill := steps[random.IntN(len(steps))], random.IntN(3) > 0
			run(t, chainIn(dir, e), at, kill)
			switch {
			case random.IntN(4) == 0:
				put(t, file+".new", "{\"version\":1,\"curr")
			case at == "renamed" && kill && before != nil && random.IntN(2) == 0:
				put(t, file, string(before))
			}
			if i%7 != 6 {
				continue
			}
			if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
				t.Fatalf("seed %d, run %d: the chain is broken: %v", seed, i, err)
			}
		}
	}
}

// TestChainFallsBack: a newest token that does not work gives way to the one before it.
func TestChainFallsBack(t *testing.T) {
	dir, e, r := newChain(t)
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	delete(r.parent, "refresh-1") // the endpoint lost it
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.last != "seed-1" {
		t.Errorf("used %s", r.last)
	}
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "refresh-2" {
		t.Errorf("used %s, %v", r.last, err)
	}
}

// TestChainTakesANewSeed: a changed seed begins a new chain once it has worked; a wrong one costs nothing.
func TestChainTakesANewSeed(t *testing.T) {
	dir, e, r := newChain(t)
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join(dir, "seed")
	put(t, seed, "mistyped")
	var refused *Error
	if _, err := chainIn(dir, e).Token(t.Context()); !errors.As(err, &refused) || refused.Code != 700082 {
		t.Fatalf("a wrong seed: %v", err)
	}
	put(t, seed, "seed-1\n")
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "refresh-1" {
		t.Fatalf("after the correction: used %s, %v", r.last, err)
	}
	r.parent["seed-2"] = ""
	put(t, seed, "seed-2")
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "seed-2" {
		t.Fatalf("the new seed: used %s, %v", r.last, err)
	}
	if err := os.Remove(seed); err != nil {
		t.Fatal(err)
	}
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "refresh-3" {
		t.Errorf("without a seed: used %s, %v", r.last, err)
	}
}

// TestChainWithoutSuccessor: an endpoint that gives no new refresh token keeps the old one in use.
func TestChainWithoutSuccessor(t *testing.T) {
	dir, e, _ := newChain(t)
	uses := 0
	e.accept = func(form url.Values) (int, map[string]any) {
		if uses++; form.Get("refresh_token") != "seed-1" {
			return 700082, nil
		}
		return 0, nil
	}
	for range 3 {
		if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if uses != 3 {
		t.Errorf("%d uses", uses)
	}
}

// TestChainPassingFault: a fault of the endpoint is not taken for the token's end.
func TestChainPassingFault(t *testing.T) {
	dir, e, r := newChain(t)
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.accept = func(url.Values) (int, map[string]any) { return 90033, nil }
	var passing *Error
	before := e.count()
	if _, err := chainIn(dir, e).Token(t.Context()); !errors.As(err, &passing) || passing.Permanent || e.count() != before+1 {
		t.Errorf("%v after %d requests", err, e.count()-before)
	}
	e.accept = r.accept
	if _, err := chainIn(dir, e).Token(t.Context()); err != nil || r.last != "refresh-1" {
		t.Errorf("used %s, %v", r.last, err)
	}
}

// TestChainSaysWhatIsWrong holds the errors of files that cannot be used; none shows a token.
func TestChainSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ name, seed, chain, want string }{
		{"no seed", "", "", "siembridge login"},
		{"empty seed", "\n", "", "one line"},
		{"two seeds", "hidden-1\nhidden-2", "", "one line"},
		{"huge seed", strings.Repeat("hidden", maxSeed), "", "one line"},
		{"damaged chain", "hidden", `{"version":1,"current":hidden}`, "damaged"},
		{"chain of the future", "hidden", `{"version":9,"current":"hidden"}`, "version 9"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, e := t.TempDir(), newEndpoint(t, true)
			g := chainIn(dir, e)
			if test.seed != "" {
				put(t, g.SeedFile, test.seed)
			}
			if test.chain != "" {
				put(t, g.File, test.chain)
			}
			_, err := g.Token(t.Context())
			var wrong *Error
			if !errors.As(err, &wrong) || !wrong.Permanent || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("a token is in %q", err)
			}
			if e.count() != 0 {
				t.Error("a request was sent")
			}
		})
	}
}

// TestRefreshTokenNeverInErrors: an endpoint that repeats what it was sent finds no echo.
func TestRefreshTokenNeverInErrors(t *testing.T) {
	dir, e, _ := newChain(t)
	put(t, filepath.Join(dir, "seed"), "0.AX+refresh/token=")
	e.accept = func(url.Values) (int, map[string]any) { return 700082, nil }
	_, err := chainIn(dir, e).Token(t.Context())
	if err == nil || strings.Contains(err.Error(), "0.AX") {
		t.Errorf("%v", err)
	}
}

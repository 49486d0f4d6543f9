package entra

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"
)

// jwtOf makes a token of claims, with a header and a signature that mean nothing.
func jwtOf(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// TestReadClaims reads what Microsoft's APIs put into tokens, and what is not a token.
func TestReadClaims(t *testing.T) {
	tests := []struct {
		name, token string
		ok          bool
		want        Claims
	}{
		{"application", jwtOf(`{"aud":"https://graph.microsoft.com","tid":"t","roles":["SecurityAlert.Read.All"],"exp":1700000000}`), true,
			Claims{Audience: "https://graph.microsoft.com", Tenant: "t", Roles: []string{"SecurityAlert.Read.All"}, Expiry: time.Unix(1700000000, 0)}},
		{"delegated", jwtOf(`{"scp":"a b","exp":"soon"}`), true, Claims{Scopes: []string{"a", "b"}}},
		{"fraction of a second", jwtOf(`{"exp":1700000000.5}`), true, Claims{Expiry: time.Unix(1700000000, 0), Scopes: nil}},
		{"audience is a list", jwtOf(`{"aud":["x"]}`), true, Claims{}},
		{"absurd end", jwtOf(`{"exp":1e300}`), true, Claims{}},
		{"opaque", "EwBgA8l6BAAU", false, Claims{}},
		{"no JSON", jwtOf("{"), false, Claims{}},
		{"no base64", "e30.*.c2ln", false, Claims{}},
		{"too long", "e30." + strings.Repeat("A", maxClaims+1) + ".c2ln", false, Claims{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := ReadClaims(test.token)
			if len(got.Scopes) == 0 {
				got.Scopes = nil
			}
			if ok != test.ok || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v", got, ok)
			}
		})
	}
}

// FuzzReadClaims: whatever comes back as a token is read or refused.
func FuzzReadClaims(f *testing.F) {
	f.Add(jwtOf(`{"aud":"a","roles":["r"],"exp":1}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if c, ok := ReadClaims(token); ok && c.Expiry.After(time.Unix(1<<40, 0)) {
			t.Errorf("end %s", c.Expiry)
		}
	})
}

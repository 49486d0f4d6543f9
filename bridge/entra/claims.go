package entra

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Claims are what a diagnosis wants to know of an access token. Microsoft says that its tokens are opaque to
// clients, so they are shown and nothing is decided by them.
type Claims struct {
	Audience string    // aud: the API that it is for
	Tenant   string    // tid
	Roles    []string  // application permissions
	Scopes   []string  // delegated permissions
	Expiry   time.Time // exp
}

// maxClaims bounds the part of a token that is decoded, in bytes.
const maxClaims = 64 << 10

// ReadClaims reads the claims of an access token without checking its signature; false when it is not a JWT.
func ReadClaims(accessToken string) (Claims, bool) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 || len(parts[1]) > maxClaims {
		return Claims{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Claims{}, false
	}
	var raw struct {
		Audience any             `json:"aud"`
		Tenant   string          `json:"tid"`
		Roles    []string        `json:"roles"`
		Scopes   string          `json:"scp"`
		Expiry   json.RawMessage `json:"exp"`
	}
	if json.Unmarshal(data, &raw) != nil {
		return Claims{}, false
	}
	c := Claims{Tenant: raw.Tenant, Roles: raw.Roles, Scopes: strings.Fields(raw.Scopes)}
	c.Audience, _ = raw.Audience.(string)
	var seconds float64
	if json.Unmarshal(raw.Expiry, &seconds) == nil && seconds > 0 && seconds < 1<<40 {
		c.Expiry = time.Unix(int64(seconds), 0)
	}
	return c, true
}

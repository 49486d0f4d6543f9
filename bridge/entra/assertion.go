package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the portal's thumbprint is SHA-1; nothing is decided by it
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// credential is a certificate with its private key.
type credential struct {
	leaf *x509.Certificate
	key  *rsa.PrivateKey
}

// assertionLife is how long an assertion is good; Microsoft asks for five to ten minutes.
const assertionLife = 10 * time.Minute

// assertion signs a statement that we are the client, for one token endpoint, by PS256 and with the certificate's
// SHA-256 thumbprint (Microsoft identity platform, "certificate credentials", "assertion format").
func (c *credential) assertion(clientID, tokenURL string, now time.Time) (string, error) {
	sum := sha256.Sum256(c.leaf.Raw)
	// The audience is one string, which jwt's own claims type would write as a list.
	token := jwt.NewWithClaims(jwt.SigningMethodPS256, jwt.MapClaims{
		"aud": tokenURL,
		"iss": clientID,
		"sub": clientID,
		"jti": uuid(),
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(assertionLife).Unix(),
	})
	token.Header["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	return token.SignedString(c.key)
}

// thumbprint is what the portal lists a certificate by.
func (c *credential) thumbprint() string {
	return fmt.Sprintf("%X", sha1.Sum(c.leaf.Raw))
}

// uuid returns a random UUID (RFC 9562 section 5.4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

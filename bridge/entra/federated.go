package entra

import (
	"context"
	"strings"

	"golang.org/x/oauth2"
)

// FederatedToken is the client credentials grant with a token of another issuer that the app trusts, such as a
// Kubernetes cluster (Microsoft identity platform, "workload identity federation").
type FederatedToken struct {
	App App // who asks
	// File holds the other issuer's token. It is replaced every hour or so, and read before each request.
	File string
}

// Token asks for a new access token.
func (g FederatedToken) Token(ctx context.Context) (*oauth2.Token, error) {
	text, err := ReadFile(g.File)
	if err != nil {
		return nil, &Error{Summary: "the federated token cannot be read (" + err.Error() + ")", cause: err,
			Remedy: "check federated_token_file, and on Kubernetes the pod's label azure.workload.identity/use", Permanent: true}
	}
	assertion := strings.TrimSpace(string(text))
	if strings.Count(assertion, ".") != 2 || strings.ContainsAny(assertion, " \r\n") {
		return nil, &Error{Summary: g.File + " holds no token in the form of a JWT", Remedy: "check federated_token_file; it is read again", Permanent: true}
	}
	return g.App.assert(ctx, assertion)
}

package entra_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/siembridge/siembridge/bridge/entra"
)

// An error says what Entra ID refused, what the operator does, and whether asking again can help.
func ExampleError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client","error_codes":[7000222],"error_description":"AADSTS7000222: The provided client secret keys are expired."}`)
	}))
	defer server.Close()
	grant := entra.ClientSecret{App: entra.App{TokenURL: server.URL, ClientID: "app", Scope: "https://graph.microsoft.com/.default"},
		Secret: func() (string, error) { return "secret", nil }}

	_, err := grant.Token(context.Background())
	fmt.Println(err)
	var refused *entra.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Permanent)
	}
	// Output:
	// Entra ID refused the token request (AADSTS7000222, the client secret has expired); make a new secret in App registrations, put it in place and reload
	// 7000222 true
}

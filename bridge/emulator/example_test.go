package emulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/siembridge/siembridge/bridge/emulator"
)

// A tenant in a box is an http.Handler: a source finds Entra ID and the APIs there.
func ExampleTenant() {
	tenant := emulator.NewTenant(1)
	record := emulator.NewGenerator(1, false).Record("graph-alerts", time.Now().Add(-time.Minute))
	tenant.Add("graph-alerts", record)
	server := httptest.NewServer(tenant)
	defer server.Close()

	answer, err := http.Get(server.URL + emulator.Endpoint("graph-alerts") + "/v1.0/security/alerts_v2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status) // without a token
	fmt.Println(tenant.Given("graph-alerts", record.ID))
	// Output:
	// 401 Unauthorized
	// false
}

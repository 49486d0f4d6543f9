package source

import (
	"slices"
	"strings"
	"testing"

	"github.com/siembridge/siembridge/formats/defender"
)

// places of every API in every cloud: Microsoft's pages on the government clouds of Defender for Endpoint and Defender
// XDR, and on national deployments of Graph. The audiences of the government clouds are the hosts themselves.
var wantPlaces = []struct {
	api, cloud, region string
	base, audience     string
	token              string // endpoint
}{
	{"graph-alerts", "public", "", "https://graph.microsoft.com", "https://graph.microsoft.com/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"graph-alerts", "gcc", "", "https://graph.microsoft.com", "https://graph.microsoft.com/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"graph-alerts", "gcc-high", "", "https://graph.microsoft.us", "https://graph.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"graph-alerts", "dod", "", "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"graph-incidents", "public", "", "https://graph.microsoft.com", "https://graph.microsoft.com/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"graph-incidents", "gcc", "", "https://graph.microsoft.com", "https://graph.microsoft.com/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"graph-incidents", "gcc-high", "", "https://graph.microsoft.us", "https://graph.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"graph-incidents", "dod", "", "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"alerts", "public", "", "https://api.securitycenter.microsoft.com", "https://api.securitycenter.microsoft.com/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"alerts", "gcc", "", "https://api-gcc.securitycenter.microsoft.us", "https://api-gcc.securitycenter.microsoft.us/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"alerts", "gcc-high", "", "https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"alerts", "dod", "", "https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"incidents", "public", "", "https://api.security.microsoft.com", "https://api.security.microsoft.com/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"incidents", "gcc", "", "https://api-gcc.security.microsoft.us", "https://api-gcc.security.microsoft.us/.default", "https://login.microsoftonline.com/T/oauth2/v2.0/token"},
	{"incidents", "gcc-high", "", "https://api-gov.security.microsoft.us", "https://api-gov.security.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"incidents", "dod", "", "https://api-gov.security.microsoft.us", "https://api-gov.security.microsoft.us/.default", "https://login.microsoftonline.us/T/oauth2/v2.0/token"},
	{"detections", "public", "us", "https://wdatp-alertexporter-us.windows.com", "https://graph.windows.net", "https://login.microsoftonline.com/T/oauth2/token"},
	{"detections", "public", "eu", "https://wdatp-alertexporter-eu.windows.com", "https://graph.windows.net", "https://login.microsoftonline.com/T/oauth2/token"},
	{"detections", "public", "uk", "https://wdatp-alertexporter-uk.windows.com", "https://graph.windows.net", "https://login.microsoftonline.com/T/oauth2/token"},
	{"detections", "gcc", "us", "https://wdatp-alertexporter-us.gcc.securitycenter.windows.us", "https://graph.windows.net", "https://login.microsoftonline.com/T/oauth2/token"},
	{"detections", "gcc-high", "us", "https://wdatp-alertexporter-us.securitycenter.windows.us", "https://graph.windows.net", "https://login.microsoftonline.us/T/oauth2/token"},
	{"detections", "dod", "us", "https://wdatp-alertexporter-us.securitycenter.windows.us", "https://graph.windows.net", "https://login.microsoftonline.us/T/oauth2/token"},
}

// TestEveryAPIIsDescribed holds the table of APIs against the names that a configuration may use.
func TestEveryAPIIsDescribed(t *testing.T) {
	var names []string
	for _, a := range apis {
		names = append(names, a.name)
	}
	if want := defender.APIs(); !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want))) {
		t.Errorf("this package pulls %v, formats/defender reads %v", names, want)
	}
}

// TestClouds holds endpoint, audience and authority of each API in each cloud, and that the table has them all.
func TestClouds(t *testing.T) {
	held := map[string]bool{}
	for _, want := range wantPlaces {
		t.Run(want.api+"/"+want.cloud+"/"+want.region, func(t *testing.T) {
			held[want.api+"/"+want.cloud] = true
			o := Options{API: want.api, Cloud: want.cloud, Region: want.region, TenantID: "T", ClientID: "C"}
			a, err := findAPI(want.api)
			if err != nil {
				t.Fatal(err)
			}
			base, _, err := endpointOf(&o, a)
			if err != nil || base != want.base {
				t.Errorf("endpoint %q, %v", base, err)
			}
			app, err := App(o)
			if err != nil || app.TokenURL != want.token || app.Scope+app.Resource != want.audience || app.ClientID != "C" {
				t.Errorf("%+v, %v", app, err)
			}
			if a.v1 == (app.Resource == "") {
				t.Errorf("a v1 token is asked for by a resource, a v2 token by a scope: %+v", app)
			}
		})
	}
	for _, a := range apis {
		for _, cloud := range []string{"public", "gcc", "gcc-high", "dod"} {
			if !held[a.name+"/"+cloud] {
				t.Errorf("the table lacks %s in %s", a.name, cloud)
			}
		}
		if _, _, err := a.endpoint("china", ""); err == nil || !strings.Contains(err.Error(), "does not exist in the cloud") {
			t.Errorf("%s in China: %v", a.name, err)
		}
	}
}

// TestEndpointOverrides: endpoint and token_url replace Microsoft's; the audience stays; http is for loopback.
func TestEndpointOverrides(t *testing.T) {
	o := Options{API: "graph-alerts", Cloud: "gcc-high", TenantID: "T", Endpoint: "http://127.0.0.1:1/prefix/", TokenURL: "http://127.0.0.1:1/token"}
	app, err := App(o)
	if err != nil || app.TokenURL != o.TokenURL || app.Scope != "https://graph.microsoft.us/.default" {
		t.Errorf("%+v, %v", app, err)
	}
	a, _ := findAPI(o.API)
	if base, _, err := endpointOf(&o, a); err != nil || base != "http://127.0.0.1:1/prefix" {
		t.Errorf("%q, %v", base, err)
	}
	o.Endpoint = "http://graph.example.org"
	if _, err := App(o); err == nil {
		t.Error("tokens would go out in the clear")
	}
	if _, err := App(Options{API: "detections", Region: "moon"}); err == nil || !strings.Contains(err.Error(), "no region") {
		t.Errorf("a region that does not exist: %v", err)
	}
}

package defender

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siembridge/siembridge/formats"
)

func TestDetails(t *testing.T) {
	for _, c := range []struct {
		name, api       string
		record          string
		evidence, alert []string
	}{
		{"a type that nobody knows", "graph-alerts", `{"id":"a","evidence":[{"@odata.type":"#microsoft.graph.security.quantumEvidence","verdict":"malicious","qubit":{"@odata.type":"x","spin":[1,2],"of":[{"name":"n"},{"name":"m"},[true]],"gone":null,"none":[],"text":""}}]}`,
			[]string{"quantum.qubit.spin: 1, 2", "quantum.qubit.of.name: n", "quantum.qubit.of.name: m", "quantum.qubit.of: true"}, nil},
		{"what a field holds is not repeated", "graph-alerts", `{"id":"a","evidence":[{"@odata.type":"x.processEvidence","verdict":"suspicious","roles":["attacked"],"processId":7,"imageFile":{"fileName":"a.exe","filePath":"C:\\x","issuer":"I"},"userAccount":{"accountName":"u","domainName":"d","tenantId":"t"}}]}`,
			[]string{"process.imageFile.issuer: I", "process.userAccount.tenantId: t"}, nil},
		{"unless another piece has filled it", "graph-alerts", `{"id":"a","evidence":[{"@odata.type":"x.azureResourceEvidence","resourceId":"r1","resourceName":"n1"},{"@odata.type":"x.kubernetesSecretEvidence","verdict":"suspicious","name":"n2"},{"@odata.type":"x.azureResourceEvidence","verdict":"suspicious","resourceId":"r2","resourceName":"n3"}]}`,
			[]string{"azureResource.resourceId: r2", "azureResource.resourceName: n3"}, nil},
		{"only the most telling of a type", "graph-alerts", `{"id":"a","evidence":[{"@odata.type":"x.nicEvidence","macAddress":"m1","verdict":"unknown"},{"@odata.type":"x.nicEvidence","macAddress":"m2","verdict":"malicious"}]}`,
			[]string{"nic.macAddress: m2"}, nil},
		{"the words for nothing", "graph-alerts", `{"id":"a","evidence":[{"@odata.type":"x.urlEvidence","url":"u","verdict":"malicious","remediationStatus":"blocked"},{"@odata.type":"x.ipEvidence","ipAddress":"192.0.2.1","verdict":"suspicious","remediationStatus":"None","roles":["unknown"]}]}`,
			[]string{"ip.verdict: suspicious"}, nil},
		{"the record itself", "graph-alerts", `{"@odata.etag":"e","id":"a","title":"t","additionalData":{"k":{"n":1.50}},"customDetails":{"Host":["h1","h2"],"B":false},"new":"v\u00e4"}`,
			nil, []string{"additionalData.k.n: 1.50", "customDetails.Host: h1, h2", "customDetails.B: false", "new: vä"}},
		{"a flat record", "detections", `{"FullId":"a:b","AlertTitle":"t","NewColumn":3}`, nil, []string{"NewColumn: 3"}},
		{"two names for one column", "detections", `{"FullId":"a:b","AlertTitle":"t","Sha1":"ab","SHA1":"AB","FileHash":"cd","Md5":"e","IoaDefinitionId":"i","IoaDefinitiondId":"j"}`,
			nil, []string{"FileHash: cd", "IoaDefinitiondId: j"}},
		{"one of two names", "detections", `{"FullId":"a:b","SHA1":"AB","FileHash":"ab"}`, nil, nil},
		{"three hashes", "detections", `{"FullId":"a:b","Sha1":"1","SHA1":"2","FileHash":"3","Sha256":"4"}`, nil, []string{"SHA1: 2", "FileHash: 3"}},
		{"the device beside the entities", "incidents", `{"alertId":"a","devices":[{"mdatpDeviceId":"d","hostName":"h","vmMetadata":{"vmId":"v","cloudProvider":"Azure"},"new":1},{"new":2}],"entities":[{"entityType":"Ip","ipAddress":"192.0.2.1","new":3}]}`,
			[]string{"device.vmMetadata.cloudProvider: Azure", "device.new: 1", "ip.new: 3"}, nil},
		{"what only the library reads", "graph-alerts", "{\"id\":\"a\",\"n\\u0065w\":\"\xff\",\"evidence\":[{\"@odata.type\":\"x.nicEvidence\",\"macAddress\":\"\xff\"}]}",
			[]string{"nic.macAddress: \uFFFD"}, []string{"new: \uFFFD"}},
		{"names with escapes", "graph-alerts", `{"id":"a","customDetails":{"Gr\u00f6\u00dfe":["1"],"\"":{"\\":2},"Host":["h1",{"\/":3}]},"evidence":[{"@odata.type":"x.nicEvidence","mac\u0041ddress":"m","new":{"\t":[4]},"last":5}]}`,
			[]string{"nic.macAddress: m", "nic.new.\t: 4", "nic.last: 5"}, []string{"customDetails.Größe: 1", "customDetails.\".\\: 2", "customDetails.Host: h1", "customDetails.Host./: 3"}},
		{"half a character", "graph-alerts", `{"id":"a","customDetails":{"A":"\ud83d","\udc00":1,"Host":["\ud83d","h1"]},"evidence":[{"@odata.type":"x.nicEvidence","a":1,"text":"cut \ud83d","last":5}]}`,
			[]string{"nic.a: 1", "nic.text: cut \uFFFD", "nic.last: 5"}, []string{"customDetails.A: \uFFFD", "customDetails.\uFFFD: 1", "customDetails.Host: \uFFFD, h1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d formats.Detection
			if _, err := Decode(API(c.api), []byte(c.record), &d); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.evidence, d.EvidenceDetails); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.alert, d.AlertDetails); diff != "" {
				t.Errorf("alert (-want +got):\n%s", diff)
			}
		})
	}
}

// A name that holds what ends another is not met again where that other stands.
func TestDetailsOfNamesWithQuotes(t *testing.T) {
	var decoder Decoder
	for _, c := range []struct {
		record string
		want   []string
	}{
		{`{"id":"a","new":{"x\":1,\"y":2,"b\\":3}}`, []string{`new.x":1,"y: 2`, `new.b\: 3`}},
		{`{"id":"a","new":{"x":1,"y":2,"b":3}}`, []string{"new.x: 1", "new.y: 2", "new.b: 3"}},
		{`{"id":"a","new":{"x":1,"y":2,"b\":":3}}`, []string{"new.x: 1", "new.y: 2", `new.b":: 3`}},
	} {
		var d formats.Detection
		if _, err := decoder.Decode(GraphAlerts, []byte(c.record), &d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, d.AlertDetails); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.record, diff)
		}
	}
}

// However large a record is, and however many types it makes up, what is listed of it is bounded.
func TestDetailsAreBounded(t *testing.T) {
	var pieces, members strings.Builder
	for i := range 300 {
		fmt.Fprintf(&pieces, `,{"@odata.type":"x.type%dEvidence","text":%q,"list":["%s"]}`, i, strings.Repeat("ä", 1500), strings.Repeat(`a","`, 3000))
		fmt.Fprintf(&members, `,"member%d":%q`, i, strings.Repeat("b", 100))
	}
	deep := strings.Repeat(`{"a":`, 40) + `"bottom"` + strings.Repeat(`}`, 40)
	raw := `{"id":"a","deep":` + deep + members.String() + `,"evidence":[` + pieces.String()[1:] + `]}`
	var d formats.Detection
	if _, err := Decode(GraphAlerts, []byte(raw), &d); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]string{"evidence": d.EvidenceDetails, "alert": d.AlertDetails} {
		size := len(strings.Join(list, ""))
		if size < maxDetails || size > maxDetails+2*maxDetail || list[len(list)-1] != "..." {
			t.Errorf("%s: %d bytes in %d members, the last is %.40q", name, size, len(list), list[len(list)-1])
		}
	}
	if first := d.EvidenceDetails[0]; len(first) > maxDetail+40 || !strings.HasSuffix(first, "ä...") {
		t.Errorf("a long value is %d bytes and ends in %q", len(first), first[len(first)-8:])
	}
}

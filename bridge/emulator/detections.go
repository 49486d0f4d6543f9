package emulator

import "fmt"

// detections is the SIEM detections API of Defender for Endpoint.
var detections = api{name: "detections", path: "/api/alerts", audience: "https://graph.windows.net", v1: true, changed: "LastProcessedTimeUtc",
	id: "FullId", title: "AlertTitle",
	fill: func(g *Generator, r *Record, n novelty) {
		r.set("AlertId", n.id)
		r.set("FullId", n.id+":"+fmt.Sprint(g.n))
		r.set("LastProcessedTimeUtc", n.stamp)
		r.set("AlertTime", n.before)
		r.set("MachineName", n.host)
		r.set("ComputerDnsName", n.host+".corp.example.org")
		r.set("LinkToWDATP", "https://securitycenter.windows.com/alert/"+n.id)
		r.set("LinkToMTP", "https://security.microsoft.com/alert/"+n.id)
	}}

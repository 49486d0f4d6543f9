package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"time"
)

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:70rem;margin:1rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin-bottom:1.5rem}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8885;vertical-align:top}
.bad{font-weight:600;color:#c22}`

var styleHash = func() string {
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// page is the status page, without script.
var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago": func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return time.Since(t).Round(time.Second).String() + " ago"
	},
	"style": func() template.CSS { return style },
}).Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>siembridge</title><style>{{style}}</style></head><body><h1>siembridge {{.Version}}</h1>
{{with .Trouble}}<h2>Not well</h2><ul>{{range .}}<li class="bad">{{.}}</li>{{end}}</ul>{{else}}<p>All is well.</p>{{end}}
<h2>Sources</h2><table><tr><th>Name<th>API<th>State<th>Last success<th>Covered to<th>Holes<th>Error</tr>
{{range .Sources}}<tr><td>{{.Name}}<td>{{.API}}<td>{{.State}}<td>{{ago .LastSuccess}}<td>{{ago .CoveredTo}}<td>{{.Holes}}<td>{{.Error}}{{with .Warning}} <span class="bad">{{.}}</span>{{end}}</tr>{{end}}</table>
<h2>Buffer</h2><p>{{.Buffer.Pending}} of {{.Buffer.Limit}} bytes are pending, {{.Buffer.Bytes}} on disk.{{if .Buffer.Blocked}} <span class="bad">Pulling waits.</span>{{end}}</p>
<h2>Destinations</h2><table><tr><th>Name<th>State<th>Address<th>Confirmed by<th>Pending<th>Oldest<th>Delivered<th>Dropped<th>Error</tr>
{{range .Destinations}}<tr><td>{{.Name}}<td>{{.State}} {{ago .Since}}<td>{{.Address}}<td>{{.Confirm}}<td>{{.Pending}}<td>{{ago .Oldest}}<td>{{.Delivered}}<td>{{.Dropped}}<td>{{.Error}}</tr>{{end}}</table>
</body></html>`))

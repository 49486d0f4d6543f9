package flexconnector

import (
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// legacyField is one property of the detections API, which Microsoft's parser file reads, as a value of a Detection.
// So a parser file makes the same fields of an alert of a newer API. exact: for a record of the detections API itself
// it is the property as sent; else such a record is looked into.
type legacyField struct {
	text  func(d *formats.Detection) string
	exact bool
}

func exact(f func(d *formats.Detection) string) legacyField { return legacyField{f, true} }

// legacyFields are the properties of the detections API ("Microsoft Defender for Endpoint detections API fields" on
// Microsoft Learn) by their names.
var legacyFields = map[string]legacyField{
	"AlertTime":            {text: func(d *formats.Detection) string { return rfc3339(d.Time) }},
	"LastProcessedTimeUtc": {text: func(d *formats.Detection) string { return rfc3339(d.Updated) }},
	"ComputerDnsName":      exact(func(d *formats.Detection) string { return d.Device.FQDN }),
	"AlertTitle":           {text: func(d *formats.Detection) string { return oneOf([]string{d.Title, d.IncidentName}) }},
	"Description":          exact(func(d *formats.Detection) string { return d.Description }),
	"Category":             exact(func(d *formats.Detection) string { return d.Category }),
	"Severity":             {text: severityWord},
	"AlertId":              {text: func(d *formats.Detection) string { return oneOf([]string{d.AlertID, d.ID}) }},
	"FullId":               exact(func(d *formats.Detection) string { return d.FullID }),
	"AlertPart":            exact(func(d *formats.Detection) string { return d.AlertPart }),
	"Actor":                exact(func(d *formats.Detection) string { return d.Actor }),
	"Source":               {text: func(d *formats.Detection) string { return oneOf([]string{d.DetectionSource, d.ServiceSource}) }},
	"MachineName":          {text: func(d *formats.Detection) string { return oneOf([]string{d.Device.Name, d.Device.FQDN}) }},
	"MachineDomain":        exact(func(d *formats.Detection) string { return d.Device.DNSDomain }),
	"MachineGroup":         exact(func(d *formats.Detection) string { return d.Device.Group }),
	"DeviceID":             exact(func(d *formats.Detection) string { return d.Device.ID }),
	"InternalIPv4List":     {text: func(d *formats.Detection) string { return addresses(d, false) }},
	"InternalIPv6List":     {text: func(d *formats.Detection) string { return addresses(d, true) }},
	"LogOnUsers":           {text: func(d *formats.Detection) string { return strings.Join(d.Device.LoggedOnUsers, "; ") }},
	"UserName":             exact(func(d *formats.Detection) string { return d.User.Name }),
	"UserDomain":           exact(func(d *formats.Detection) string { return d.User.Domain }),
	"FileName":             fileField(func(f *formats.File) string { return f.Name }, func(p *formats.Process) string { return p.Name }),
	"FilePath":             fileField(func(f *formats.File) string { return f.Path }, func(p *formats.Process) string { return p.Path }),
	"Sha1":                 fileField(func(f *formats.File) string { return f.SHA1 }, func(p *formats.Process) string { return p.SHA1 }),
	"Sha256":               fileField(func(f *formats.File) string { return f.SHA256 }, func(p *formats.Process) string { return p.SHA256 }),
	"Md5":                  fileField(func(f *formats.File) string { return f.MD5 }, func(p *formats.Process) string { return p.MD5 }),
	"CommandLine":          exact(func(d *formats.Detection) string { return d.Process.CommandLine }),
	"IpAddress": {text: func(d *formats.Detection) string {
		return oneOf([]string{d.Network.SourceAddress, d.Network.RemoteAddress})
	}},
	"Url":                       exact(func(d *formats.Detection) string { return d.URL }),
	"ThreatName":                {text: func(d *formats.Detection) string { return oneOf([]string{d.ThreatName, d.ThreatFamily}) }},
	"ThreatFamily":              exact(func(d *formats.Detection) string { return d.ThreatFamily }),
	"ThreatCategory":            exact(func(d *formats.Detection) string { return d.ThreatCategory }),
	"RemediationAction":         exact(func(d *formats.Detection) string { return d.Remediation }),
	"RemediationIsSuccess":      {text: func(d *formats.Detection) string { return flag(d.RemediationSuccess) }},
	"WasExecutingWhileDetected": {text: func(d *formats.Detection) string { return flag(d.WasExecuting) }},
	"LinkToMTP":                 exact(func(d *formats.Detection) string { return d.AlertLink }),
	"IncidentLinkToMTP":         exact(func(d *formats.Detection) string { return d.IncidentLink }),
	"LinkToWDATP":               {text: func(d *formats.Detection) string { return oneOf([]string{d.LegacyAlertLink, d.AlertLink}) }},
	"IncidentLinkToWDATP":       {text: func(d *formats.Detection) string { return oneOf([]string{d.LegacyIncidentLink, d.IncidentLink}) }},
	"IocName":                   exact(func(d *formats.Detection) string { return d.IOC.Name }),
	"IocValue":                  exact(func(d *formats.Detection) string { return d.IOC.Value }),
	"IocUniqueId":               exact(func(d *formats.Detection) string { return d.IOC.UniqueID }),
	"CreatorIocName":            exact(func(d *formats.Detection) string { return d.IOC.CreatorName }),
	"CreatorIocValue":           exact(func(d *formats.Detection) string { return d.IOC.CreatorValue }),
	"ExternalId":                exact(func(d *formats.Detection) string { return d.ExternalID }),
	"ReportID":                  exact(func(d *formats.Detection) string { return d.ReportID }),
	"IoaDefinitionId":           exact(func(d *formats.Detection) string { return d.DetectorID }),
}

// fileField is a property of the file, or of the process's image where the record has no file.
func fileField(file func(*formats.File) string, process func(*formats.Process) string) legacyField {
	return exact(func(d *formats.Detection) string {
		if d.File != (formats.File{}) {
			return file(&d.File)
		}
		return process(&d.Process)
	})
}

// severityWord is the severity as the detections API spells it.
func severityWord(d *formats.Detection) string {
	switch d.Severity {
	case formats.SeverityInformational:
		return "Informational"
	case formats.SeverityLow:
		return "Low"
	case formats.SeverityMedium:
		return "Medium"
	case formats.SeverityHigh:
		return "High"
	case formats.SeverityNone:
		return ""
	}
	return d.SeverityText
}

func addresses(d *formats.Detection, six bool) string {
	var list []string
	for _, a := range d.Device.Addresses {
		if strings.Contains(a, ":") == six {
			list = append(list, a)
		}
	}
	return strings.Join(list, ", ")
}

func flag(f formats.Flag) string {
	switch f {
	case formats.FlagTrue:
		return "true"
	case formats.FlagFalse:
		return "false"
	}
	return ""
}

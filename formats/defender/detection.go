package defender

import (
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// siemDetection is a record of the SIEM detections API (Microsoft's page on pulling detections, and its older forms).
type siemDetection struct {
	AlertTime, LastProcessedTimeUtc, LastProccesedTimeUtc text
	AlertTitle, Category, Severity                        text
	Description                                           detail
	AlertID                                               text `json:"AlertId"`
	FullID                                                text `json:"FullId"`
	AlertPart                                             text
	IocUniqueID                                           text `json:"IocUniqueId"`
	ExternalID                                            text `json:"ExternalId"`
	ReportID                                              text
	IocName, IocValue, CreatorIocName, CreatorIocValue    text
	IoaDefinitionID                                       text `json:"IoaDefinitionId"`
	IoaDefinitiondID                                      text `json:"IoaDefinitiondId"` // the page of 2017
	Actor, Source                                         text
	ComputerDNSName                                       text `json:"ComputerDnsName"`
	MachineName, MachineDomain                            text
	DeviceID                                              text
	MachineGroup, UserName, UserDomain                    text
	LogOnUsers, InternalIPv4List, InternalIPv6List        detail
	FileName, FileHash                                    text
	FilePath, CommandLine                                 detail
	Sha1, Sha256, Md5                                     text
	SHA1                                                  text `json:"SHA1"`
	IPAddress                                             text `json:"IpAddress"`
	URL                                                   text `json:"Url"`
	ThreatCategory, ThreatFamily, ThreatName              text
	RemediationAction                                     text
	RemediationIsSuccess, WasExecutingWhileDetected       text
	DeviceCreatedMachineTags, CloudCreatedMachineTags     text
	LinkToWDATP, IncidentLinkToWDATP                      detail
	LinkToMTP, IncidentLinkToMTP                          detail
}

// Detections is the SIEM detections API: flat records, one per alert and indicator.
const Detections API = "detections"

var detections = recordKind{
	api:    Detections,
	decode: decodeDetection,
	alerts: true,
	signs:  []string{"AlertTitle", "AlertTime", "FullId"},
}

var detectionReader = newReader[siemDetection]()

func decodeDetection(s *scanner, raw []byte, d *formats.Detection, p *problemList) error {
	r, err := detectionReader.read(s, raw)
	d.AlertID, d.FullID, d.AlertPart = string(r.AlertID), string(r.FullID), string(r.AlertPart)
	d.ID = first(r.FullID, r.AlertID)
	d.Title, d.Description = string(r.AlertTitle), string(r.Description)
	d.Category, d.SeverityText = string(r.Category), string(r.Severity)
	d.Severity = severityOf(d.SeverityText)
	d.Created = p.moment("AlertTime", r.AlertTime)
	d.FirstActivity = d.Created
	d.Updated = p.moment("LastProcessedTimeUtc", text(first(r.LastProcessedTimeUtc, r.LastProccesedTimeUtc)))
	d.DetectionSource, d.DetectorID = string(r.Source), first(r.IoaDefinitionID, r.IoaDefinitiondID)
	d.ReportID, d.ExternalID, d.Actor = string(r.ReportID), string(r.ExternalID), string(r.Actor)
	d.ThreatName, d.ThreatFamily, d.ThreatCategory = string(r.ThreatName), string(r.ThreatFamily), string(r.ThreatCategory)
	d.Remediation = string(r.RemediationAction)
	d.RemediationSuccess, d.WasExecuting = flagOf(r.RemediationIsSuccess), flagOf(r.WasExecutingWhileDetected)
	d.AlertLink, d.IncidentLink = string(r.LinkToMTP), string(r.IncidentLinkToMTP)
	d.LegacyAlertLink, d.LegacyIncidentLink = string(r.LinkToWDATP), string(r.IncidentLinkToWDATP)
	d.IOC = formats.IOC{Name: string(r.IocName), Value: string(r.IocValue), CreatorName: string(r.CreatorIocName),
		CreatorValue: string(r.CreatorIocValue), UniqueID: string(r.IocUniqueID)}
	d.Device.ID, d.Device.Name, d.Device.FQDN = string(r.DeviceID), string(r.MachineName), string(r.ComputerDNSName)
	d.Device.DNSDomain, d.Device.Group = string(r.MachineDomain), string(r.MachineGroup)
	if s.whole {
		d.Device.Tags = appendSplit(appendSplit(d.Device.Tags, r.DeviceCreatedMachineTags, ","), r.CloudCreatedMachineTags, ",")
		d.Device.LoggedOnUsers = appendSplit(d.Device.LoggedOnUsers, text(r.LogOnUsers), ";")
		var room [8]string
		setAddresses(&d.Device, appendSplit(appendSplit(room[:0], text(r.InternalIPv4List), ","), text(r.InternalIPv6List), ","))
	}
	d.User.Name, d.User.Domain = string(r.UserName), string(r.UserDomain)
	// FilePath stays as sent: a folder in some records, a full path in others.
	d.File = formats.File{Name: string(r.FileName), Path: string(r.FilePath),
		SHA1: first(r.Sha1, r.SHA1, r.FileHash), SHA256: string(r.Sha256), MD5: string(r.Md5)}
	// Columns of one meaning under two names fill one field; what says something else is listed.
	s.spare("SHA1", r.SHA1, d.File.SHA1, d.File.SHA256, d.File.MD5)
	s.spare("FileHash", r.FileHash, d.File.SHA1, d.File.SHA256, d.File.MD5)
	s.spare("IoaDefinitiondId", r.IoaDefinitiondID, d.DetectorID)
	s.spare("LastProccesedTimeUtc", r.LastProccesedTimeUtc, first(r.LastProcessedTimeUtc, r.LastProccesedTimeUtc))
	d.Process.CommandLine = string(r.CommandLine)
	d.Network.RemoteAddress, d.URL = string(r.IPAddress), string(r.URL)
	return err
}

// spare keeps a member for the list of details unless one of the values that fields hold is the same.
func (s *scanner) spare(name string, value text, held ...string) {
	if !s.whole || value == "" {
		return
	}
	for _, h := range held {
		if string(value) == h || strings.EqualFold(string(value), h) {
			return
		}
	}
	s.spares = append(s.spares, formats.Pair{Key: name, Value: string(value)})
}

// first returns the first text that says something.
func first(all ...text) string {
	for _, t := range all {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

func flagOf(t text) formats.Flag {
	switch {
	case t == "1" || strings.EqualFold(string(t), "true"):
		return formats.FlagTrue
	case t == "0" || strings.EqualFold(string(t), "false"):
		return formats.FlagFalse
	}
	return formats.FlagAbsent
}

func appendSplit(list []string, t text, separator string) []string {
	for part := range strings.SplitSeq(string(t), separator) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

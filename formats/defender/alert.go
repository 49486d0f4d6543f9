package defender

import (
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// endpointAlert is an alert of the Defender for Endpoint API.
type endpointAlert struct {
	ID                 text          `json:"id"`
	IncidentID         text          `json:"incidentId"`
	InvestigationID    text          `json:"investigationId"`
	InvestigationState text          `json:"investigationState"`
	Title              text          `json:"title"`
	Description        text          `json:"description"`
	RecommendedAction  text          `json:"recommendedAction"`
	Category           text          `json:"category"`
	Severity           text          `json:"severity"`
	Status             text          `json:"status"`
	Classification     text          `json:"classification"`
	Determination      text          `json:"determination"`
	DetectionSource    text          `json:"detectionSource"`
	DetectorID         text          `json:"detectorId"`
	ThreatFamilyName   text          `json:"threatFamilyName"`
	ThreatName         text          `json:"threatName"`
	AlertCreationTime  text          `json:"alertCreationTime"`
	FirstEventTime     text          `json:"firstEventTime"`
	LastEventTime      text          `json:"lastEventTime"`
	LastUpdateTime     text          `json:"lastUpdateTime"`
	ResolvedTime       text          `json:"resolvedTime"`
	MachineID          text          `json:"machineId"`
	ComputerDNSName    text          `json:"computerDnsName"`
	RbacGroupName      text          `json:"rbacGroupName"`
	RbacGroupID        text          `json:"rbacGroupId"`
	TenantID           text          `json:"aadTenantId"`
	AssignedTo         text          `json:"assignedTo"`
	RelatedUser        object[user]  `json:"relatedUser"`
	Comments           list[comment] `json:"comments"`
	LoggedOnUsers      list[user]    `json:"loggedOnUsers"`
	AlertUser          object[user]  `json:"alertUser"` // before 2020
	Evidence           pieces        `json:"evidence"`
	MitreTechniques    texts         `json:"mitreTechniques"`
}

// user is an account as the APIs nest it, under all its names.
type user struct {
	UserName          text `json:"userName"`
	AccountName       text `json:"accountName"`
	DomainName        text `json:"domainName"`
	UserSID           text `json:"userSid"`
	EntraObjectID     text `json:"azureAdUserId"`
	AADUserID         text `json:"aadUserId"`
	UserPrincipalName text `json:"userPrincipalName"`
	DisplayName       text `json:"displayName"`
}

func (u user) detection() formats.User {
	return formats.User{Name: first(u.AccountName, u.UserName), Domain: string(u.DomainName), SID: string(u.UserSID),
		ObjectID: first(u.EntraObjectID, u.AADUserID), UPN: string(u.UserPrincipalName), DisplayName: string(u.DisplayName)}
}

// qualified returns domain\name, or the name alone.
func (u user) qualified(in *arena) string {
	name := first(u.AccountName, u.UserName, u.UserPrincipalName)
	if name != "" && u.DomainName != "" {
		return in.join(string(u.DomainName), `\`, name)
	}
	return name
}

// comment is a comment under the names of all APIs.
type comment struct {
	Comment     text `json:"comment"`
	Author      text `json:"createdByDisplayName"`
	CreatedBy   text `json:"createdBy"`
	Created     text `json:"createdDateTime"`
	CreatedTime text `json:"createdTime"`
}

// fillComment takes the newest comment: APIs append.
func fillComment(d *formats.Detection, all list[comment], p *problemList) {
	if len(all) == 0 {
		return
	}
	c := all[len(all)-1].get()
	d.LastComment, d.LastCommentBy = string(c.Comment), first(c.Author, c.CreatedBy)
	d.Commented = p.moment("comment", text(first(c.Created, c.CreatedTime)))
}

// Alerts is the alerts API of Defender for Endpoint.
const Alerts API = "alerts"

var endpointAlerts = recordKind{
	api:      Alerts,
	decode:   decodeAlert,
	evidence: "evidence",
	typeOf:   endpointType,
	alerts:   true,
	signs:    []string{"alertCreationTime", "machineId id"},
}

var alertReader = newReader[endpointAlert]()

func decodeAlert(s *scanner, raw []byte, d *formats.Detection, p *problemList) error {
	r, err := alertReader.read(s, raw)
	d.ID, d.AlertID, d.IncidentID = string(r.ID), string(r.ID), string(r.IncidentID)
	d.InvestigationID, d.InvestigationState = string(r.InvestigationID), string(r.InvestigationState)
	d.Title, d.Description, d.RecommendedActions = string(r.Title), string(r.Description), string(r.RecommendedAction)
	d.Category, d.SeverityText = string(r.Category), string(r.Severity)
	d.Severity = severityOf(d.SeverityText)
	d.Status, d.Classification, d.Determination = string(r.Status), string(r.Classification), string(r.Determination)
	d.DetectionSource, d.DetectorID = string(r.DetectionSource), string(r.DetectorID)
	d.ThreatName, d.ThreatFamily = string(r.ThreatName), string(r.ThreatFamilyName)
	d.Techniques = append(d.Techniques, r.MitreTechniques...)
	d.Created = p.moment("alertCreationTime", r.AlertCreationTime)
	d.FirstActivity = p.moment("firstEventTime", r.FirstEventTime)
	d.LastActivity = p.moment("lastEventTime", r.LastEventTime)
	d.Updated = p.moment("lastUpdateTime", r.LastUpdateTime)
	d.Resolved = p.moment("resolvedTime", r.ResolvedTime)
	d.TenantID, d.AssignedTo = string(r.TenantID), string(r.AssignedTo)
	fillComment(d, r.Comments, p)
	d.AlertLink = s.portalLink("alerts", d.AlertID, d.TenantID)
	if d.IncidentID != "" {
		d.IncidentLink = s.portalLink("incidents", d.IncidentID, d.TenantID)
	}
	d.Device.ID, d.Device.Group, d.Device.GroupID = string(r.MachineID), string(r.RbacGroupName), string(r.RbacGroupID)
	setHost(&d.Device, string(r.ComputerDNSName), "")
	for _, u := range r.LoggedOnUsers {
		if name := u.get().qualified(&s.texts); name != "" {
			d.Device.LoggedOnUsers = append(d.Device.LoggedOnUsers, name)
		}
	}
	if r.RelatedUser.is != nil {
		d.User = r.RelatedUser.is.detection()
	} else if r.AlertUser.is != nil {
		d.User = r.AlertUser.is.detection()
	}
	s.addEvidence(d, r.Evidence, endpointType, p)
	return err
}

// portalLink is where the portal shows an alert or incident.
func (s *scanner) portalLink(what, id, tenant string) string {
	const portal = "https://security.microsoft.com/"
	switch {
	case id == "":
		return ""
	case tenant == "":
		return s.texts.join(portal, what, "/", id)
	}
	return s.texts.join(portal, what, "/", id, "?tid=", tenant)
}

// setHost fills in a device's names from its full and its short one.
func setHost(d *formats.Device, fqdn, short string) {
	name, domain, dotted := strings.Cut(fqdn, ".")
	if short == "" {
		short = name
	}
	if dotted && d.DNSDomain == "" && !isAddress(fqdn) {
		d.DNSDomain = domain
	}
	if isAddress(fqdn) {
		short = fqdn
	}
	d.FQDN, d.Name = fqdn, short
}

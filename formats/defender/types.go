package defender

import (
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// evidenceType is what is known of the types of evidence that fill one role of a Detection.
type evidenceType struct {
	types string // in Graph's words

	// fill puts what a piece is about into its role, unless a more telling piece has it already.
	fill func(e *piece, d *formats.Detection)

	// names are the properties that make a piece the one it is, for the key of its own record; nil when the type has
	// none of its own here.
	names func(e *piece) []string

	// holds gives the fields that properties fill, by the property's name as the APIs nest it. What is held by none is
	// listed in Detection's EvidenceDetails, so that a property that nobody knew of reaches the SIEM all the same.
	holds map[string]string
}

// evidenceTypes has all that are known. A new type is an entry here and, when its properties are new, their fields in
// piece. A type without an entry is taken for a resource of a cloud when its name says so; else all of it is in
// EvidenceDetails.
var evidenceTypes = []evidenceType{
	{types: "device ioTDevice", fill: func(e *piece, d *formats.Detection) {
		if d.Device.ID == "" && d.Device.Name == "" || e.sameDevice(&d.Device) {
			e.fillDevice(&d.Device)
		}
	}, names: func(e *piece) []string {
		return []string{first(e.MdeDeviceID, e.MdatpDeviceID, e.DeviceID, e.EntraDeviceID, e.AADDeviceID, e.DeviceDNSName, e.HostName)}
	}, holds: heldDevice},

	{types: "user", fill: func(e *piece, d *formats.Detection) {
		if d.User == (formats.User{}) {
			d.User = e.account().detection()
		}
	}, names: func(e *piece) []string {
		u := e.account()
		return []string{first(u.UserSID, u.EntraObjectID, u.AADUserID, u.UserPrincipalName, text(u.qualified(e.in)))}
	}, holds: heldUser},

	{types: "file", fill: func(e *piece, d *formats.Detection) {
		if d.File == (formats.File{}) {
			d.File = e.fileDetection()
		}
	}, names: func(e *piece) []string {
		f := e.fileDetection()
		return []string{e.deviceID(), first(text(f.SHA1), text(f.SHA256), text(f.MD5)), first(text(f.Path), text(f.Name))}
	}, holds: heldFile},

	{types: "fileHash", fill: func(e *piece, d *formats.Detection) {
		if d.File != (formats.File{}) {
			return
		}
		switch strings.ToLower(string(e.HashAlgorithm)) {
		case "md5":
			d.File.MD5 = string(e.HashValue)
		case "sha1":
			d.File.SHA1 = string(e.HashValue)
		case "sha256":
			d.File.SHA256 = string(e.HashValue)
		}
	}, holds: map[string]string{"value": "file.sha1 file.sha256 file.md5"}},

	{types: "process", fill: func(e *piece, d *formats.Detection) {
		if d.Process == (formats.Process{}) {
			d.Process = e.processDetection()
		}
	}, names: func(e *piece) []string {
		p := e.processDetection()
		return []string{e.deviceID(), p.ID, p.Created, first(text(p.Path), text(p.Name)), p.CommandLine}
	}, holds: heldProcess},

	{types: "ip", fill: func(e *piece, d *formats.Detection) {
		if d.Network.RemoteAddress == "" {
			d.Network.RemoteAddress, d.Network.RemoteCountry = string(e.IPAddress), string(e.CountryCode)
		}
	}, names: func(e *piece) []string { return []string{string(e.IPAddress)} },
		holds: map[string]string{"ipAddress": "network.remote_address device.addresses", "countryLetterCode": "network.remote_country"}},

	{types: "networkConnection", fill: func(e *piece, d *formats.Detection) {
		if n := &d.Network; n.SourceAddress == "" && n.DestinationAddress == "" {
			n.SourceAddress, n.SourcePort = string(e.SourceAddress.get().IPAddress), string(e.SourcePort)
			n.DestinationAddress, n.DestinationPort = string(e.DestAddress.get().IPAddress), string(e.DestPort)
			n.Protocol = string(e.Protocol)
		}
	}, holds: map[string]string{"sourceAddress.ipAddress": "network.source_address", "sourcePort": "network.source_port",
		"destinationAddress.ipAddress": "network.destination_address", "destinationPort": "network.destination_port", "protocol": "network.protocol"}},

	{types: "dns", fill: func(e *piece, d *formats.Detection) {
		if d.Network.Domain == "" {
			d.Network.Domain = string(e.DomainName)
		}
	}, holds: map[string]string{"domainName": "network.domain"}},

	{types: "url", fill: func(e *piece, d *formats.Detection) {
		if d.URL == "" {
			d.URL = string(e.URL)
		}
	}, names: func(e *piece) []string { return []string{string(e.URL)} },
		holds: map[string]string{"url": "url cloud.resource_id"}},

	{types: "analyzedMessage", fill: fillMail, names: func(e *piece) []string {
		return []string{first(e.NetworkMessageID, e.InternetMessageID), string(e.RecipientAddress)}
	}, holds: heldMail},

	{types: "mailCluster", fill: fillMail, names: func(e *piece) []string {
		return []string{string(e.ClusterBy), string(e.ClusterByValue)}
	}, holds: map[string]string{"clusterBy": "mail.cluster_by", "clusterByValue": "mail.cluster_value", "emailCount": "mail.cluster_count"}},

	{types: "submissionMail teamsMessage", fill: fillMail},

	{types: "mailbox", fill: fillMailbox, names: func(e *piece) []string {
		return []string{first(e.PrimaryAddress, e.MailboxAddress, e.UPN)}
	}, holds: map[string]string{"primaryAddress": "mailbox.address", "mailboxAddress": "mailbox.address", "mailboxPrimaryAddress": "mailbox.address",
		"upn": "mailbox.upn", "mailboxDisplayName": "mailbox.display_name", "displayName": "mailbox.display_name"}},

	{types: "mailboxConfiguration", fill: fillMailbox},

	{types: "registryKey registryValue", fill: func(e *piece, d *formats.Detection) {
		if d.Registry == (formats.Registry{}) {
			d.Registry = formats.Registry{Hive: string(e.RegistryHive), Key: string(e.RegistryKey), ValueName: string(e.RegistryValueName),
				ValueType: string(e.RegistryValueType), Value: string(e.RegistryValue)}
			d.Registry.Path = strings.Trim(e.in.join(d.Registry.Hive, `\`, d.Registry.Key), `\`)
		}
	}, names: func(e *piece) []string {
		return []string{e.deviceID(), string(e.RegistryHive), string(e.RegistryKey), string(e.RegistryValueName), string(e.RegistryValue)}
	}, holds: map[string]string{"registryHive": "registry.hive", "registryKey": "registry.key", "registryValueName": "registry.value_name",
		"registryValueType": "registry.value_type", "registryValue": "registry.value"}},

	{types: "oauthApplication cloudApplication servicePrincipal", fill: func(e *piece, d *formats.Detection) {
		if d.App == (formats.App{}) {
			d.App = formats.App{ID: first(e.AppID, e.ApplicationID, e.ObjectID, e.ServicePrincipalID),
				Name: first(e.DisplayName, e.ApplicationName, e.ServicePrincipal, e.InstanceName)}
		}
	}, holds: map[string]string{"appId": "app.id", "applicationId": "app.id", "objectId": "app.id", "servicePrincipalObjectId": "app.id",
		"displayName": "app.name", "applicationName": "app.name", "servicePrincipalName": "app.name", "instanceName": "app.name"}},

	{types: "malware", fill: func(e *piece, d *formats.Detection) {
		if d.ThreatName == "" {
			d.ThreatName, d.ThreatCategory = string(e.Name), string(e.MalwareCategory)
		}
	}, holds: map[string]string{"name": "threat_name", "category": "threat_category"}},
}

// cloudResource is what is known of a type without an entry.
var cloudResource = evidenceType{fill: fillCloud, names: func(e *piece) []string {
	return []string{first(e.ResourceID, e.AmazonResourceID, e.FullResourceName, e.ImageID, e.ContainerID, e.SecurityGroupID)}
}, holds: map[string]string{
	"resourceId": "cloud.resource_id", "amazonResourceId": "cloud.resource_id", "fullResourceName": "cloud.resource_id", "imageId": "cloud.resource_id", "containerId": "cloud.resource_id",
	"resourceName": "cloud.name", "name": "cloud.name", "registry": "cloud.name", "displayName": "cloud.name", "resourceType": "cloud.type",
	"amazonAccountId": "cloud.account", "projectId": "cloud.account",
}}

// typesByName finds an entry by the name of a type.
var typesByName = func() map[string]*evidenceType {
	all := map[string]*evidenceType{}
	for i := range evidenceTypes {
		for name := range strings.FieldsSeq(evidenceTypes[i].types) {
			all[name] = &evidenceTypes[i]
		}
	}
	return all
}()

func (e *piece) knownType() *evidenceType {
	if known := typesByName[e.kind]; known != nil {
		return known
	}
	return &cloudResource
}

// fill puts what the piece is about into the role of its type, unless a more telling piece has it already.
func (e *piece) fill(d *formats.Detection) { e.knownType().fill(e, d) }

// names are the properties that make a piece the one it is; all empty where its type has none of its own here.
func (e *piece) names() []string {
	if names := e.knownType().names; names != nil {
		return names(e)
	}
	return cloudResource.names(e)
}

// cloudTypes begin the names of the evidence types that are resources.
var cloudTypes = []string{"azureResource", "amazonResource", "googleCloudResource", "blob", "container", "kubernetes", "sasToken", "gitHub", "aiAgent"}

func fillCloud(e *piece, d *formats.Detection) {
	if d.Cloud != (formats.Cloud{}) {
		return
	}
	for _, prefix := range cloudTypes {
		if strings.HasPrefix(e.kind, prefix) {
			d.Cloud = formats.Cloud{Kind: e.kind, ResourceID: first(e.ResourceID, e.AmazonResourceID, e.FullResourceName, e.ImageID, e.ContainerID, e.URL),
				Name: first(e.ResourceName, e.Name, e.Registry, e.DisplayName), Type: string(e.ResourceType),
				Account: first(e.AmazonAccountID, e.ProjectID, e.Namespace)}
			return
		}
	}
}

func fillMailbox(e *piece, d *formats.Detection) {
	if d.Mailbox == (formats.Mailbox{}) {
		d.Mailbox = formats.Mailbox{Address: first(e.PrimaryAddress, e.MailboxAddress, e.MailboxPrimary),
			UPN: first(e.UPN, e.UserPrincipalName), DisplayName: first(e.DisplayName, e.MailboxName)}
	}
}

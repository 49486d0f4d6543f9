package defender

import (
	"slices"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// holder is a field of Detection that holds what a property of evidence says.
type holder struct {
	field formats.Field
	begin bool // the property may be the folder of the field's path
}

// has reports whether the field holds the value.
func (h holder) has(d *formats.Detection, value string) bool {
	if h.field.Type() == formats.TypeList {
		return slices.Contains(h.field.List(d), value)
	}
	held := h.field.Text(d)
	return held == value || h.begin && strings.HasPrefix(held, value)
}

// heldBy says what holds a property of evidence, and the properties of its object.
type heldBy struct {
	fields    []holder
	common    bool // all pieces have it
	otherwise bool // see heldOtherwise
	members   map[string]*heldBy
}

// holders has the fields that properties of evidence fill, by the property's name as the APIs nest it. What is held
// by none of them is listed in Detection's EvidenceDetails. formats' test of every property finds what is missing here
// or in a mapping: it would reach no SIEM.
var holders = func() *heldBy {
	all := &heldBy{}
	by := func(property string) *heldBy {
		one := all
		for name := range strings.SplitSeq(property, ".") {
			if one.members == nil {
				one.members = map[string]*heldBy{}
			}
			if one.members[name] == nil {
				one.members[name] = &heldBy{}
			}
			one = one.members[name]
		}
		return one
	}
	hold := func(prefix string, of map[string]string) {
		for property, names := range of {
			for name := range strings.FieldsSeq(names) {
				f, err := formats.FieldByName(name)
				if err != nil {
					panic("defender: " + err.Error())
				}
				one := by(prefix + property)
				one.fields = append(one.fields, holder{f, strings.HasSuffix(name, "path")})
			}
		}
	}
	hold("", heldCommon)
	for _, t := range append(evidenceTypes, cloudResource) {
		hold("", t.holds)
	}
	hold("host.", heldDevice)
	hold("userAccount.", heldUser)
	hold("account.userAccount.", heldUser)
	hold("fileDetails.", heldFile)
	for property := range heldCommon {
		by(property).common = true
	}
	for _, property := range heldOtherwise {
		by(property).otherwise = true
	}
	return all
}()

var (
	heldCommon = map[string]string{
		"verdict": "verdict", "remediationStatus": "remediation", "detectionStatus": "remediation", "remediationStatusDetails": "remediation_detail",
		"roles": "evidence_roles", "detailedRoles": "evidence_detailed_roles", "tags": "evidence_tags device.tags",
	}
	heldDevice = map[string]string{
		"mdeDeviceId": "device.id", "mdatpDeviceId": "device.id", "deviceId": "device.id", "azureAdDeviceId": "device.entra_id", "aadDeviceId": "device.entra_id",
		"deviceDnsName": "device.fqdn", "hostName": "device.name", "deviceName": "device.fqdn", "dnsDomain": "device.dns_domain", "ntDomain": "device.nt_domain",
		"ipInterfaces": "device.addresses", "lastIpAddress": "device.addresses", "lastExternalIpAddress": "device.external_address", "macAddress": "device.mac",
		"osPlatform": "device.os", "operatingSystem": "device.os", "osBuild": "device.os_build", "version": "device.os_version", "osProcessor": "device.processor",
		"healthStatus": "device.health", "riskScore": "device.risk", "onboardingStatus": "device.onboarding", "defenderAvStatus": "device.antivirus",
		"rbacGroupId": "device.group_id", "rbacGroupName": "device.group", "firstSeenDateTime": "device.first_seen", "firstSeen": "device.first_seen",
		"vmMetadata.vmId": "device.vm_id", "vmMetadata.resourceId": "device.vm_resource_id", "vmMetadata.subscriptionId": "device.subscription_id",
	}
	heldUser = map[string]string{
		"accountName": "user.name", "userName": "user.name", "domainName": "user.domain", "userSid": "user.sid", "azureAdUserId": "user.object_id",
		"aadUserId": "user.object_id", "userPrincipalName": "user.upn mailbox.upn", "displayName": "user.display_name",
	}
	heldFile = map[string]string{
		"fileName": "file.name", "filePath": "file.path", "fileSize": "file.size", "sha1": "file.sha1", "sha256": "file.sha256", "md5": "file.md5",
		"filePublisher": "file.publisher", "signer": "file.signer", "issuer": "file.issuer",
	}
	heldProcess = map[string]string{
		"fileName": "process.name", "filePath": "process.path", "sha1": "process.sha1", "sha256": "process.sha256", "md5": "process.md5", // flat in the Endpoint and XDR APIs
		"imageFile.fileName": "process.name", "imageFile.filePath": "process.path", "imageFile.sha1": "process.sha1", "imageFile.sha256": "process.sha256", "imageFile.md5": "process.md5",
		"parentProcessImageFile.fileName": "process.parent_name", "parentProcessImageFile.filePath": "process.parent_path",
		"parentProcessFileName": "process.parent_name", "parentProcessFilePath": "process.parent_path",
		"processId": "process.id", "processCommandLine": "process.command_line", "parentProcessId": "process.parent_id",
		"processCreationDateTime": "process.created", "processCreationTime": "process.created",
		"parentProcessCreationDateTime": "process.parent_created", "parentProcessCreationTime": "process.parent_created",
	}
	heldMail = map[string]string{
		"p1Sender.emailAddress": "mail.sender", "p2Sender.emailAddress": "mail.sender", "sender": "mail.sender", "senderFromAddress": "mail.sender",
		"senderIp": "mail.sender_address", "senderIP": "mail.sender_address", "recipientEmailAddress": "mail.recipient", "recipient": "mail.recipient", "recipients": "mail.recipient",
		"subject": "mail.subject", "networkMessageId": "mail.network_message_id", "internetMessageId": "mail.internet_message_id", "messageId": "mail.internet_message_id",
		"deliveryAction": "mail.delivery_action", "deliveryLocation": "mail.delivery_location", "threats": "mail.threats",
	}
)

// heldOtherwise are properties that fields hold in another form, or that pieces which are not the most telling one of
// their alert need not repeat.
var heldOtherwise = []string{"entityType", "createdDateTime", "evidenceCreationTime", "loggedOnUsers.accountName", "loggedOnUsers.domainName"}

// saysNothing reports whether one of the properties that all pieces have says so of a piece.
func saysNothing(word string) bool {
	return strings.EqualFold(word, "none") || strings.EqualFold(word, "unknown")
}

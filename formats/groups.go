package formats

import "time"

// IOC is the indicator that matched, as the detections API names it.
type IOC struct {
	Name         string `detection:"name"`          // IocName: its kind
	Value        string `detection:"value"`         // IocValue
	CreatorName  string `detection:"creator_name"`  // CreatorIocName
	CreatorValue string `detection:"creator_value"` // CreatorIocValue
	UniqueID     string `detection:"unique_id"`     // IocUniqueId
}

// Device is the affected machine.
type Device struct {
	ID              string   `detection:"id"`               // Defender for Endpoint device id, 40 hexadecimal digits
	EntraID         string   `detection:"entra_id"`         // object id in Entra ID
	Name            string   `detection:"name"`             // short name: MachineName, hostName, or the first label of FQDN
	FQDN            string   `detection:"fqdn"`             // ComputerDnsName, deviceDnsName
	DNSDomain       string   `detection:"dns_domain"`       // of FQDN, where the API gives it apart
	NTDomain        string   `detection:"nt_domain"`        // ntDomain: the Windows domain
	Address         string   `detection:"address"`          // first usable address: not loopback, not link-local; IPv4 before IPv6
	Addresses       []string `detection:"addresses"`        // all of them
	ExternalAddress string   `detection:"external_address"` // lastExternalIpAddress: as seen by Microsoft
	MAC             string   `detection:"mac"`              // as sent: with colons, dashes or neither
	OS              string   `detection:"os"`               // osPlatform, operatingSystem, e.g. Windows11
	OSVersion       string   `detection:"os_version"`       // e.g. 23H2
	OSBuild         string   `detection:"os_build"`         // a number
	Processor       string   `detection:"processor"`        // osProcessor, e.g. x64
	Group           string   `detection:"group"`            // rbacGroupName
	GroupID         string   `detection:"group_id"`         // rbacGroupId
	Tags            []string `detection:"tags"`             // of the device in Defender
	Health          string   `detection:"health"`           // healthStatus: whether its sensor reports
	Risk            string   `detection:"risk"`             // riskScore: a word
	Onboarding      string   `detection:"onboarding"`       // onboardingStatus
	Antivirus       string   `detection:"antivirus"`        // defenderAvStatus
	FirstSeen       string   `detection:"first_seen"`       // text as sent
	LoggedOnUsers   []string `detection:"logged_on_users"`  // domain\name or name, in Microsoft's order
	VMID            string   `detection:"vm_id"`            // of the virtual machine: vmId
	VMResourceID    string   `detection:"vm_resource_id"`   // its Azure resource id
	SubscriptionID  string   `detection:"subscription_id"`  // its Azure subscription
}

// User is the account the detection is about.
type User struct {
	Name        string `detection:"name"`         // account name without domain
	Domain      string `detection:"domain"`       // Windows domain
	SID         string `detection:"sid"`          // security identifier, S-1-...
	ObjectID    string `detection:"object_id"`    // Entra ID
	UPN         string `detection:"upn"`          // user principal name, name@domain
	DisplayName string `detection:"display_name"` // for people
}

// File is the file the detection is about.
type File struct {
	Name      string `detection:"name"`      // without the folder
	Path      string `detection:"path"`      // full path with the name, joined where an API gives the folder only
	Size      string `detection:"size"`      // bytes
	SHA1      string `detection:"sha1"`      // 40 hexadecimal digits
	SHA256    string `detection:"sha256"`    // 64 hexadecimal digits
	MD5       string `detection:"md5"`       // 32 hexadecimal digits
	Publisher string `detection:"publisher"` // filePublisher; Graph only, like the next two
	Signer    string `detection:"signer"`    // of the signature
	Issuer    string `detection:"issuer"`    // of the signer's certificate
}

// Process is the process the detection is about, with its parent.
type Process struct {
	ID            string `detection:"id"`             // processId, decimal
	Name          string `detection:"name"`           // of the image, without the folder
	Path          string `detection:"path"`           // full path of the image
	CommandLine   string `detection:"command_line"`   // with all arguments, which may hold secrets of the device
	Created       string `detection:"created"`        // text as sent
	SHA1          string `detection:"sha1"`           // of the image
	SHA256        string `detection:"sha256"`         // of the image
	MD5           string `detection:"md5"`            // of the image
	User          string `detection:"user"`           // domain\name or name
	ParentID      string `detection:"parent_id"`      // decimal
	ParentName    string `detection:"parent_name"`    // of the parent's image
	ParentPath    string `detection:"parent_path"`    // full path of the parent's image
	ParentCreated string `detection:"parent_created"` // text as sent
}

// Network is the remote end, and the connection where one is known.
type Network struct {
	RemoteAddress      string `detection:"remote_address"`      // ipEvidence, Ip entity, IpAddress of the detections API
	RemoteCountry      string `detection:"remote_country"`      // countryLetterCode, two letters
	SourceAddress      string `detection:"source_address"`      // networkConnectionEvidence; beats the others
	SourcePort         string `detection:"source_port"`         // decimal
	DestinationAddress string `detection:"destination_address"` // networkConnectionEvidence
	DestinationPort    string `detection:"destination_port"`    // decimal
	Protocol           string `detection:"protocol"`            // e.g. tcp
	Domain             string `detection:"domain"`              // dnsEvidence
}

// Mail is the message the detection is about.
type Mail struct {
	Sender            string   `detection:"sender"`              // address of the header's sender, else of the envelope's
	SenderAddress     string   `detection:"sender_address"`      // IP
	Recipient         string   `detection:"recipient"`           // address; of several, the first
	Subject           string   `detection:"subject"`             // as sent
	NetworkMessageID  string   `detection:"network_message_id"`  // Exchange's: one for all copies
	InternetMessageID string   `detection:"internet_message_id"` // Message-ID of the header (RFC 5322, section 3.6.4)
	DeliveryAction    string   `detection:"delivery_action"`     // e.g. delivered, blocked
	DeliveryLocation  string   `detection:"delivery_location"`   // e.g. inbox, quarantine
	Threats           []string `detection:"threats"`             // their names
	ClusterBy         string   `detection:"cluster_by"`          // what mails of a cluster have in common
	ClusterValue      string   `detection:"cluster_value"`       // the value that they share
	ClusterCount      string   `detection:"cluster_count"`       // how many they are, decimal
}

// Mailbox is the affected mailbox.
type Mailbox struct {
	Address     string `detection:"address"`      // primary address
	UPN         string `detection:"upn"`          // of its owner
	DisplayName string `detection:"display_name"` // for people
}

// Registry is the registry key or value the detection is about.
type Registry struct {
	Hive      string `detection:"hive"`       // e.g. HKEY_LOCAL_MACHINE
	Key       string `detection:"key"`        // without the hive
	Path      string `detection:"path"`       // hive and key joined by a backslash
	ValueName string `detection:"value_name"` // "" for a key alone
	ValueType string `detection:"value_type"` // e.g. string
	Value     string `detection:"value"`      // as text
}

// Cloud is the affected resource: Azure, Amazon, Google, containers, Kubernetes, storage.
type Cloud struct {
	Kind       string `detection:"kind"`        // evidence type, e.g. azureResource
	ResourceID string `detection:"resource_id"` // in the cloud's own form; of a storage object its address
	Name       string `detection:"name"`        // for people
	Type       string `detection:"type"`        // the cloud's word for what it is
	Account    string `detection:"account"`     // subscription, account or project
}

// App is the application the detection is about.
type App struct {
	ID   string `detection:"id"`   // client id, or what else identifies it
	Name string `detection:"name"` // for people
}

// Evidence is one piece of evidence with what all pieces have in common.
type Evidence struct {
	Type              string    // e.g. "process", "analyzedMessage": Graph's type without namespace and "Evidence", in the same words for every API
	Created           time.Time // when it was added
	Verdict           string    // Microsoft's word, e.g. malicious
	Remediation       string    // remediationStatus
	RemediationDetail string    // remediationStatusDetails
	DetectionStatus   string    // detectionStatus: whether it was stopped
	Roles             []string  // Graph: the part it has in the alert
	Tags              []string  // Graph
	Raw               []byte    // this piece alone; aliases Detection.Raw
}

package defender

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// maxEvidence is how many pieces of one record are read; an alert with more keeps the rest in Raw.
const maxEvidence = 10_000

// endpointTypes gives the evidence words of the Endpoint and XDR APIs in the words of Graph.
var endpointTypes = map[string]string{
	"user": "user", "process": "process", "file": "file", "ip": "ip", "url": "url", "mailbox": "mailbox",
	"mailmessage": "analyzedMessage", "mailcluster": "mailCluster", "registry": "registryValue",
	"securitygroup": "securityGroup", "cloudapplication": "cloudApplication", "machine": "device", "device": "device",
}

func endpointType(e *piece) string {
	var room [32]byte
	t, ok := endpointTypes[string(appendLower(room[:0], string(e.EntityType)))]
	if !ok {
		return lowerFirst(string(e.EntityType))
	}
	if t == "registryValue" && e.RegistryValueName == "" && e.RegistryValue == "" {
		return "registryKey"
	}
	return t
}

// graphType takes "process" out of "#microsoft.graph.security.processEvidence".
func graphType(e *piece) string {
	t := string(e.Type)
	t = t[strings.LastIndexByte(t, '.')+1:]
	return strings.TrimSuffix(t, "Evidence")
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// evidenceReader is what a scanner needs to read evidence.
type evidenceReader struct {
	pieces   []*piece          // those of the Detection, in its order
	ranked   []*piece          // the same, the most telling first
	identity []byte            // of all pieces, one behind the other
	lines    []byte            // for the content hash: a line for each piece
	spans    [][2]int          // of the lines
	seen     map[uint64]*piece // by the hash of kind and identity
	device   *piece            // of Defender XDR: the device that stands beside the list
}

func (r *evidenceReader) reset() {
	clear(r.pieces)
	r.device = nil
	clear(r.ranked)
	r.pieces, r.ranked, r.identity = r.pieces[:0], r.ranked[:0], r.identity[:0]
	if len(r.seen) > 256 {
		r.seen = nil
	}
	clear(r.seen)
}

var identitySeed = maphash.MakeSeed()

// repeated reports whether a piece of the same identity is there already. A piece that says nothing of its own never
// is.
func (r *evidenceReader) repeated(e *piece) bool {
	start := len(r.identity)
	r.identity = e.appendIdentity(r.identity)
	e.identity = r.identity[start:]
	if len(e.identity) == 0 {
		return false
	}
	hash := 31*maphash.String(identitySeed, e.kind) + maphash.Bytes(identitySeed, e.identity)
	if old, ok := r.seen[hash]; ok {
		return old.kind == e.kind && bytes.Equal(old.identity, e.identity)
	}
	if r.seen == nil {
		r.seen = map[uint64]*piece{}
	}
	r.seen[hash] = e
	return false
}

// addEvidence reads all pieces into d.Evidence and fills the roles from them, the most telling piece first.
func (s *scanner) addEvidence(d *formats.Detection, all pieces, typeOf func(*piece) string, p *problemList) {
	if all == nil {
		return
	}
	if d.EvidenceID != "" {
		s.addPart(d, all, typeOf, p)
		return
	}
	d.EvidenceCount = strconv.Itoa(len(all))
	if len(all) > maxEvidence {
		p.add("evidence", "only the first "+strconv.Itoa(maxEvidence)+" pieces were read")
		all = all[:maxEvidence]
	}
	r := &s.evidence
	for _, e := range all {
		if e == nil {
			p.add("evidence", "a piece that is no object")
			continue
		}
		e.in = &s.texts
		if e.kind = typeOf(e); r.repeated(e) {
			continue
		}
		r.pieces = append(r.pieces, e)
		if s.whole {
			e.rank = e.telling()
			d.Evidence = append(d.Evidence, e.evidence(p))
		}
	}
	if !s.whole {
		return
	}
	r.ranked = append(r.ranked, r.pieces...)
	slices.SortStableFunc(r.ranked, func(a, b *piece) int { return cmp.Compare(a.rank, b.rank) })
	for _, e := range r.ranked {
		e.fill(d)
	}
	for _, e := range r.ranked {
		e.fillNested(d)
	}
	if len(r.ranked) > 0 {
		r.ranked[0].fillCommon(d, p)
	}
}

// addPart reads the record of one piece of evidence: the piece, then the device and the account it belongs to.
func (s *scanner) addPart(d *formats.Detection, all pieces, typeOf func(*piece) string, p *problemList) {
	for i, e := range all {
		if e == nil {
			continue
		}
		e.kind, e.in = typeOf(e), &s.texts
		e.fill(d)
		if i > 0 {
			continue
		}
		e.fillNested(d)
		d.Evidence = append(d.Evidence, e.evidence(p))
		d.EvidenceType = e.kind
		e.fillCommon(d, p)
		s.evidence.repeated(e)
		s.evidence.pieces = append(s.evidence.pieces, e)
		s.evidence.ranked = append(s.evidence.ranked, e)
	}
}

// fillCommon fills what all pieces have in common.
func (e *piece) fillCommon(d *formats.Detection, p *problemList) {
	if d.Remediation == "" {
		d.Remediation = e.remediation()
	}
	d.Verdict, d.RemediationDetail = string(e.Verdict), string(e.RemediationStatusDetails)
	d.EvidenceTime = p.moment("evidence time", text(first(e.Created, e.EvidenceCreationTime)))
	d.EvidenceRoles = append(d.EvidenceRoles, e.Roles...)
	d.EvidenceDetailedRoles = append(d.EvidenceDetailedRoles, e.DetailedRoles...)
	if e.kind != "device" {
		d.EvidenceTags = append(d.EvidenceTags, e.Tags...)
	}
}

// evidence is what all pieces have in common.
func (e *piece) evidence(p *problemList) formats.Evidence {
	return formats.Evidence{Type: e.kind, Created: p.moment("evidence time", text(first(e.Created, e.EvidenceCreationTime))),
		Verdict: string(e.Verdict), Remediation: string(e.RemediationStatus), RemediationDetail: string(e.RemediationStatusDetails),
		DetectionStatus: string(e.DetectionStatus), Roles: e.Roles, Tags: e.Tags, Raw: e.raw}
}

// telling orders pieces by how much they tell: verdict first, then role; the order of the API decides the rest.
func (e *piece) telling() int {
	var room [32]byte
	rank := 0
	switch string(appendLower(room[:0], string(e.Verdict))) {
	case "malicious":
	case "suspicious":
		rank = 1
	case "nothreatsfound", "clean":
		rank = 3
	default:
		rank = 2
	}
	best := 3
	for _, role := range e.Roles {
		switch string(appendLower(room[:0], role)) {
		case "attacked", "compromised", "attacker", "commandandcontrol":
			best = min(best, 0)
		case "suspicious", "source", "destination", "policyviolator":
			best = min(best, 1)
		case "contextual", "scanned":
		default:
			best = min(best, 2)
		}
	}
	return rank*4 + best
}

// remediation is what was done about the piece.
func (e *piece) remediation() string {
	if s := string(e.RemediationStatus); s != "" && !strings.EqualFold(s, "none") {
		return s
	}
	return string(e.DetectionStatus)
}

// piece is one piece of evidence of any type and API: the union of the properties that fill a role.
type piece struct {
	kind     string
	rank     int
	identity []byte // see appendIdentity
	raw      []byte // the piece as it stands in the record
	path     string // of the file, once it was asked for
	in       *arena // where texts are put together; nil: anywhere

	Type                     text  `json:"@odata.type"`
	EntityType               text  `json:"entityType"`
	Created                  text  `json:"createdDateTime"`
	EvidenceCreationTime     text  `json:"evidenceCreationTime"`
	Verdict                  text  `json:"verdict"`
	RemediationStatus        text  `json:"remediationStatus"`
	RemediationStatusDetails text  `json:"remediationStatusDetails"`
	DetectionStatus          text  `json:"detectionStatus"`
	Roles                    texts `json:"roles"`
	DetailedRoles            texts `json:"detailedRoles"`
	Tags                     texts `json:"tags"`

	device
	file
	process
	user
	mail
	registry
	resource

	IPAddress         text          `json:"ipAddress"`
	CountryCode       text          `json:"countryLetterCode"`
	URL               text          `json:"url"`
	UserAccount       object[user]  `json:"userAccount"`
	Account           object[piece] `json:"account"`
	Host              object[piece] `json:"host"`
	SourceAddress     object[piece] `json:"sourceAddress"`
	SourcePort        text          `json:"sourcePort"`
	DestAddress       object[piece] `json:"destinationAddress"`
	DestPort          text          `json:"destinationPort"`
	Protocol          text          `json:"protocol"`
	DomainName        text          `json:"domainName"`
	Name              text          `json:"name"`
	DisplayName       text          `json:"displayName"`
	ID                text          `json:"id"`
	MalwareCategory   text          `json:"category"`
	HashAlgorithm     text          `json:"algorithm"`
	HashValue         text          `json:"value"`
	ApplicationID     text          `json:"applicationId"`
	ApplicationName   text          `json:"applicationName"`
	SecurityGroupID   text          `json:"securityGroupId"`
	SecurityGroupName text          `json:"securityGroupName"`
}

type device struct {
	DeviceID            text       `json:"deviceId"`
	MdeDeviceID         text       `json:"mdeDeviceId"`
	MdatpDeviceID       text       `json:"mdatpDeviceId"`
	EntraDeviceID       text       `json:"azureAdDeviceId"`
	AADDeviceID         text       `json:"aadDeviceId"`
	DeviceDNSName       text       `json:"deviceDnsName"`
	HostName            text       `json:"hostName"`
	DNSDomain           text       `json:"dnsDomain"`
	NTDomain            text       `json:"ntDomain"`
	IPInterfaces        texts      `json:"ipInterfaces"`
	LastIPAddress       text       `json:"lastIpAddress"`
	LastExternalAddress text       `json:"lastExternalIpAddress"`
	MACAddress          text       `json:"macAddress"`
	OSPlatform          text       `json:"osPlatform"`
	OSBuild             text       `json:"osBuild"`
	OSVersion           text       `json:"version"`
	Processor           text       `json:"osProcessor"`
	OperatingSystem     text       `json:"operatingSystem"`
	HealthStatus        text       `json:"healthStatus"`
	RiskScore           text       `json:"riskScore"`
	OnboardingStatus    text       `json:"onboardingStatus"`
	AVStatus            text       `json:"defenderAvStatus"`
	GroupID             text       `json:"rbacGroupId"`
	GroupName           text       `json:"rbacGroupName"`
	FirstSeen           text       `json:"firstSeenDateTime"`
	FirstSeenXDR        text       `json:"firstSeen"`
	LoggedOnUsers       list[user] `json:"loggedOnUsers"`
	VM                  object[vm] `json:"vmMetadata"`
	DeviceName          text       `json:"deviceName"`
}

type vm struct {
	ID             text `json:"vmId"`
	ResourceID     text `json:"resourceId"`
	SubscriptionID text `json:"subscriptionId"`
}

type file struct {
	Details  object[fileDetails] `json:"fileDetails"`
	FileName text                `json:"fileName"`
	FilePath text                `json:"filePath"`
	SHA1     text                `json:"sha1"`
	SHA256   text                `json:"sha256"`
	MD5      text                `json:"md5"`
}

type fileDetails struct {
	path string // once it was asked for

	FileName  text `json:"fileName"`
	FilePath  text `json:"filePath"`
	FileSize  text `json:"fileSize"`
	Publisher text `json:"filePublisher"`
	Issuer    text `json:"issuer"`
	Signer    text `json:"signer"`
	SHA1      text `json:"sha1"`
	SHA256    text `json:"sha256"`
	MD5       text `json:"md5"`
}

type process struct {
	ImageFile        object[fileDetails] `json:"imageFile"`
	ParentImageFile  object[fileDetails] `json:"parentProcessImageFile"`
	ProcessID        text                `json:"processId"`
	CommandLine      text                `json:"processCommandLine"`
	ProcessCreated   text                `json:"processCreationDateTime"`
	ProcessTime      text                `json:"processCreationTime"`
	ParentID         text                `json:"parentProcessId"`
	ParentCreated    text                `json:"parentProcessCreationDateTime"`
	ParentTime       text                `json:"parentProcessCreationTime"`
	ParentFileName   text                `json:"parentProcessFileName"`
	ParentFilePath   text                `json:"parentProcessFilePath"`
	RemediationState text                `json:"remediationState"`
}

type mail struct {
	Sender            object[sender] `json:"p2Sender"`
	EnvelopeSender    object[sender] `json:"p1Sender"`
	SenderText        text           `json:"sender"`
	SenderIP          text           `json:"senderIp"`
	SenderFrom        text           `json:"senderFromAddress"`
	TeamsSenderIP     text           `json:"senderIP"`
	RecipientAddress  text           `json:"recipientEmailAddress"`
	Recipient         text           `json:"recipient"`
	Recipients        texts          `json:"recipients"`
	Subject           text           `json:"subject"`
	NetworkMessageID  text           `json:"networkMessageId"`
	InternetMessageID text           `json:"internetMessageId"`
	MessageID         text           `json:"messageId"`
	DeliveryAction    text           `json:"deliveryAction"`
	DeliveryLocation  text           `json:"deliveryLocation"`
	Threats           texts          `json:"threats"`
	ClusterBy         text           `json:"clusterBy"`
	ClusterByValue    text           `json:"clusterByValue"`
	EmailCount        text           `json:"emailCount"`
	PrimaryAddress    text           `json:"primaryAddress"`
	MailboxAddress    text           `json:"mailboxAddress"`
	MailboxPrimary    text           `json:"mailboxPrimaryAddress"`
	MailboxName       text           `json:"mailboxDisplayName"`
	UPN               text           `json:"upn"`
}

type sender struct {
	EmailAddress text `json:"emailAddress"`
}

type registry struct {
	RegistryHive      text `json:"registryHive"`
	RegistryKey       text `json:"registryKey"`
	RegistryValueName text `json:"registryValueName"`
	RegistryValueType text `json:"registryValueType"`
	RegistryValue     text `json:"registryValue"`
}

type resource struct {
	ResourceID         text `json:"resourceId"`
	ResourceName       text `json:"resourceName"`
	ResourceType       text `json:"resourceType"`
	AmazonAccountID    text `json:"amazonAccountId"`
	AmazonResourceID   text `json:"amazonResourceId"`
	FullResourceName   text `json:"fullResourceName"`
	ProjectID          text `json:"projectId"`
	ImageID            text `json:"imageId"`
	Registry           text `json:"registry"`
	ContainerID        text `json:"containerId"`
	Namespace          text `json:"namespace"`
	AppID              text `json:"appId"`
	ObjectID           text `json:"objectId"`
	InstanceName       text `json:"instanceName"`
	ServicePrincipalID text `json:"servicePrincipalObjectId"`
	ServicePrincipal   text `json:"servicePrincipalName"`
}

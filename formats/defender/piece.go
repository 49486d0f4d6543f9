package defender

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

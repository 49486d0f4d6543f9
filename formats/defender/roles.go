package defender

import (
	"net/netip"
	"strings"

	"github.com/siembridge/siembridge/formats"
)

// fillNested fills roles that no piece of their own type has filled from what other pieces carry.
func (e *piece) fillNested(d *formats.Detection) {
	if d.User == (formats.User{}) {
		d.User = e.account().detection()
	}
	if d.Device.ID == "" && d.Device.Name == "" && e.Host.is != nil {
		e.Host.is.fillDevice(&d.Device)
	}
	if d.Device.ID == "" && e.kind != "device" {
		d.Device.ID = first(e.MdeDeviceID)
	}
}

// account is the user of the piece: nested in Graph, flat in the Endpoint and XDR APIs.
func (e *piece) account() user {
	if e.UserAccount.is != nil {
		return *e.UserAccount.is
	}
	if e.Account.is != nil {
		return e.Account.is.account()
	}
	if e.EntityType == "" {
		return user{}
	}
	u := e.user
	if u.DomainName == "" {
		u.DomainName = e.DomainName
	}
	return u
}

func (e *piece) sameDevice(d *formats.Device) bool {
	id := first(e.MdeDeviceID, e.MdatpDeviceID, e.DeviceID)
	return id != "" && id == d.ID || d.ID == "" && e.DeviceDNSName != "" && strings.EqualFold(string(e.DeviceDNSName), d.FQDN)
}

func (e *piece) fillDevice(d *formats.Device) {
	set(&d.ID, e.MdeDeviceID, e.MdatpDeviceID, e.DeviceID)
	set(&d.EntraID, e.EntraDeviceID, e.AADDeviceID)
	set(&d.DNSDomain, e.DNSDomain)
	set(&d.NTDomain, e.NTDomain)
	if fqdn := first(text(d.FQDN), e.DeviceDNSName, e.HostName, e.DeviceName); fqdn != "" {
		setHost(d, fqdn, string(e.HostName))
	}
	var room [8]string
	setAddresses(d, append(append(room[:0], string(e.LastIPAddress), string(e.IPAddress)), e.IPInterfaces...))
	set(&d.ExternalAddress, e.LastExternalAddress)
	set(&d.MAC, e.MACAddress)
	set(&d.OS, e.OSPlatform, e.OperatingSystem)
	set(&d.OSVersion, e.OSVersion)
	set(&d.OSBuild, e.OSBuild)
	set(&d.Processor, e.Processor)
	set(&d.Group, e.GroupName)
	set(&d.GroupID, e.GroupID)
	set(&d.Health, e.HealthStatus)
	set(&d.Risk, e.RiskScore)
	set(&d.Onboarding, e.OnboardingStatus)
	set(&d.Antivirus, e.AVStatus)
	set(&d.FirstSeen, e.FirstSeen, e.FirstSeenXDR)
	d.Tags = append(d.Tags, e.Tags...)
	for _, u := range e.LoggedOnUsers {
		if name := u.get().qualified(e.in); name != "" {
			d.LoggedOnUsers = append(d.LoggedOnUsers, name)
		}
	}
	v := e.VM.get()
	set(&d.VMID, v.ID)
	set(&d.VMResourceID, v.ResourceID)
	set(&d.SubscriptionID, v.SubscriptionID)
}

// set gives *to its value unless it has one.
func set(to *string, from ...text) {
	if *to == "" {
		*to = first(from...)
	}
}

// setAddresses keeps the addresses of a device and chooses the one that stands for it: not loopback, not link-local,
// IPv4 before IPv6.
func setAddresses(d *formats.Device, all []string) {
	best := 0
	for _, s := range all {
		a, ok := parseAddress(strings.TrimSpace(s))
		if !ok {
			continue
		}
		d.Addresses = append(d.Addresses, s)
		worth := 1
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified() {
			worth = 2
			if a.Is4() {
				worth = 3
			}
		}
		if worth > best && worth > 1 {
			best, d.Address = worth, s
		}
	}
}

func isAddress(s string) bool {
	_, ok := parseAddress(s)
	return ok
}

// parseAddress is netip.ParseAddr that makes no error of the name of a host.
func parseAddress(s string) (a netip.Addr, ok bool) {
	at := strings.IndexAny(s, ".:%")
	if at < 0 || s[at] == '.' && strings.Trim(s, "0123456789.") != "" {
		return a, false
	}
	a, err := netip.ParseAddr(s)
	return a, err == nil
}

func (e *piece) fileDetection() formats.File {
	if e.Details.is != nil {
		return e.Details.is.detection(e.in)
	}
	if e.path == "" {
		e.path = joinPath(e.in, string(e.FilePath), string(e.FileName))
	}
	return formats.File{Name: string(e.FileName), Path: e.path,
		SHA1: string(e.SHA1), SHA256: string(e.SHA256), MD5: string(e.MD5)}
}

func (f *fileDetails) detection(in *arena) formats.File {
	if f.path == "" {
		f.path = joinPath(in, string(f.FilePath), string(f.FileName))
	}
	return formats.File{Name: string(f.FileName), Path: f.path, Size: string(f.FileSize),
		SHA1: string(f.SHA1), SHA256: string(f.SHA256), MD5: string(f.MD5), Publisher: string(f.Publisher), Signer: string(f.Signer), Issuer: string(f.Issuer)}
}

func (e *piece) processDetection() formats.Process {
	p := formats.Process{ID: string(e.ProcessID), CommandLine: string(e.CommandLine), Created: first(e.ProcessCreated, e.ProcessTime),
		ParentID: string(e.ParentID), ParentCreated: first(e.ParentCreated, e.ParentTime), User: e.account().qualified(e.in)}
	image := e.fileDetection()
	if e.ImageFile.is != nil {
		image = e.ImageFile.is.detection(e.in)
	}
	p.Name, p.Path, p.SHA1, p.SHA256, p.MD5 = image.Name, image.Path, image.SHA1, image.SHA256, image.MD5
	parent := e.ParentImageFile.get().detection(e.in)
	p.ParentName = first(text(parent.Name), e.ParentFileName)
	p.ParentPath = first(text(parent.Path), text(joinPath(e.in, string(e.ParentFilePath), string(e.ParentFileName))))
	return p
}

// fillMail fills what is still empty, so that a message and its cluster complete each other.
func fillMail(e *piece, d *formats.Detection) {
	m := &d.Mail
	set(&m.Sender, e.Sender.get().EmailAddress, e.EnvelopeSender.get().EmailAddress, e.SenderText, e.SenderFrom)
	set(&m.SenderAddress, e.SenderIP, e.TeamsSenderIP)
	set(&m.Recipient, e.RecipientAddress, e.Recipient)
	if m.Recipient == "" && len(e.Recipients) > 0 {
		m.Recipient = e.Recipients[0]
	}
	set(&m.Subject, e.Subject)
	set(&m.NetworkMessageID, e.NetworkMessageID)
	set(&m.InternetMessageID, e.InternetMessageID, e.MessageID)
	set(&m.DeliveryAction, e.DeliveryAction)
	set(&m.DeliveryLocation, e.DeliveryLocation)
	if len(m.Threats) == 0 {
		m.Threats = append(m.Threats, e.Threats...)
	}
	set(&m.ClusterBy, e.ClusterBy)
	set(&m.ClusterValue, e.ClusterByValue)
	set(&m.ClusterCount, e.EmailCount)
}

// joinPath returns the full path of a file. APIs give the folder in most records and the full path in some.
func joinPath(in *arena, folder, name string) string {
	if folder == "" || name == "" {
		return folder
	}
	separator := `\`
	if strings.Contains(folder, "/") && !strings.Contains(folder, `\`) {
		separator = "/"
	}
	trimmed := strings.TrimRight(folder, `\/`)
	if at := strings.LastIndexAny(folder, `\/`); strings.EqualFold(folder[at+1:], name) {
		return folder
	}
	return in.join(trimmed, separator, name)
}

// appendIdentity appends what makes two pieces of one type the same; nothing when the piece says nothing of its own.
func (e *piece) appendIdentity(dst []byte) []byte {
	f, img := e.fileDetection(), e.ImageFile.get()
	u := e.account()
	start, said := len(dst), false
	for i, part := range [...]string{first(e.MdeDeviceID, e.MdatpDeviceID, e.DeviceID), string(e.DeviceDNSName), f.Name, f.Path, f.SHA1, f.SHA256, f.MD5,
		string(e.ProcessID), string(e.CommandLine), first(e.ProcessCreated, e.ProcessTime), string(img.SHA1), string(img.FileName),
		string(e.IPAddress), string(e.URL), string(u.AccountName), string(u.DomainName), string(u.UserSID), string(u.UserPrincipalName),
		first(e.PrimaryAddress, e.MailboxAddress), string(e.NetworkMessageID), string(e.ClusterByValue), first(e.RecipientAddress, e.Recipient),
		string(e.RegistryHive), string(e.RegistryKey), string(e.RegistryValueName), string(e.RegistryValue),
		first(e.ResourceID, e.AmazonResourceID, e.FullResourceName, e.ImageID, e.ContainerID), first(e.AppID, e.ApplicationID, e.ObjectID),
		first(e.Name, e.DisplayName, e.ResourceName), string(e.DomainName), string(e.HashValue), string(e.SecurityGroupID)} {
		if i > 0 {
			dst = append(dst, 0)
		}
		if part != "" {
			dst, said = append(dst, part...), true
		}
	}
	if !said {
		return dst[:start]
	}
	return dst
}

package lint

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/siembridge/siembridge/formats"
	"github.com/siembridge/siembridge/formats/parse"
)

// pair checks one key and its value.
func (c *checker) pair(p parse.Pair) {
	k, known := c.dictionary.Key(p.Key)
	if !known {
		for _, k := range c.dictionary.Keys {
			switch {
			case k.Full == p.Key:
				c.add(c.column(p.Key), "%s is the name of the field, its key is %s", p.Key, k.Name)
			case strings.EqualFold(k.Name, p.Key):
				c.add(c.column(p.Key), "the key %s is spelled %s", p.Key, k.Name)
			}
		}
		return
	}
	at := c.column(p.Key)
	if k.Since != "" && c.parsed.Version < k.Since {
		c.add(at, "the key %s exists from version %s on", p.Key, k.Since)
	}
	if k.Reserved != "" && p.Key != "devTimeFormat" {
		c.add(at, "the key %s is not for senders: %s", p.Key, k.Reserved)
	}
	at += len(p.Key) + 1
	if k.Max > 0 && len(p.Value) > k.Max {
		c.add(at, "%s has %d bytes, at most %d are allowed", p.Key, len(p.Value), k.Max)
	}
	if k.Type == formats.ValueTime {
		c.time(at, p.Key, p.Value)
	} else if !fits(k.Type, p.Value) {
		c.add(at, "%s is of type %s, which %q is not", p.Key, k.Type, p.Value)
	}
}

func fits(t formats.ValueType, v string) bool {
	var err error
	n := int64(0)
	switch t {
	case formats.ValueInteger:
		_, err = strconv.ParseInt(v, 10, 32)
	case formats.ValueLong:
		_, err = strconv.ParseInt(v, 10, 64)
	case formats.ValueFloat:
		_, err = strconv.ParseFloat(v, 64)
	case formats.ValuePort:
		_, err = strconv.ParseUint(v, 10, 16)
	case formats.ValueSeverity:
		n, err = strconv.ParseInt(v, 10, 32)
		return err == nil && n >= 1 && n <= 10
	case formats.ValueIP, formats.ValueIPv4, formats.ValueIPv6:
		a, err := netip.ParseAddr(v)
		return err == nil && (t == formats.ValueIP || a.Is4() == (t == formats.ValueIPv4))
	case formats.ValueMAC:
		_, err = net.ParseMAC(v)
	case formats.ValueBool:
		return v == "true" || v == "false"
	}
	return err == nil
}

// cefTimes are the forms of a time that CEF has beside milliseconds.
var cefTimes = []string{"Jan 2 15:04:05", "Jan 2 15:04:05 MST", "Jan 2 2006 15:04:05", "Jan 2 2006 15:04:05 MST"}

var longFraction = regexp.MustCompile(`[.,]\d{4,}`)

func (c *checker) time(at int, key, v string) {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return
	}
	if c.parsed.Format == "LEEF" {
		pattern := c.parsed.Get("devTimeFormat")
		switch {
		case pattern == "":
			c.add(at, "%s is text and devTimeFormat, its pattern, is missing", key)
		case longFraction.MatchString(v) && strings.Contains(pattern, "SSS"):
			c.add(at, "%s has more than three decimals, which SimpleDateFormat reads as that many milliseconds", key)
		}
		return
	}
	for _, layout := range cefTimes {
		if _, err := time.Parse(layout, v); err == nil {
			return
		}
	}
	c.add(at, "%s is a time, milliseconds since 1970 or MMM dd yyyy HH:mm:ss, which %q is not", key, v)
}

// labels checks that each custom slot has its label and each label its slot.
func (c *checker) labels() {
	has := map[string]bool{}
	for _, p := range c.parsed.Pairs {
		has[p.Key] = true
	}
	for _, k := range c.dictionary.Keys {
		switch {
		case k.LabelKey == "" || has[k.Name] == has[k.LabelKey]:
		case has[k.Name]:
			c.add(c.column(k.Name), "%s has no label (%s)", k.Name, k.LabelKey)
		default:
			c.add(c.column(k.LabelKey), "%s labels %s, which is missing", k.LabelKey, k.Name)
		}
	}
}

// otherSeparator finds what looks like a pair within a value.
var otherSeparator = regexp.MustCompile(`[ \t]([A-Za-z][A-Za-z0-9]*)=`)

// separators finds attributes that are separated by another character than the header says: all of them are one value.
func (c *checker) separators() {
	if len(c.parsed.Pairs) != 1 {
		return
	}
	p := c.parsed.Pairs[0]
	for _, m := range otherSeparator.FindAllStringSubmatchIndex(p.Value, -1) {
		if _, known := c.dictionary.Key(p.Value[m[2]:m[3]]); known {
			c.add(c.column(p.Key)+len(p.Key)+1+m[0], "the attributes are separated by %q, which is not the delimiter", p.Value[m[0]:m[2]])
			return
		}
	}
}

// suffixes finds keys that end in another key: QRadar's expressions for properties are not anchored.
func (c *checker) suffixes() {
	for _, p := range c.parsed.Pairs {
		for _, q := range c.parsed.Pairs {
			if p.Key != q.Key && strings.HasSuffix(p.Key, q.Key) {
				c.add(c.column(p.Key), "the key %s ends in the key %s, and readers that are not anchored mix them up", p.Key, q.Key)
			}
		}
	}
}

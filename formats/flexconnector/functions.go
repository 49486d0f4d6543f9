package flexconnector

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// function is one that parser files may call.
type function struct {
	least, most int    // number of arguments; most -1: any
	literals    uint32 // arguments that are constants and may stand without quotes, one bit each
	constant    bool   // the result is a constant
	build       func(args []node) (func(args []string) string, error)
}

const (
	first  = 1 << 0
	second = 1 << 1
	third  = 1 << 2
)

// functions are those of the "FlexConnector Developer's Guide" (OpenText ArcSight) that public JSON parser files use,
// with the order of arguments seen there.
var functions = map[string]function{
	"__stringConstant":  {least: 1, most: 1, literals: first, constant: true, build: plainly(argument0)},
	"__integerConstant": {least: 1, most: 1, literals: first, constant: true, build: plainly(integer)},
	"__longConstant":    {least: 1, most: 1, literals: first, constant: true, build: plainly(integer)},
	"__getVendor":       {least: 1, most: 1, literals: first, constant: true, build: plainly(argument0)},

	"__oneOf":         {least: 1, most: -1, build: plainly(oneOf)},
	"__oneOfInteger":  {least: 1, most: -1, build: plainly(each(integer))},
	"__oneOfLong":     {least: 1, most: -1, build: plainly(each(integer))},
	"__oneOfAddress":  {least: 1, most: -1, build: plainly(each(address))},
	"__oneOfHostName": {least: 1, most: -1, build: plainly(each(hostName))},
	"__oneOfDateTime": {least: 1, most: -1, build: plainly(each(dateTime))},

	"__concatenate":         {least: 1, most: -1, build: plainly(func(args []string) string { return strings.Join(args, "") })},
	"__toUpperCase":         {least: 1, most: 1, build: plainly(func(args []string) string { return strings.ToUpper(args[0]) })},
	"__toLowerCase":         {least: 1, most: 1, build: plainly(func(args []string) string { return strings.ToLower(args[0]) })},
	"__stringTrim":          {least: 1, most: 1, build: plainly(func(args []string) string { return strings.TrimSpace(args[0]) })},
	"__split":               {least: 3, most: 3, literals: second | third, build: split},
	"__regexToken":          {least: 2, most: 2, literals: second, build: regexToken("", "", argument0)},
	"__regexTokenNoWarning": {least: 2, most: 2, literals: second, build: regexToken(`^(?:`, `)$`, argument0)},
	"__regexTokenAsAddress": {least: 2, most: 2, literals: second, build: regexToken("", "", address)},
	"__regexTokenAsInteger": {least: 2, most: 2, literals: second, build: regexToken("", "", integer)},
	"__regexTokenAsLong":    {least: 2, most: 2, literals: second, build: regexToken("", "", integer)},
	"__replaceAll":          {least: 3, most: 3, literals: second | third, build: replace(-1)},
	"__replaceFirst":        {least: 3, most: 3, literals: second | third, build: replace(1)},
	"__simpleMap":           {least: 2, most: -1, build: simpleMap},
	"__ifThenElse":          {least: 4, most: 4, build: plainly(ifThenElse)},
	"__ifThenElseAddress":   {least: 4, most: 4, build: plainly(func(args []string) string { return address([]string{ifThenElse(args)}) })},
	"__extractNTDomain":     {least: 1, most: 1, build: plainly(func(args []string) string { return beforeBackslash(args[0]) })},
	"__extractNTUser":       {least: 1, most: 1, build: plainly(func(args []string) string { return args[0][strings.LastIndexByte(args[0], '\\')+1:] })},

	"__safeToInteger":                             {least: 1, most: 1, build: plainly(integer)},
	"__safeToLong":                                {least: 1, most: 1, build: plainly(integer)},
	"__integerToLong":                             {least: 1, most: 1, build: plainly(integer)},
	"__safeToDate":                                {least: 1, most: 2, literals: second, build: timeStamp},
	"__longToTimeStamp":                           {least: 1, most: 1, build: plainly(func(args []string) string { return fromMillis(args[0]) })},
	"__createOptionalTimeStampFromString":         {least: 2, most: 2, literals: second, build: timeStamp},
	"__createLocalTimeStampFromSecondsSinceEpoch": {least: 1, most: 1, build: plainly(fromSeconds)},
}

// plainly is for functions that need nothing of their arguments before they are called.
func plainly(f func([]string) string) func([]node) (func([]string) string, error) {
	return func([]node) (func([]string) string, error) { return f, nil }
}

func argument0(args []string) string { return args[0] }

// constant returns the argument that must be one.
func constant(n node) (string, error) {
	l, ok := n.(literal)
	if !ok {
		return "", errors.New("this argument has to be a constant")
	}
	return string(l), nil
}

func oneOf(args []string) string {
	for _, a := range args {
		if a != "" {
			return a
		}
	}
	return ""
}

// each is oneOf over what convert makes of the arguments.
func each(convert func([]string) string) func([]string) string {
	return func(args []string) string {
		for _, a := range args {
			if v := convert([]string{a}); v != "" {
				return v
			}
		}
		return ""
	}
}

// integer keeps whole numbers. JSON has booleans where ArcSight's number fields want 1 and 0.
func integer(args []string) string {
	s := strings.TrimSpace(args[0])
	switch {
	case strings.EqualFold(s, "true"):
		return "1"
	case strings.EqualFold(s, "false"):
		return "0"
	case isInteger(s):
		return s
	}
	return ""
}

func address(args []string) string {
	a, err := netip.ParseAddr(strings.TrimSpace(args[0]))
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// hostName skips what is an address.
func hostName(args []string) string {
	if address(args) != "" {
		return ""
	}
	return args[0]
}

func ifThenElse(args []string) string {
	if args[0] == args[1] {
		return args[2]
	}
	return args[3]
}

func beforeBackslash(s string) string {
	i := strings.IndexByte(s, '\\')
	return s[:max(i, 0)]
}

// timeStamp reads a moment by a pattern.
func timeStamp(args []node) (func([]string) string, error) {
	parse := dateTime
	if len(args) == 2 {
		pattern, err := constant(args[1])
		if err != nil {
			return nil, err
		}
		layout, err := goLayout(pattern)
		if err != nil {
			return nil, err
		}
		parse = func(args []string) string { return parseTime(layout, args[0]) }
	}
	return parse, nil
}

// dateTime reads a moment that is one already, or milliseconds.
func dateTime(args []string) string {
	if isInteger(args[0]) {
		return fromMillis(args[0])
	}
	return parseTime(time.RFC3339, args[0])
}

func fromMillis(s string) string {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return ""
	}
	return time.UnixMilli(n).UTC().Format(time.RFC3339Nano)
}

// fromSeconds takes milliseconds too, as they are met in its place: 13 digits are no second of this era.
func fromSeconds(args []string) string {
	s := strings.TrimSpace(args[0])
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return ""
	case len(s) >= 12:
		return fromMillis(s)
	}
	return time.Unix(n, 0).UTC().Format(time.RFC3339Nano)
}

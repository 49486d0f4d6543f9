package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultValue is a default's text as the TOML library would give it.
func defaultValue(t reflect.Type, text string) any {
	switch {
	case t.Kind() == reflect.Bool:
		return text == "true"
	case t == reflect.TypeFor[[]string]():
		return []any{}
	case t.Kind() == reflect.Int:
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	}
	return text
}

// set stores one value in a field of its type.
func (p *parser) set(v reflect.Value, f reflect.StructField, value any, at string) {
	switch v.Interface().(type) {
	case bool:
		b, ok := value.(bool)
		if !ok {
			p.fail(at, "write true or false, without quotes")
			return
		}
		v.SetBool(b)
		return
	case int:
		n, ok := value.(int64)
		if !ok || n < 0 || n > 1<<31 {
			p.fail(at, "write a whole number from 0 up, without quotes")
			return
		}
		v.SetInt(n)
		return
	case []string:
		p.setList(v, value, at)
		return
	}
	text, ok := value.(string)
	if !ok {
		p.fail(at, "the value is text: write it in quotes")
		return
	}
	switch v.Interface().(type) {
	case time.Duration:
		d, err := parseDuration(text)
		if err != nil {
			p.fail(at, "%v", err)
			return
		}
		if d < 0 {
			p.fail(at, "%q is negative", text)
			return
		}
		v.SetInt(int64(d))
	case Size:
		n, err := parseSize(text)
		if err != nil {
			p.fail(at, "%v", err)
			return
		}
		v.SetInt(int64(n))
	default:
		if allowed := valuesOf(f); allowed != nil && !slices.Contains(allowed, text) && (text != "" || f.Tag.Get("default") != "") {
			p.badValue(at, text, allowed)
			return
		}
		v.SetString(text)
	}
}

// setList stores a list of texts; a single text is a list of one.
func (p *parser) setList(v reflect.Value, value any, at string) {
	var list []string
	switch value := value.(type) {
	case string:
		list = []string{value}
	case []any:
		for _, one := range value {
			text, ok := one.(string)
			if !ok {
				p.fail(at, "the list holds texts: write each in quotes")
				return
			}
			list = append(list, text)
		}
	default:
		p.fail(at, "write a text in quotes, or a list of them in brackets")
		return
	}
	v.Set(reflect.ValueOf(list))
}

func (p *parser) badValue(at, text string, allowed []string) {
	hint := ""
	if best := nearest(text, allowed); best != "" {
		hint = fmt.Sprintf("; did you mean %q?", best)
	}
	if last(at) == "cloud" && strings.EqualFold(text, "china") {
		hint = "; the China cloud has neither alerts_v2 nor incidents, so only api = \"file\" works there, which needs no cloud"
	}
	p.fail(at, "%q is not one of %s%s", text, strings.Join(allowed, ", "), hint)
}

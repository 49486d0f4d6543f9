package config

import (
	"fmt"
	"net/url"
	"reflect"
	"time"
)

// Redacted returns a configuration as a tree of its keys, for a bug report: secrets are ***, as are the names and
// passwords in URLs, and the values of fields, which are the operator's own.
func Redacted(c *Config) map[string]any {
	tree, _ := redact(reflect.ValueOf(*c)).(map[string]any)
	return tree
}

func redact(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case Secret:
		return x.String()
	case time.Duration:
		return x.String()
	case Field:
		return x.Key + " = ***"
	case string:
		if u, err := url.Parse(x); err == nil && u.User != nil {
			u.User = nil
			return u.Scheme + "://***@" + u.Host + u.Path
		}
		return x
	}
	switch v.Kind() {
	case reflect.Struct:
		tree := map[string]any{}
		for i := range v.NumField() {
			if key := v.Type().Field(i).Tag.Get("key"); key != "" {
				tree[key] = redact(v.Field(i))
			}
		}
		return tree
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = redact(v.Index(i))
		}
		return list
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return v.Interface()
	}
	return fmt.Sprintf("a %s", v.Type())
}

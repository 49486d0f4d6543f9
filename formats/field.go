package formats

import (
	"fmt"
	"reflect"
	"sort"
	"time"
	"unsafe"
)

// FieldType is the type of a Detection field.
type FieldType uint8

// The types that occur.
const (
	TypeText FieldType = iota
	TypeList
	TypeTime
	TypeSeverity
	TypeFlag
)

// Field is a Detection field found by its name, so that a table compiled once reads it without a look-up by name.
type Field struct {
	name   string
	kind   FieldType
	offset uintptr
}

// fields holds every tagged field of Detection by its name. The struct is the only list of them.
var fields = func() map[string]Field {
	all := map[string]Field{}
	var walk func(t reflect.Type, prefix string, base uintptr)
	walk = func(t reflect.Type, prefix string, base uintptr) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, ok := f.Tag.Lookup("detection")
			if !ok {
				continue
			}
			name, at := prefix+name, base+f.Offset
			switch {
			case f.Type == reflect.TypeFor[time.Time]():
				all[name] = Field{name, TypeTime, at}
			case f.Type == reflect.TypeFor[Severity]():
				all[name] = Field{name, TypeSeverity, at}
			case f.Type == reflect.TypeFor[Flag]():
				all[name] = Field{name, TypeFlag, at}
			case f.Type == reflect.TypeFor[[]string]():
				all[name] = Field{name, TypeList, at}
			case f.Type.Kind() == reflect.String:
				all[name] = Field{name, TypeText, at}
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, name+".", at)
			default:
				panic("formats: Detection field " + name + " has a type that no mapping can read")
			}
		}
	}
	walk(reflect.TypeFor[Detection](), "", 0)
	return all
}()

// FieldByName finds a field, e.g. "title" or "device.name". The error names what there is no field for.
func FieldByName(name string) (Field, error) {
	f, ok := fields[name]
	if !ok {
		return Field{}, fmt.Errorf("no detection field is named %q", name)
	}
	return f, nil
}

// FieldNames returns the names of all fields, sorted.
func FieldNames() []string {
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Name returns the field's name.
func (f Field) Name() string { return f.name }

// Type returns the field's type.
func (f Field) Type() FieldType { return f.kind }

// at is safe because offset comes from reflection over Detection itself and the accessors below check the type:
// every string kind (string, Kind, Change) has the layout of a string.
func (f Field) at(d *Detection, want FieldType) unsafe.Pointer {
	if f.kind != want {
		panic("formats: field " + f.name + " read as another type")
	}
	return unsafe.Add(unsafe.Pointer(d), f.offset)
}

// Text returns the value of a TypeText field; it panics for another type.
func (f Field) Text(d *Detection) string { return *(*string)(f.at(d, TypeText)) }

// List returns the value of a TypeList field; it panics for another type.
func (f Field) List(d *Detection) []string { return *(*[]string)(f.at(d, TypeList)) }

// Time returns the value of a TypeTime field; it panics for another type.
func (f Field) Time(d *Detection) time.Time { return *(*time.Time)(f.at(d, TypeTime)) }

// Severity returns the value of a TypeSeverity field; it panics for another type.
func (f Field) Severity(d *Detection) Severity { return *(*Severity)(f.at(d, TypeSeverity)) }

// Flag returns the value of a TypeFlag field; it panics for another type.
func (f Field) Flag(d *Detection) Flag { return *(*Flag)(f.at(d, TypeFlag)) }

// Empty reports whether d has no value for the field.
func (f Field) Empty(d *Detection) bool { return emptyAt(d, f.kind, f.offset) }

// emptyAt is Empty for the field of a type at an offset, both as Field has them.
func emptyAt(d *Detection, kind FieldType, offset uintptr) bool {
	at := unsafe.Add(unsafe.Pointer(d), offset)
	switch kind {
	case TypeList:
		return len(*(*[]string)(at)) == 0
	case TypeTime:
		return (*time.Time)(at).IsZero()
	case TypeSeverity:
		return *(*Severity)(at) == SeverityNone
	case TypeFlag:
		return *(*Flag)(at) == FlagAbsent
	}
	return *(*string)(at) == ""
}

package shrinkmeister

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Options say how a thumbnail is made: "crop", "quality", "format", ... of sorl-thumbnail, and those that
// a site invents for its own engine.
//
// Values are strings, booleans, nil, integers and floats of any kind, and slices, arrays and maps with
// keys of text of these; of named types too, and [json.Number]. A nil slice or map is an empty one. A
// float32 means the decimal number that it prints as. Bytes are refused: write text as string.
type Options map[string]any

const (
	// What every language's JSON keeps exactly.
	maxInteger = 1<<53 - 1
	// Fractions that every language writes without an exponent.
	minFraction = 1e-4
	maxFraction = 1e15
	// Arrays and objects inside each other.
	maxDepth = 8
)

// A member is an option, or one of an object in it. Values are as JSON has them:
// nil, bool, int64, float64, string, []any or members.
type member struct {
	name  string
	value any
}

// members stand in the order of their names.
type members []member

// What is left out when it has this value; the server puts it back. No array or object is a default, so
// that values can be compared: those of different types differ, as 1 and true have to.
var defaults = map[string]any{
	"format":        "JPEG",
	"quality":       int64(95),
	"colorspace":    "RGB",
	"upscale":       true,
	"crop":          false,
	"cropbox":       nil,
	"rounded":       nil,
	"padding":       false,
	"padding_color": "#ffffff",
	"progressive":   true,
	"orientation":   true,
	"blur":          int64(0),
	"flatten":       false,
}

var extensions = map[string]string{
	"JPEG": "jpg",
	"PNG":  "png",
	"GIF":  "gif",
	"WEBP": "webp",
	"AVIF": "avif",
}

// with returns the options of a call, and those of the site that it does not have; defaults too.
func (site members) with(call Options) (members, error) {
	all := make(members, 0, len(site)+len(call))
	for name, value := range call {
		// They say nothing about the picture.
		if name == "raise_errors" || name == "image_info" {
			continue
		}
		value, err := plain(name, value, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, member{name, value})
	}
	for _, one := range site {
		if _, found := call[one.name]; !found {
			all = append(all, one)
		}
	}
	all.sort()
	if format, found := all.get("format"); found {
		if name, _ := format.(string); extensions[name] == "" {
			return nil, wrongSpec("the format is %v; one of JPEG, PNG, GIF, WEBP, AVIF", format)
		}
	}
	return all, nil
}

// withoutDefaults changes m.
func (m members) withoutDefaults() members {
	return slices.DeleteFunc(m, func(one member) bool {
		value, found := defaults[one.name]
		return found && one.value == value
	})
}

func (m members) sort() {
	slices.SortFunc(m, func(a, b member) int { return strings.Compare(a.name, b.name) })
}

func (m members) get(name string) (any, bool) {
	for _, one := range m {
		if one.name == name {
			return one.value, true
		}
	}
	return nil, false
}

// full is the value of an option, which may be its default.
func (m members) full(name string) any {
	if value, found := m.get(name); found {
		return value
	}
	return defaults[name]
}

func (m members) options() Options {
	options := make(Options, len(m))
	for _, one := range m {
		options[one.name] = export(one.value)
	}
	return options
}

func export(value any) any {
	switch value := value.(type) {
	case []any:
		exported := make([]any, len(value))
		for i, item := range value {
			exported[i] = export(item)
		}
		return exported
	case members:
		return map[string]any(value.options())
	}
	return value
}

// truthy says what engines take for yes.
func truthy(value any) bool {
	switch value := value.(type) {
	case bool:
		return value
	case int64:
		return value != 0
	case float64:
		return value != 0
	case string:
		return value != ""
	case []any:
		return len(value) > 0
	case members:
		return len(value) > 0
	}
	return false
}

// plain is a value as JSON has it; name: of the option or member that it belongs to.
func plain(name string, value any, depth int) (any, error) {
	if !optionName(name) {
		return nil, wrongSpec("%q is no name of an option: letters, digits and underscores", name)
	}
	plain, err := plainValue(name, value, depth)
	if err != nil && !errors.Is(err, ErrSpec) {
		return nil, wrongSpec("the option %s %v", name, err)
	}
	return plain, err
}

func plainValue(name string, value any, depth int) (any, error) {
	// The types that most options have; all others by reflection.
	switch value := value.(type) {
	case nil:
		return nil, nil
	case bool:
		return value, nil
	case string:
		return plainText(value)
	case int:
		return plainInteger(int64(value))
	case json.Number:
		return plainNumber(string(value))
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		return plainText(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return plainInteger(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return plainInteger(int64(min(v.Uint(), math.MaxInt64)))
	case reflect.Float32:
		return plainNumber(strconv.FormatFloat(v.Float(), 'g', -1, 32))
	case reflect.Float64:
		return plainFloat(v.Float())
	case reflect.Slice, reflect.Array:
		return plainArray(name, v, depth)
	case reflect.Map:
		return plainObject(v, depth)
	}
	return nil, fmt.Errorf("has a value of type %T: use text, booleans, nil, numbers, or slices and maps of them", value)
}

func plainText(text string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("is %q, which is not UTF-8", text)
	}
	return text, nil
}

func plainInteger(number int64) (any, error) {
	if number < -maxInteger || maxInteger < number {
		return nil, fmt.Errorf("is %d: integers go up to 2^53 - 1", number)
	}
	return number, nil
}

func plainFloat(number float64) (any, error) {
	size := math.Abs(number)
	if size <= maxInteger && number == math.Trunc(number) {
		return int64(number), nil
	}
	if minFraction <= size && size < maxFraction {
		return number, nil
	}
	return nil, fmt.Errorf("is %v: fractions go from 0.0001 to 10^15", number)
}

var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func plainNumber(text string) (any, error) {
	if !numberForm.MatchString(text) {
		return nil, fmt.Errorf("is %q, which is no number", text)
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil {
		return plainInteger(number)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("is %s: integers go up to 2^53 - 1", text)
	}
	return plainFloat(number)
}

func plainArray(name string, v reflect.Value, depth int) (any, error) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return nil, errors.New("has bytes: write text as string, and numbers as []int")
	}
	if depth == maxDepth {
		return nil, errTooDeep
	}
	array := make([]any, v.Len())
	for i := range array {
		item, err := plain(name, v.Index(i).Interface(), depth+1)
		if err != nil {
			return nil, err
		}
		array[i] = item
	}
	return array, nil
}

func plainObject(v reflect.Value, depth int) (any, error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("has a value of type %s: the keys of maps are of text", v.Type())
	}
	if depth == maxDepth {
		return nil, errTooDeep
	}
	object := make(members, 0, v.Len())
	for entries := v.MapRange(); entries.Next(); {
		name := entries.Key().String()
		value, err := plain(name, entries.Value().Interface(), depth+1)
		if err != nil {
			return nil, err
		}
		object = append(object, member{name, value})
	}
	object.sort()
	return object, nil
}

var errTooDeep = fmt.Errorf("has more than %d arrays and objects inside each other", maxDepth)

func optionName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || notDigit(rune(c))) {
			return false
		}
	}
	return name != ""
}

// appendValue writes JSON in its one canonical form. encoding/json escapes more, and replaces what is not
// UTF-8, where we have found an error before.
func appendValue(b []byte, value any) []byte {
	switch value := value.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, value)
	case int64:
		return strconv.AppendInt(b, value, 10)
	case float64:
		return strconv.AppendFloat(b, value, 'f', -1, 64)
	case string:
		return appendText(b, value)
	case []any:
		b = append(b, '[')
		for i, item := range value {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, item)
		}
		return append(b, ']')
	case members:
		b = append(b, '{')
		for i, one := range value {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, one.name), ':')
			b = appendValue(b, one.value)
		}
		return append(b, '}')
	}
	panic(fmt.Sprintf("shrinkmeister: %T is no plain value", value))
}

func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			if c < ' ' {
				b = fmt.Appendf(b, `\u%04x`, c)
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}

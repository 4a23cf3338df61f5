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

// Options are those of sorl-thumbnail ("crop", "quality", "format", ...), and those of a site's own engine.
//
// Values are strings, booleans, nil, [json.Number], integers and floats of any kind, and slices, arrays and
// maps of these. They may have named types, and the keys of maps are text. A nil slice or map is an empty
// one. A float32 means the decimal number that it prints as. Bytes are invalid: write text as string.
type Options map[string]any

const (
	// JSON of every language keeps integers up to 2^53 - 1 exactly.
	maxInteger = 1<<53 - 1
	// JSON of every language writes these fractions without an exponent.
	minFraction = 1e-4
	maxFraction = 1e15
	// Options are nearly flat, so that the depth limits of other languages' parsers do not matter.
	maxDepth = 8
)

// A member is an option, or a member of an object inside an option. Its value is a JSON value: nil, bool,
// int64, float64, string, []any or members.
type member struct {
	name  string
	value any
}

// members are sorted by name.
type members []member

// A spec omits options with these values, and the server puts them back. Defaults are not arrays or objects,
// so that == compares them. Values of different types differ, as 1 and true have to.
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

// formatName returns the name that specs contain: "JPEG" for "jpg", "WEBP" for "webp". It returns other texts as
// they are.
func formatName(text string) string {
	lower := strings.ToLower(text)
	if lower == "jpeg" {
		return "JPEG"
	}
	for name, extension := range extensions {
		if extension == lower {
			return name
		}
	}
	return text
}

// with returns the site's options, overridden by those of a call, including defaults.
func (site members) with(call Options) (members, error) {
	all := make(members, 0, len(site)+len(call))
	for name, value := range call {
		// These options do not change the picture.
		if name == "raise_errors" || name == "image_info" {
			continue
		}
		value, err := plain(name, value, 0)
		if err != nil {
			return nil, err
		}
		if format, isText := value.(string); isText && name == "format" {
			value = formatName(format)
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
			return nil, invalidSpec("the format is %v; one of JPEG, PNG, GIF, WEBP, AVIF", format)
		}
	}
	return all, nil
}

// withoutDefaults removes the defaults from m.
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

// full returns the value of an option, which may be its default.
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

// truthy reports whether the server, which is Python, takes a value for true.
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

// plain returns a value as JSON has it. name is the option or member that has the value.
func plain(name string, value any, depth int) (any, error) {
	if !optionName(name) {
		return nil, invalidSpec("%q is not a valid option name; use letters, digits and underscores", name)
	}
	plain, err := plainValue(name, value, depth)
	if err != nil && !errors.Is(err, ErrSpec) {
		return nil, invalidSpec("the option %s contains %v", name, err)
	}
	return plain, err
}

func plainValue(name string, value any, depth int) (any, error) {
	// Most options have these types. Reflection handles all others.
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
	return nil, notPlain(fmt.Sprintf("a value of type %T", value))
}

func plainText(text string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, notPlain(strconv.Quote(text))
	}
	return text, nil
}

func plainInteger(number int64) (any, error) {
	if number < -maxInteger || maxInteger < number {
		return nil, notPlain(strconv.FormatInt(number, 10))
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
	return nil, notPlain(fmt.Sprint(number))
}

var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func plainNumber(text string) (any, error) {
	if !numberForm.MatchString(text) {
		return nil, notPlain(fmt.Sprintf("the json.Number %q", text))
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil {
		return plainInteger(number)
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, notPlain(text)
	}
	return plainFloat(number)
}

func plainArray(name string, v reflect.Value, depth int) (any, error) {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return nil, notPlain("bytes")
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
		return nil, notPlain(fmt.Sprintf("a value of type %s", v.Type()))
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

var errTooDeep = notPlain("too many levels")

// notPlain returns the end of an error's message, after the option's name.
func notPlain(value string) error {
	return fmt.Errorf("%s, which cannot be part of a URL; use UTF-8 text, booleans, nil, integers up to 2^53 - 1, "+
		"fractions from 0.0001 to 10^15, or slices and maps of them, at most %d levels deep", value, maxDepth)
}

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

// appendValue appends a value as canonical JSON. encoding/json would escape more characters.
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
	panic(fmt.Sprintf("shrinkmeister: %T is not a plain value", value))
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

package shrinkmeister

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A Spec is what a token says: which thumbnail, of what.
type Spec struct {
	Source   string
	Geometry string
	// Those that are not left out as defaults: strings, booleans, nil, int64, float64, []any and
	// map[string]any.
	Options Options
	// When the token ends; zero if it does not.
	Expires time.Time
}

// A form is a spec in its one canonical form.
type form struct {
	source        source
	geometry      string
	width, height int // of the geometry; 0 for what it does not say
	options       members
	canonical     []byte // ["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]
	sourceLength  int    // of what stands in that before the geometry, without the comma
}

// newForm changes options, which it keeps.
func newForm(source source, geometry string, options members) (*form, error) {
	width, height, ok := parseGeometry(geometry)
	if !ok {
		return nil, wrongSpec("the geometry is %q; write pixels as 300x200, 300 or x200", geometry)
	}
	f := &form{source: source, geometry: geometry, width: width, height: height}
	f.options = options.withoutDefaults()
	b := make([]byte, 0, 128)
	b = source.append(append(b, '['))
	f.sourceLength = len(b)
	b = appendText(append(b, ','), geometry)
	b = appendValue(append(b, ','), f.options)
	f.canonical = append(b, ']')
	return f, nil
}

// parseForm reads a canonical form, and the end behind its five members: 0 if there is none.
func parseForm(payload []byte) (*form, int64, error) {
	// The decoder replaces what is not UTF-8, and halves of surrogate pairs; it takes the last of members
	// of one name. What is written again shows all of that.
	var parts []any
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	if err := decoder.Decode(&parts); err != nil {
		return nil, 0, wrongSpec("no JSON array: %v", err)
	}
	if len(parts) != 5 && len(parts) != 6 {
		return nil, 0, wrongSpec("an array of %d members", len(parts))
	}
	var texts [4]string
	for i := range texts {
		text, ok := parts[i].(string)
		if !ok {
			return nil, 0, wrongSpec("member %d is no text", i)
		}
		texts[i] = text
	}
	options, ok := parts[4].(map[string]any)
	if !ok {
		return nil, 0, wrongSpec("options that are no object")
	}
	var end int64
	if len(parts) == 6 {
		number, _ := parts[5].(json.Number)
		var err error
		if end, err = strconv.ParseInt(string(number), 10, 64); err != nil || end < 1 || maxInteger < end {
			return nil, 0, wrongSpec("an end that is no point in time")
		}
	}
	source := source{texts[0], texts[1], texts[2]}
	if err := source.check(); err != nil {
		return nil, 0, err
	}
	all, err := members{}.with(options)
	if err != nil {
		return nil, 0, err
	}
	f, err := newForm(source, texts[3], all)
	if err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(f.payload(end), payload) {
		return nil, 0, wrongSpec("not the canonical form")
	}
	return f, end, nil
}

// payload is what a token seals. end: in Unix seconds, 0 for none.
func (f *form) payload(end int64) []byte {
	if end == 0 {
		return f.canonical
	}
	last := len(f.canonical) - 1
	b := make([]byte, last, last+20)
	copy(b, f.canonical)
	b = strconv.AppendInt(append(b, ','), end, 10)
	return append(b, ']')
}

func (f *form) extension() string {
	format, _ := f.options.full("format").(string)
	return extensions[format]
}

// filled says whether the thumbnail has the exact pixels of the sides that its geometry gives, whatever its
// source is.
func (f *form) filled() bool {
	crop := f.options.full("crop")
	crops := truthy(crop) && crop != any("noop")
	return truthy(f.options.full("padding")) || crops && truthy(f.options.full("upscale"))
}

// parseGeometry takes "300x200", "300" (width) and "x200" (height).
func parseGeometry(text string) (width, height int, ok bool) {
	first, second, found := strings.Cut(text, "x")
	if first != "" || !found {
		if width, ok = parsePixels(first); !ok {
			return 0, 0, false
		}
	}
	if found {
		if height, ok = parsePixels(second); !ok {
			return 0, 0, false
		}
	}
	return width, height, true
}

func parsePixels(text string) (int, bool) {
	if text == "" || len(text) > 5 || text[0] == '0' || strings.ContainsFunc(text, notDigit) {
		return 0, false
	}
	pixels, err := strconv.Atoi(text)
	return pixels, err == nil
}

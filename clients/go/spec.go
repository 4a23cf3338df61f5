package shrinkmeister

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A Spec is the content of a token.
type Spec struct {
	Source   string
	Geometry string
	// Options has no defaults. Its values are strings, booleans, nil, int64, float64, []any and
	// map[string]any.
	Options Options
	// Expires is when the token expires; zero for never.
	Expires time.Time
}

// A form is a spec with its canonical form.
type form struct {
	source        source
	geometry      string
	width, height int // the sides of the geometry; 0 for a side that it does not have
	options       members
	canonical     []byte // ["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]
	sourceLength  int    // the length of canonical up to the source's end
}

// newForm takes over options, and removes defaults from them.
func newForm(source source, geometry string, options members) (*form, error) {
	width, height, ok := parseGeometry(geometry)
	if !ok {
		return nil, invalidSpec(`the geometry is %q; write pixels as text: "300x200", "300" or "x200"`, geometry)
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

// parseForm returns the spec of a token's payload and its expiry time, 0 for none.
func parseForm(payload []byte) (*form, int64, error) {
	// The decoder replaces invalid UTF-8 and halves of surrogate pairs, and drops duplicate members. The
	// comparison at the end rejects such payloads.
	var parts []any
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	if err := decoder.Decode(&parts); err != nil {
		return nil, 0, invalidSpec("the thumbnail spec is not a JSON array: %v", err)
	}
	if len(parts) != 5 && len(parts) != 6 {
		return nil, 0, invalidSpec("the thumbnail spec is not an array of five members")
	}
	var texts [4]string
	for i := range texts {
		text, ok := parts[i].(string)
		if !ok {
			return nil, 0, invalidSpec("the first four members of the thumbnail spec are not all texts")
		}
		texts[i] = text
	}
	options, ok := parts[4].(map[string]any)
	if !ok {
		return nil, 0, invalidSpec("the options of the thumbnail spec are not an object")
	}
	var expires int64
	if len(parts) == 6 {
		number, _ := parts[5].(json.Number)
		var err error
		expires, err = strconv.ParseInt(string(number), 10, 64)
		if err != nil || expires < 1 || maxInteger < expires {
			return nil, 0, invalidSpec("the expiry time is not a point in time")
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
	if !bytes.Equal(f.payload(expires), payload) {
		return nil, 0, invalidSpec("not the canonical form of a thumbnail spec")
	}
	return f, expires, nil
}

// payload returns the bytes that a token encrypts. expires is a Unix time, or 0 for never.
func (f *form) payload(expires int64) []byte {
	if expires == 0 {
		return f.canonical
	}
	last := len(f.canonical) - 1
	b := make([]byte, last, last+20)
	copy(b, f.canonical)
	b = strconv.AppendInt(append(b, ','), expires, 10)
	return append(b, ']')
}

func (f *form) extension() string {
	format, _ := f.options.full("format").(string)
	return extensions[format]
}

// filled reports whether the sides of the geometry are certain, since the picture is cropped or padded to
// them.
func (f *form) filled() bool {
	crop := f.options.full("crop")
	crops := truthy(crop) && crop != any("noop")
	return truthy(f.options.full("padding")) || crops && truthy(f.options.full("upscale"))
}

// parseGeometry returns the sides of "300x200", "300" (width) or "x200" (height); 0 for a missing side.
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

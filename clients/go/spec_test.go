package shrinkmeister

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
)

type specVector struct {
	Description     string
	Source          [3]string
	Geometry        string
	Options         Options
	Canonical       string
	CanonicalSHA256 string `json:"canonical_sha256"`
	RecordKey       string `json:"record_key"`
	LockKey         string `json:"lock_key"`
	SourceKey       string `json:"source_key"`
	ObjectName      string `json:"object_name"`
	ObjectName2x    string `json:"object_name_2x"`
}

type specVectors struct {
	Valid   []specVector
	Refused []specVector
	Invalid []struct{ Description, Canonical string }
	Sources []struct {
		Text   string
		Source [3]string
	}
	InvalidSources []string `json:"invalid_sources"`
}

func makeForm(source source, geometry string, options Options) (*form, error) {
	if err := source.check(); err != nil {
		return nil, err
	}
	all, err := members{}.with(options)
	if err != nil {
		return nil, err
	}
	return newForm(source, geometry, all)
}

// floats returns options as a decoder without UseNumber does.
func floats(t *testing.T, options Options) Options {
	t.Helper()
	var decoded Options
	if err := json.Unmarshal(must(json.Marshal(options)), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestSpecs(t *testing.T) {
	for _, v := range load[specVectors](t, "specs").Valid {
		t.Run(v.Description, func(t *testing.T) {
			source := source{v.Source[0], v.Source[1], v.Source[2]}
			for _, options := range []Options{v.Options, floats(t, v.Options)} {
				f, err := makeForm(source, v.Geometry, options)
				if err != nil {
					t.Fatal(err)
				}
				if string(f.canonical) != v.Canonical {
					t.Fatalf("canonical form %s, want %s", f.canonical, v.Canonical)
				}
			}
			f, expires, err := parseForm([]byte(v.Canonical))
			if err != nil || expires != 0 {
				t.Fatal(expires, err)
			}
			sum := sha256.Sum256(f.canonical)
			name := "cache/" + f.objectName(f.recordKey())
			for _, pair := range [][2]string{
				{hex.EncodeToString(sum[:]), v.CanonicalSHA256},
				{f.recordKey(), v.RecordKey},
				{"l1:" + digest(f.canonical), v.LockKey},
				{"s1:" + f.sourceDigest(), v.SourceKey},
				{name, v.ObjectName},
				{Thumbnail{URL: name}.URLOf("2"), v.ObjectName2x},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s, want %s", pair[0], pair[1])
				}
			}
			again, err := makeForm(f.source, f.geometry, f.options.options())
			if err != nil || string(again.canonical) != v.Canonical {
				t.Errorf("read and written again: %s (%v)", again.canonical, err)
			}
		})
	}
}

func TestInvalidSpecs(t *testing.T) {
	type vector = struct{ Description, Canonical string }
	name := func(v vector) string { return v.Description }
	each(t, load[specVectors](t, "specs").Invalid, name, func(t *testing.T, v vector) {
		// A sixth member may be a token's expiry time.
		if f, expires, err := parseForm([]byte(v.Canonical)); !errors.Is(err, ErrSpec) && expires == 0 {
			t.Errorf("%v (%v)", f, err)
		}
	})
}

func TestRefusedSpecs(t *testing.T) {
	name := func(v specVector) string { return v.Description }
	each(t, load[specVectors](t, "specs").Refused, name, func(t *testing.T, v specVector) {
		source := source{v.Source[0], v.Source[1], v.Source[2]}
		err := source.check()
		if err == nil {
			_, err = makeForm(source, v.Geometry, v.Options)
		}
		if !errors.Is(err, ErrSpec) {
			t.Error(err)
		}
	})
}

// The vectors are text, and cannot contain these bytes.
func TestInvalidBytesOfSpecs(t *testing.T) {
	for _, payload := range []string{
		"[\"s3\",\"photos\",\"\xff.jpg\",\"10x10\",{}]",
		"[\"s3\",\"photos\",\"\xed\xa0\x80.jpg\",\"10x10\",{}]", // a surrogate, encoded
		"\ufeff[\"s3\",\"photos\",\"a.jpg\",\"10x10\",{}]",
		"",
		"null",
	} {
		if _, _, err := parseForm([]byte(payload)); !errors.Is(err, ErrSpec) {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

func TestSources(t *testing.T) {
	vectors := load[specVectors](t, "specs")
	if len(vectors.Sources) == 0 || len(vectors.InvalidSources) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors.Sources {
		got, err := parseSource(v.Text)
		if err != nil || got != (source{v.Source[0], v.Source[1], v.Source[2]}) {
			t.Errorf("%q is %v (%v)", v.Text, got, err)
		}
	}
	for _, text := range append(vectors.InvalidSources, "s3://photos/\xff.jpg", "storage://\xff/a.jpg", "https://a:/b", "https://a:80:80/b") {
		if got, err := parseSource(text); !errors.Is(err, ErrSpec) {
			t.Errorf("%q is %v (%v)", text, got, err)
		}
	}
}

func TestGeometries(t *testing.T) {
	for text, want := range map[string][2]int{"300x200": {300, 200}, "99999": {99999, 0}, "x1": {0, 1}} {
		if width, height, ok := parseGeometry(text); !ok || [2]int{width, height} != want {
			t.Errorf("%q is %dx%d (%t)", text, width, height, ok)
		}
	}
	for _, text := range []string{"", "x", "300x", "0", "x0", "010", "100000", "+5", "3 0", "1x2x3", "10X10", "٣"} {
		if _, _, ok := parseGeometry(text); ok {
			t.Errorf("%q is a geometry", text)
		}
	}
}

type (
	kind    string
	pixels  int16
	palette map[kind]pixels
)

func nested(depth int) any {
	var value any = 1
	for range depth {
		value = []any{value}
	}
	return value
}

func TestOptionsWithGoTypes(t *testing.T) {
	canonical := func(value any) (string, error) {
		f, err := makeForm(source{"s3", "b", "n"}, "1", Options{"o": value})
		if err != nil {
			return "", err
		}
		const before, after = `["s3","b","n","1",{"o":`, `}]`
		return string(f.canonical[len(before) : len(f.canonical)-len(after)]), nil
	}
	for _, v := range []struct {
		value any
		want  string
	}{
		{nil, `null`},
		{kind("noop"), `"noop"`},
		{json.Number("1e3"), `1000`},
		{json.Number("0.50"), `0.5`},
		{pixels(-7), `-7`},
		{uint8(255), `255`},
		{uint64(maxInteger), `9007199254740991`},
		{float32(0.1), `0.1`},
		{float32(3), `3`},
		{math.Copysign(0, -1), `0`},
		{999999999999999.9, `999999999999999.9`},
		{[]int{10, 20}, `[10,20]`},
		{[2]float64{1, 1.5}, `[1,1.5]`},
		{[]string(nil), `[]`},
		{map[string]any(nil), `{}`},
		{palette{"b": 2, "a": 1}, `{"a":1,"b":2}`},
		{map[string]any{"default": map[string]bool{"x": true}}, `{"default":{"x":true}}`},
		{[]any{nil, []any{}}, `[null,[]]`},
		{nested(8), `[[[[[[[[1]]]]]]]]`},
	} {
		if got, err := canonical(v.value); err != nil || got != v.want {
			t.Errorf("%#v is %s (%v), want %s", v.value, got, err, v.want)
		}
	}
	around := map[string]any{}
	around["a"] = around
	for _, value := range []any{
		"\xff", kind("\xff"), int64(maxInteger + 1), int64(-maxInteger - 1), int64(math.MinInt64), uint64(math.MaxUint64),
		math.NaN(), math.Inf(1), 0.00001, 1e15 + 0.5, 1e16, float32(1e-5), 1i,
		json.Number("1_0"), json.Number("0x10"), json.Number("NaN"), json.Number("1e999"), json.Number(""),
		json.Number("9223372036854775808"), []byte("text"), json.RawMessage("1"),
		struct{}{}, new(int), (*int)(nil), map[int]string{1: "a"}, map[any]any{"a": 1}, map[int]string{},
		map[string]int{"a b": 1}, map[string]int{"": 1}, map[string]int{"ä": 1}, []any{[]any{1i}},
		nested(9), around,
	} {
		if got, err := canonical(value); !errors.Is(err, ErrSpec) {
			t.Errorf("%T is %s (%v)", value, got, err)
		}
	}
}

func TestACallDoesNotChangeOptions(t *testing.T) {
	client := newClient(t, Config{Options: Options{"quality": 80}})
	options := Options{"crop": "center", "quality": 95, "list": []any{1.0}}
	want := Options{"crop": "center", "quality": 95, "list": []any{1.0}}
	first := must(client.URL("s3://b/n", "10x10", options))
	if second := must(client.URL("s3://b/n", "10x10", options)); first != second {
		t.Errorf("%s, then %s", first, second)
	}
	if !reflect.DeepEqual(options, want) {
		t.Errorf("the call's options are now %v", options)
	}
	plain := must(client.URL("s3://b/n", "10x10", nil))
	if plain == must(client.URL("s3://b/n", "10x10", Options{"quality": 95})) {
		t.Error("the call has changed the site's options")
	}
}

func TestTheSitesOptionsAreCopied(t *testing.T) {
	list := []any{1, 2}
	options := Options{"quality": 80, "list": list}
	client := newClient(t, Config{Options: options})
	before := must(client.URL("s3://b/n", "10x10", nil))
	options["quality"], list[0] = 70, 3
	if after := must(client.URL("s3://b/n", "10x10", nil)); before != after {
		t.Error("the client's options changed with the caller's")
	}
}

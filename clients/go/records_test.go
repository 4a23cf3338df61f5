package shrinkmeister

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

type recordVector struct {
	Kind, Description, Record string
	Width, Height             int
	Base                      *string
	Resolutions               []string
	Checked                   int64
	Flipped                   bool
	Version                   any
}

type sealVector struct{ Description, Under, Record, Sealed string }

type recordVectors struct {
	Thumbnails, Sources, Invalid []recordVector
	Seals                        struct {
		Secret, Key    string
		Valid, Invalid []sealVector
	}
}

func recordDescription(v recordVector) string { return v.Description }
func sealDescription(v sealVector) string     { return v.Description }

// seal is what the server does to a record.
func seal(secret, key, body string) string {
	s := sealOf(must(deriveKey(secret, recordInfo, recordKeyLength)), key, []byte(body))
	return strings.TrimSuffix(body, "}") + `,"m":"` + string(s) + `"}`
}

// parseSourceRecord reads what the client itself has no use for, by means of what it reads.
func parseSourceRecord(data []byte) (width, height int, flipped bool, version string, err error) {
	fields, err := parseFields(data)
	if err != nil {
		return
	}
	raw, flipped := fields["f"]
	if flipped && string(raw) != "1" {
		err = errRecord
		return
	}
	width, height, err = size(fields)
	return width, height, flipped, strings.TrimPrefix(string(fields["n"]), "null"), err
}

func TestRecords(t *testing.T) {
	each(t, load[recordVectors](t, "records").Thumbnails, recordDescription, func(t *testing.T, v recordVector) {
		r, err := parseRecord([]byte(v.Record))
		if err != nil {
			t.Fatal(err)
		}
		base := ""
		if v.Base != nil {
			base = *v.Base
		}
		if r.width != v.Width || r.height != v.Height || r.base != base || r.checked != v.Checked ||
			!slices.Equal(r.resolutions, v.Resolutions) {
			t.Errorf("read as %+v", r)
		}
	})
}

// inJSON is a version as a record has it; null is as good as none.
func inJSON(version any) string {
	if version == nil {
		return ""
	}
	return string(must(json.Marshal(version)))
}

func TestRecordsOfSources(t *testing.T) {
	each(t, load[recordVectors](t, "records").Sources, recordDescription, func(t *testing.T, v recordVector) {
		width, height, flipped, version, err := parseSourceRecord([]byte(v.Record))
		if err != nil || width != v.Width || height != v.Height || flipped != v.Flipped || version != inJSON(v.Version) {
			t.Errorf("read as %dx%d, %t, %q (%v)", width, height, flipped, version, err)
		}
	})
}

func TestInvalidRecords(t *testing.T) {
	each(t, load[recordVectors](t, "records").Invalid, recordDescription, func(t *testing.T, v recordVector) {
		if v.Kind != "source" {
			if r, err := parseRecord([]byte(v.Record)); !errors.Is(err, errRecord) {
				t.Errorf("read as %+v (%v)", r, err)
			}
		}
		if v.Kind != "thumbnail" {
			if _, _, _, _, err := parseSourceRecord([]byte(v.Record)); !errors.Is(err, errRecord) {
				t.Errorf("of a source: %v", err)
			}
		}
	})
}

func TestRecordsBeyondTheVectors(t *testing.T) {
	with := func(member string) string { return `{"v":1,"w":300,"h":200,` + member + `}` }
	for _, data := range []string{
		` { "v" : 1 , "w" : 300 , "h" : 200 } `,
		`{"\u0076":1,"w":300,"h":200}`,
		`{"v":2,"w":1,"w":300,"h":200,"v":1}`, // the last of a name, as most parsers have it
		with(`"W":1`),
		with(`"T":"x","R":0,"U":null`),
		with(`"u":"https:\/\/example.com\/\ud83d\ude00\u00e4/"`),
		with(`"u":"http://example.com/\ufffd/"`),
		with(`"x":"\ud800"`),
	} {
		if r, err := parseRecord([]byte(data)); err != nil || r.width != 300 {
			t.Errorf("%s: %+v (%v)", data, r, err)
		}
	}
	for _, data := range []string{
		`{"V":1,"w":300,"h":200}`,
		`{"v":1,"W":300,"h":200}`,
		`{"v":1e0,"w":300,"h":200}`,
		`{"v":1,"w":3e2,"h":200}`,
		`{"v":1,"w":300,"h":-200}`,
		`null`,
		with(`"x":"` + "\xff" + `"`),
		with(`"t":9007199254740992`),
		with(`"t":null`),
		with(`"r":null`),
		with(`"r":["2",null]`),
		with(`"r":["2\n"]`),
		with(`"r":["٢"]`),
		with(`"u":"https://"`),
		with(`"u":"HTTPS://example.com/"`),
		with(`"u":"https://example.com/\ude00\ud83d/"`),
		with(`"u":"https://example.com/\ud83d"`),
		with(`"u":"https://example.com/\ud83d\n"`),
		with(`"u":"https://example.com/\n\uD800\ud83d\ude00"`),
	} {
		if r, err := parseRecord([]byte(data)); !errors.Is(err, errRecord) {
			t.Errorf("%s: %+v (%v)", data, r, err)
		}
	}
	// What HTML would have to escape.
	for _, r := range "\u0000\u001f \u007f?#<>\"'&\\" {
		if url := fmt.Sprintf("https://example.com/%c/", r); lastingURL(url) {
			t.Errorf("%q would go into a page", url)
		}
	}
}

func TestHalvesOfSurrogatePairs(t *testing.T) {
	for raw, want := range map[string]bool{
		`"\ud83d\ude00"`:       false,
		`"\ud83d\ude00\ude00"`: true,
		`"\ud83d\u0041"`:       true,
		`"\ud83dx\ude00"`:      true,
		`"\uDFFF"`:             true,
		`"\\ud800"`:            false,
		`"\\\ud800"`:           true,
		`"\"\ud800"`:           true,
		`"\ufffd\ue000"`:       false,
	} {
		if got := halfPair([]byte(raw)); got != want {
			t.Errorf("%s: %t", raw, got)
		}
	}
}

func TestDue(t *testing.T) {
	// "di" is 486 in base 36, and 1/2 + 486/2592 of 1600 seconds are 1100.
	const key = "t1:di"
	r := &record{checked: moment - 1100}
	if r.due(key, time.Unix(moment-1, 999_000_000), 1600*time.Second, nil) {
		t.Error("too early")
	}
	if !r.due(key, time.Unix(moment, 0), 1600*time.Second, nil) {
		t.Error("too late")
	}
}

func TestSeals(t *testing.T) {
	vectors := load[recordVectors](t, "records").Seals
	if key := must(deriveKey(vectors.Secret, recordInfo, recordKeyLength)); hex.EncodeToString(key) != vectors.Key {
		t.Errorf("the key is %x", key)
	}
	each(t, vectors.Valid, sealDescription, func(t *testing.T, v sealVector) {
		for _, secrets := range [][]string{{vectors.Secret}, {secondSecret, vectors.Secret}} {
			body, err := must(newSeals(secrets)).open(v.Under, []byte(v.Sealed))
			if err != nil || string(body) != v.Record {
				t.Errorf("opened as %s (%v)", body, err)
			}
		}
		if sealed := seal(vectors.Secret, v.Under, v.Record); sealed != v.Sealed {
			t.Errorf("sealed as %s", sealed)
		}
	})
	each(t, vectors.Invalid, sealDescription, func(t *testing.T, v sealVector) {
		body, err := must(newSeals([]string{vectors.Secret})).open(v.Under, []byte(v.Sealed))
		if !errors.Is(err, errRecord) {
			t.Errorf("opened as %s (%v)", body, err)
		}
	})
}

func TestNoByteOfASealedRecordMayChange(t *testing.T) {
	const key = "t1:lbe73r7nkxzl3j4omxf5zzsofjurorjf"
	s := must(newSeals([]string{firstSecret}))
	sealed := []byte(seal(firstSecret, key, `{"v":1,"w":300,"h":200}`))
	if _, err := s.open(key, sealed); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.open(key, changed); err == nil {
			t.Errorf("%s counts", changed)
		}
		if _, err := s.open(key, sealed[:i]); err == nil {
			t.Errorf("%s counts", sealed[:i])
		}
	}
	// Spare bits of the seal's last character.
	last := len(sealed) - 3
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		changed := slices.Clone(sealed)
		changed[last] = c
		if _, err := s.open(key, changed); err == nil && c != sealed[last] {
			t.Errorf("%s counts", changed)
		}
	}
	if _, err := s.open(key, []byte(seal(firstSecret, key, ` {"v":1,"w":300,"h":200}`))); err == nil {
		t.Error("what does not start with a brace counts")
	}
	// Nothing before the seal but the brace.
	mac := sealOf(s.keys[0], key, []byte("{}"))
	if _, err := s.open(key, fmt.Appendf(nil, `{,"m":"%s"}`, mac)); err == nil {
		t.Error("an empty record counts")
	}
	if n := base64.RawURLEncoding.EncodedLen(sealLength); n != 11 {
		t.Errorf("a seal has %d characters", n)
	}
}

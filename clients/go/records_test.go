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

type signatureVector struct{ Description, Under, Record, Sealed string }

type recordVectors struct {
	Thumbnails, Sources, Invalid []recordVector
	Seals                        struct {
		Secret, Key    string
		Valid, Invalid []signatureVector
	}
}

func recordDescription(v recordVector) string       { return v.Description }
func signatureDescription(v signatureVector) string { return v.Description }

// sign returns a record with its signature, as the server writes it.
func sign(secret, key, body string) string {
	s := signatureOf(must(deriveKey(secret, recordInfo, recordKeyLength)), key, []byte(body))
	return strings.TrimSuffix(body, "}") + `,"m":"` + string(s) + `"}`
}

// parseSourceRecord returns a source's record. The client itself does not need such records.
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
		if r.width != v.Width || r.height != v.Height || r.base != base || r.verifiedAt != v.Checked ||
			!slices.Equal(r.resolutions, v.Resolutions) {
			t.Errorf("read as %+v", r)
		}
	})
}

// inJSON returns a version as a record has it. null means no version.
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
		`{"v":2,"w":1,"w":300,"h":200,"v":1}`, // As most parsers, the client uses the last duplicate.
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
	// HTML has to escape these characters.
	for _, r := range "\u0000\u001f \u007f?#<>\"'&\\" {
		if url := fmt.Sprintf("https://example.com/%c/", r); permanentURL(url) {
			t.Errorf("%q is valid", url)
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

func TestStale(t *testing.T) {
	// "di" is 486 in base 36, and 1/2 + 486/2592 of 1600 seconds are 1100.
	const key = "t1:di"
	r := &record{verifiedAt: moment - 1100}
	if r.stale(key, time.Unix(moment-1, 999_000_000), 1600*time.Second, nil) {
		t.Error("too early")
	}
	if !r.stale(key, time.Unix(moment, 0), 1600*time.Second, nil) {
		t.Error("too late")
	}
}

func TestSignatures(t *testing.T) {
	vectors := load[recordVectors](t, "records").Seals
	if key := must(deriveKey(vectors.Secret, recordInfo, recordKeyLength)); hex.EncodeToString(key) != vectors.Key {
		t.Errorf("the key is %x", key)
	}
	each(t, vectors.Valid, signatureDescription, func(t *testing.T, v signatureVector) {
		for _, secrets := range [][]string{{vectors.Secret}, {secondSecret, vectors.Secret}} {
			body, err := must(newSigner(secrets)).unsign(v.Under, []byte(v.Sealed))
			if err != nil || string(body) != v.Record {
				t.Errorf("unsigned as %s (%v)", body, err)
			}
		}
		if signed := sign(vectors.Secret, v.Under, v.Record); signed != v.Sealed {
			t.Errorf("signed as %s", signed)
		}
	})
	each(t, vectors.Invalid, signatureDescription, func(t *testing.T, v signatureVector) {
		body, err := must(newSigner([]string{vectors.Secret})).unsign(v.Under, []byte(v.Sealed))
		if !errors.Is(err, errRecord) {
			t.Errorf("unsigned as %s (%v)", body, err)
		}
	})
}

func TestEveryByteOfASignedRecordIsAuthenticated(t *testing.T) {
	const key = "t1:lbe73r7nkxzl3j4omxf5zzsofjurorjf"
	s := must(newSigner([]string{firstSecret}))
	signed := []byte(sign(firstSecret, key, `{"v":1,"w":300,"h":200}`))
	if _, err := s.unsign(key, signed); err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		changed := slices.Clone(signed)
		changed[i] ^= 1
		if _, err := s.unsign(key, changed); err == nil {
			t.Errorf("%s is valid", changed)
		}
		if _, err := s.unsign(key, signed[:i]); err == nil {
			t.Errorf("%s is valid", signed[:i])
		}
	}
	// The signature's last character has spare bits.
	last := len(signed) - 3
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		changed := slices.Clone(signed)
		changed[last] = c
		if _, err := s.unsign(key, changed); err == nil && c != signed[last] {
			t.Errorf("%s is valid", changed)
		}
	}
	if _, err := s.unsign(key, []byte(sign(firstSecret, key, ` {"v":1,"w":300,"h":200}`))); err == nil {
		t.Error("a record that does not start with a brace is valid")
	}
	// An empty record has only a brace before its signature.
	mac := signatureOf(s.keys[0], key, []byte("{}"))
	if _, err := s.unsign(key, fmt.Appendf(nil, `{,"m":"%s"}`, mac)); err == nil {
		t.Error("an empty record is valid")
	}
	if n := base64.RawURLEncoding.EncodedLen(signatureLength); n != 11 {
		t.Errorf("a signature has %d characters", n)
	}
}

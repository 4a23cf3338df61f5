package shrinkmeister

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	recordInfo      = "shrinkmeister record 1"
	recordKeyLength = 32
	// Bytes of the HMAC. A forger has 2^63 to try on the average.
	sealLength = 8
	maxPixels  = 1<<31 - 1
)

// What stands at the end of a record: ,"m":"<seal>"}
var (
	sealStart = []byte(`,"m":"`)
	sealEnd   = []byte(`"}`)
	sealText  = base64.RawURLEncoding
)

var resolutionForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// A record is what the shared cache holds about a stored thumbnail.
type record struct {
	width, height int
	checked       int64    // when it was known to be stored, in Unix seconds; 0 where nobody has said
	resolutions   []string // stored beside it
	base          string   // its final URL up to its name; empty in a private bucket
}

// seals show that a record was written with one of the secrets, under that key.
type seals struct {
	keys [][]byte
}

func newSeals(secrets []string) (*seals, error) {
	s := &seals{}
	for _, secret := range secrets {
		key, err := deriveKey(secret, recordInfo, recordKeyLength)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// open is the record without its seal. key: under which it lies, without the prefix.
func (s *seals) open(key string, data []byte) ([]byte, error) {
	start := len(data) - len(sealStart) - sealText.EncodedLen(sealLength) - len(sealEnd)
	// Before the seal stands a member at least.
	if start > 1 && data[0] == '{' && bytes.HasPrefix(data[start:], sealStart) && bytes.HasSuffix(data, sealEnd) {
		body := append(data[:start:start], '}')
		seal := data[start+len(sealStart) : len(data)-len(sealEnd)]
		for _, secret := range s.keys {
			if hmac.Equal(seal, sealOf(secret, key, body)) {
				return body, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: it was not written with a secret of ours", errRecord)
}

func sealOf(secret []byte, key string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(key))
	mac.Write([]byte{'\n'})
	mac.Write(body)
	return sealText.AppendEncode(nil, mac.Sum(nil)[:sealLength])
}

// parseRecord reads the record of a thumbnail, without its seal.
func parseRecord(data []byte) (*record, error) {
	fields, err := parseFields(data)
	if err != nil {
		return nil, err
	}
	r := &record{}
	if r.width, r.height, err = size(fields); err != nil {
		return nil, err
	}
	if raw, found := fields["t"]; found {
		checked, ok := integer(raw, maxInteger)
		if !ok {
			return nil, fmt.Errorf("%w: its time is no number of seconds", errRecord)
		}
		r.checked = checked
	}
	if raw, found := fields["r"]; found {
		notForm := func(text string) bool { return !resolutionForm.MatchString(text) }
		if json.Unmarshal(raw, &r.resolutions) != nil || len(r.resolutions) == 0 ||
			slices.ContainsFunc(r.resolutions, notForm) {
			return nil, fmt.Errorf("%w: its resolutions are no list of factors", errRecord)
		}
	}
	if raw, found := fields["u"]; found {
		if json.Unmarshal(raw, &r.base) != nil || halfPair(raw) || !lastingURL(r.base) {
			return nil, fmt.Errorf("%w: its URL is no lasting one of http(s)", errRecord)
		}
	}
	return r, nil
}

// parseFields are the members of a record of any kind, not taken apart: the form of a number counts, and
// a struct would take names in other cases too.
func parseFields(data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if !utf8.Valid(data) || json.Unmarshal(data, &fields) != nil || string(fields["v"]) != "1" {
		return nil, fmt.Errorf("%w: no JSON object of version 1", errRecord)
	}
	return fields, nil
}

func size(fields map[string]json.RawMessage) (width, height int, err error) {
	w, ok := integer(fields["w"], maxPixels)
	h, alsoOK := integer(fields["h"], maxPixels)
	if !ok || !alsoOK {
		return 0, 0, fmt.Errorf("%w: its size is no number of pixels", errRecord)
	}
	return int(w), int(h), nil
}

// integer takes a number from 1 to most that is written as an integer.
func integer(raw json.RawMessage, most int64) (int64, bool) {
	number, err := strconv.ParseInt(string(raw), 10, 64)
	return number, err == nil && 1 <= number && number <= most
}

// lastingURL says whether a URL may be put into pages: without a query, which would be a signature that
// ends, and with nothing that HTML would have to escape.
func lastingURL(text string) bool {
	rest, found := strings.CutPrefix(text, "https://")
	if !found {
		rest, found = strings.CutPrefix(text, "http://")
	}
	return found && rest != "" && !strings.ContainsFunc(rest, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`?#<>"'&\`, r)
	})
}

// halfPair says whether a JSON text has an escaped half of a surrogate pair, which the decoder replaces.
func halfPair(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, next := escaped(raw[i:]), rune(0)
		if utf16.IsSurrogate(unit) {
			next = escaped(raw[i+6:])
			if utf16.DecodeRune(unit, next) == utf8.RuneError {
				return true
			}
			i += 10
		}
		i++
	}
	return false
}

// escaped is the UTF-16 unit of the escape \uXXXX at the start of valid JSON; 0 of what is none.
func escaped(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(unit)
}

func (r *record) has(resolutions []string) bool {
	for _, one := range resolutions {
		if !slices.Contains(r.resolutions, one) {
			return false
		}
	}
	return true
}

// due says whether it is time for the server to look whether the thumbnail is still stored.
//
//	key    of the record: those of a page would all be due at once, so each has a time of its own
//	doubt  what stands under the key "doubt"
func (r *record) due(key string, now time.Time, checkTTL time.Duration, doubt []byte) bool {
	seconds := float64(now.UnixMicro()) / 1e6
	if moment, ok := parseDoubt(doubt); ok && float64(r.checked) < moment && moment <= seconds {
		return true
	}
	place, err := strconv.ParseUint(key[3:5], 36, 16)
	if err != nil {
		panic(err) // a digest is of a-z and 2-7
	}
	share := 0.5 + float64(place)/(2*36*36)
	return seconds-float64(r.checked) >= checkTTL.Seconds()*share
}

// parseDoubt takes a Unix time of up to 19 digits.
func parseDoubt(value []byte) (float64, bool) {
	if len(value) == 0 || len(value) > 19 || bytes.ContainsFunc(value, notDigit) {
		return math.Inf(1), false
	}
	moment, err := strconv.ParseUint(string(value), 10, 64)
	return float64(moment), err == nil
}

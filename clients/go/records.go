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
	// Bytes of HMAC-SHA256. A forger needs 2^63 attempts on average.
	signatureLength = 8
	maxPixels       = 1<<31 - 1
)

// A signed record ends with ,"m":"<signature>"}
var (
	signatureStart = []byte(`,"m":"`)
	signatureEnd   = []byte(`"}`)
	signatureText  = base64.RawURLEncoding
)

var resolutionForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// A record describes a thumbnail that is stored.
type record struct {
	width, height int
	verifiedAt    int64    // Unix time when it was known to be stored; 0 if unknown
	resolutions   []string // the alternative resolutions that are stored too: "2", "1.5"
	base          string   // its final URL without its object name; empty in a private bucket
}

// A signer accepts the signature of any of the secrets. Each signature covers a value and its key.
type signer struct {
	keys [][]byte
}

func newSigner(secrets []string) (*signer, error) {
	s := &signer{}
	for _, secret := range secrets {
		key, err := deriveKey(secret, recordInfo, recordKeyLength)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// unsign returns the record without its signature. key is the record's key, without the prefix.
func (s *signer) unsign(key string, data []byte) ([]byte, error) {
	start := len(data) - len(signatureStart) - signatureText.EncodedLen(signatureLength) - len(signatureEnd)
	// A record has at least one member before its signature.
	if start > 1 && data[0] == '{' && bytes.HasPrefix(data[start:], signatureStart) &&
		bytes.HasSuffix(data, signatureEnd) {
		body := append(data[:start:start], '}')
		signature := data[start+len(signatureStart) : len(data)-len(signatureEnd)]
		for _, secret := range s.keys {
			if hmac.Equal(signature, signatureOf(secret, key, body)) {
				return body, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: the value has no valid signature", errRecord)
}

func signatureOf(secret []byte, key string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(key))
	mac.Write([]byte{'\n'})
	mac.Write(body)
	return signatureText.AppendEncode(nil, mac.Sum(nil)[:signatureLength])
}

// parseRecord returns the record of a thumbnail. data has no signature.
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
		verifiedAt, ok := integer(raw, maxInteger)
		if !ok {
			return nil, fmt.Errorf("%w: the time is not a number of seconds", errRecord)
		}
		r.verifiedAt = verifiedAt
	}
	if raw, found := fields["r"]; found {
		notForm := func(text string) bool { return !resolutionForm.MatchString(text) }
		if json.Unmarshal(raw, &r.resolutions) != nil || len(r.resolutions) == 0 ||
			slices.ContainsFunc(r.resolutions, notForm) {
			return nil, fmt.Errorf("%w: the resolutions are not a list of factors", errRecord)
		}
	}
	if raw, found := fields["u"]; found {
		if json.Unmarshal(raw, &r.base) != nil || halfPair(raw) || !permanentURL(r.base) {
			return nil, fmt.Errorf("%w: the URL is not a permanent http(s) URL", errRecord)
		}
	}
	return r, nil
}

// parseFields returns the members of a record of any kind. They stay raw, since numbers are valid in one
// form only. A struct would accept names in other cases too.
func parseFields(data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if !utf8.Valid(data) || json.Unmarshal(data, &fields) != nil || string(fields["v"]) != "1" {
		return nil, fmt.Errorf("%w: the value is not a record of version 1", errRecord)
	}
	return fields, nil
}

func size(fields map[string]json.RawMessage) (width, height int, err error) {
	w, ok := integer(fields["w"], maxPixels)
	h, alsoOK := integer(fields["h"], maxPixels)
	if !ok || !alsoOK {
		return 0, 0, fmt.Errorf("%w: the width or the height is not a number of pixels", errRecord)
	}
	return int(w), int(h), nil
}

// integer returns a number from 1 to most that is written as an integer.
func integer(raw json.RawMessage, most int64) (int64, bool) {
	number, err := strconv.ParseInt(string(raw), 10, 64)
	return number, err == nil && 1 <= number && number <= most
}

// permanentURL reports whether pages may show a URL: it has no query, since a URL with one is signed and
// expires, and no characters that HTML has to escape.
func permanentURL(text string) bool {
	rest, found := strings.CutPrefix(text, "https://")
	if !found {
		rest, found = strings.CutPrefix(text, "http://")
	}
	return found && rest != "" && !strings.ContainsFunc(rest, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`?#<>"'&\`, r)
	})
}

// halfPair reports whether a JSON text has an escaped half of a surrogate pair. The decoder replaces it.
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

// escaped returns the UTF-16 unit of an escape \uXXXX at the start of raw, or 0.
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

// stale reports whether the server has to check the object of a record before pages use it. Each record
// gets stale at its own time in the second half of checkTTL. Otherwise all records of a page would get
// stale at once.
//
//	key             the record's key, whose digest decides about its time
//	distrustBefore  the value of distrustBeforeKey
func (r *record) stale(key string, now time.Time, checkTTL time.Duration, distrustBefore []byte) bool {
	seconds := float64(now.UnixMicro()) / 1e6
	if moment, ok := parseMoment(distrustBefore); ok && float64(r.verifiedAt) < moment && moment <= seconds {
		return true
	}
	place, err := strconv.ParseUint(key[3:5], 36, 16)
	if err != nil {
		panic(err) // A digest only has the characters a-z and 2-7.
	}
	share := 0.5 + float64(place)/(2*36*36)
	return seconds-float64(r.verifiedAt) >= checkTTL.Seconds()*share
}

// parseMoment returns the Unix time that a value of the shared cache contains, of at most 19 digits.
func parseMoment(value []byte) (float64, bool) {
	if len(value) == 0 || len(value) > 19 || bytes.ContainsFunc(value, notDigit) {
		return math.Inf(1), false
	}
	moment, err := strconv.ParseUint(string(value), 10, 64)
	return float64(moment), err == nil
}

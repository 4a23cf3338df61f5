package shrinkmeister

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

const (
	tokenInfo = "shrinkmeister token 1"
	// Characters of a token. Web servers accept request lines of about 4,000 bytes.
	maxToken = 3800
	// Bytes that AES-SIV puts before the ciphertext.
	tagLength = 16
)

var tokenVersion = []byte{1}

// The decoding is strict, since spare bits in the last character would give one thumbnail several URLs.
var tokenText = base64.RawURLEncoding.Strict()

// tokens encrypt with the first secret and decrypt with any. The ciphers are safe for concurrent use.
type tokens struct {
	ciphers []*subtle.AESSIV
	ttl     int64 // seconds after which a token expires; 0 for never
	clock   func() time.Time
}

func newTokens(secrets []string, ttl int64, clock func() time.Time) (*tokens, error) {
	t := &tokens{ttl: ttl, clock: clock}
	for _, secret := range secrets {
		key, err := deriveKey(secret, tokenInfo, subtle.AESSIVKeySize)
		if err != nil {
			return nil, err
		}
		cipher, err := subtle.NewAESSIV(key)
		if err != nil {
			return nil, err
		}
		t.ciphers = append(t.ciphers, cipher)
	}
	return t, nil
}

// deriveKey returns the key of a secret for one purpose, by HKDF-SHA256.
func deriveKey(secret, info string, length int) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(secret), nil, info, length)
}

// encrypt returns the token of a spec. Its error is ErrSpec if the token is longer than web servers accept.
func (t *tokens) encrypt(f *form) (string, error) {
	var expires int64
	if t.ttl > 0 {
		// The expiry time is rounded up to whole periods. So a token stays the same within a period, and
		// lives for one to two of them.
		expires = (t.clock().Unix()/t.ttl + 2) * t.ttl
	}
	payload := f.payload(expires)
	length := tokenText.EncodedLen(len(tokenVersion) + tagLength + len(payload))
	if length > maxToken {
		return "", invalidSpec("the token has %d characters, more than %d", length, maxToken)
	}
	encrypted, err := t.ciphers[0].EncryptDeterministically(payload, tokenVersion)
	if err != nil {
		return "", err
	}
	return tokenText.EncodeToString(append(tokenVersion[:1:1], encrypted...)), nil
}

// decrypt returns the spec of a token and its expiry time, 0 for none.
func (t *tokens) decrypt(token string) (*form, int64, error) {
	// The decoder skips newlines.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, 0, fmt.Errorf("%w: the token is not base64url, or its length is impossible", ErrToken)
	}
	data, err := tokenText.DecodeString(token)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: the token is not canonical base64url, or its length is impossible", ErrToken)
	}
	if len(data) == 0 || data[0] != tokenVersion[0] {
		return nil, 0, fmt.Errorf("%w: the token has an unknown version", ErrToken)
	}
	for _, cipher := range t.ciphers {
		payload, err := cipher.DecryptDeterministically(data[1:], tokenVersion)
		if err != nil {
			continue
		}
		f, expires, err := parseForm(payload)
		if err != nil {
			// The message omits the reason, which may contain plaintext.
			return nil, 0, fmt.Errorf("%w: the token is genuine, but its content is not a spec", ErrToken)
		}
		if expires > 0 && t.clock().Unix() >= expires {
			return nil, 0, fmt.Errorf("%w: the token expired at %d", ErrTokenExpired, expires)
		}
		return f, expires, nil
	}
	return nil, 0, fmt.Errorf("%w: the token was not encrypted with a known secret", ErrToken)
}

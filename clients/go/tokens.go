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
	// Characters. Servers take request lines of some 4,000 bytes.
	maxToken = 3800
	// Of AES-SIV: bytes before the ciphertext.
	tagLength = 16
)

var tokenVersion = []byte{1}

// Unused bits of the last character would give one thumbnail several URLs.
var tokenText = base64.RawURLEncoding.Strict()

// tokens seal with the first secret, and open with any. Their ciphers hold keys alone, which never change.
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

// deriveKey makes another key of a secret for each purpose.
func deriveKey(secret, info string, length int) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(secret), nil, info, length)
}

func (t *tokens) seal(f *form) (string, error) {
	var end int64
	if t.ttl > 0 {
		// Whole periods: a token stays the same within one, and lives for one to two of them.
		end = (t.clock().Unix()/t.ttl + 2) * t.ttl
	}
	payload := f.payload(end)
	length := tokenText.EncodedLen(len(tokenVersion) + tagLength + len(payload))
	if length > maxToken {
		return "", wrongSpec("its URL would have a token of %d characters: more than %d", length, maxToken)
	}
	sealed, err := t.ciphers[0].EncryptDeterministically(payload, tokenVersion)
	if err != nil {
		return "", err
	}
	return tokenText.EncodeToString(append(tokenVersion[:1:1], sealed...)), nil
}

// open is the spec of a token and its end, 0 if it has none.
func (t *tokens) open(token string) (*form, int64, error) {
	// The decoder skips newlines.
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, 0, fmt.Errorf("%w: it is not base64url of a length that can be", ErrToken)
	}
	data, err := tokenText.DecodeString(token)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if len(data) == 0 || data[0] != tokenVersion[0] {
		return nil, 0, fmt.Errorf("%w: its version is unknown", ErrToken)
	}
	for _, cipher := range t.ciphers {
		payload, err := cipher.DecryptDeterministically(data[1:], tokenVersion)
		if err != nil {
			continue
		}
		f, end, err := parseForm(payload)
		if err != nil {
			// Without the reason, which would have of the plaintext.
			return nil, 0, fmt.Errorf("%w: it was sealed with a secret of ours, and holds no spec", ErrToken)
		}
		if end > 0 && t.clock().Unix() >= end {
			return nil, 0, fmt.Errorf("%w: it ended at %d", ErrTokenExpired, end)
		}
		return f, end, nil
	}
	return nil, 0, fmt.Errorf("%w: it was sealed with another secret, or changed", ErrToken)
}

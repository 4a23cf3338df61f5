package shrinkmeister

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// distrustBeforeKey is the key of the Unix time of the last loss of objects: records verified before it are
// distrusted.
const distrustBeforeKey = "doubt"

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567")

// digest returns 32 characters of a-z and 2-7.
func digest(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return lowerBase32.EncodeToString(sum[:20])
}

// recordKey returns the key of the thumbnail's record, without the prefix: t1:lbe73r7n...
func (f *form) recordKey() string {
	return "t1:" + digest(f.canonical)
}

// sourceDigest returns the name of the folder of all thumbnails of the source.
func (f *form) sourceDigest() string {
	canonical := make([]byte, f.sourceLength, f.sourceLength+1)
	copy(canonical, f.canonical)
	return digest(append(canonical, ']'))
}

// objectName returns the name of the thumbnail's object, without the prefix: ykl5m4xl.../lbe73r7n....jpg
func (f *form) objectName(recordKey string) string {
	return f.sourceDigest() + "/" + strings.TrimPrefix(recordKey, "t1:") + "." + f.extension()
}

package shrinkmeister

import (
	"errors"
	"fmt"
)

// What errors.Is finds in the errors of this package.
var (
	// ErrSetting is in what New returns. The message names the field, its value unless that is a secret,
	// and what to write instead.
	ErrSetting = errors.New("shrinkmeister: wrong setting")

	// ErrSpec is about a source, a geometry or an option that no thumbnail can be described with, or
	// a description that is longer than web servers take in a URL.
	ErrSpec = errors.New("shrinkmeister: no such thumbnail")

	// ErrToken is about a token that none of the secrets has sealed, or of an unknown version.
	ErrToken = errors.New("shrinkmeister: not a token of ours")

	// ErrTokenExpired is about a genuine token whose time is over. It is an ErrToken too.
	ErrTokenExpired = fmt.Errorf("%w any more", ErrToken)
)

// errRecord is about what the shared cache holds under a key of ours. A look-up takes it for a miss.
var errRecord = errors.New("shrinkmeister: not a record of ours")

func wrongSpec(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrSpec, fmt.Sprintf(format, values...))
}

package shrinkmeister

import (
	"errors"
	"fmt"
)

// The kinds of errors, for errors.Is.
var (
	// ErrSetting: a setting of the client is missing or invalid. The message names it, its value (never a
	// secret) and the fix.
	ErrSetting = errors.New("shrinkmeister: invalid setting")

	// ErrSpec: a source, a geometry or an option is invalid, or the token would be too long.
	ErrSpec = errors.New("shrinkmeister: invalid thumbnail")

	// ErrToken: no secret decrypts the token, or its version is unknown.
	ErrToken = errors.New("shrinkmeister: invalid token")

	// ErrTokenExpired: the token is genuine, and has expired. It is an ErrToken too.
	ErrTokenExpired = fmt.Errorf("%w", ErrToken)
)

// errRecord: a value of the shared cache is not a valid record. A look-up counts it as a miss.
var errRecord = errors.New("shrinkmeister: invalid record")

func invalidSpec(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrSpec, fmt.Sprintf(format, values...))
}

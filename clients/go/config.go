package shrinkmeister

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MGet returns the values of keys in their order: string or []byte, and nil for a missing key. The client
// calls it in a new goroutine, and does not wait for it after the context has ended.
type MGet func(ctx context.Context, keys ...string) ([]any, error)

// Config has the settings of a [Client]. The comments name the setting of the Django site or thumbnail
// server that has to be equal.
type Config struct {
	// SecretKey is random text of 32 characters or more. Required. THUMBNAIL_SECRET_KEY.
	SecretKey string

	// SecretKeyFallbacks are former secrets, whose tokens and records stay valid.
	// THUMBNAIL_SECRET_KEY_FALLBACKS.
	SecretKeyFallbacks []string

	// ServerURL is the URL at which browsers reach the server: "https://thumbs.example.com". Required.
	// THUMBNAIL_SERVER_URL.
	ServerURL string

	// MGet asks the shared cache. Without it, all thumbnails are lazy.
	MGet MGet

	// KeyPrefix is prepended to each key in the shared cache. Default: "shrinkmeister:".
	// THUMBNAIL_CACHE_KEY_PREFIX.
	KeyPrefix string

	// NoKeyPrefix makes the prefix empty, instead of the default. THUMBNAIL_CACHE_KEY_PREFIX = "".
	NoKeyPrefix bool

	// CacheTimeout is how long a look-up waits for the shared cache, 60 s at most. Default: 80 ms.
	// THUMBNAIL_CACHE_WAIT_SECONDS.
	CacheTimeout time.Duration

	// OnError is called when the shared cache fails or is too slow. The client then does not call the
	// cache for 5 seconds, but goroutines that are waiting for it may report too. Default: a warning of
	// log/slog.
	OnError func(error)

	// CheckTTL is how long pages use a record without a check. Default: 7 days. THUMBNAIL_CHECK_TTL.
	CheckTTL time.Duration

	// URLTTL is how long a lazy URL works at least, in whole seconds. Default: no expiry.
	// THUMBNAIL_URL_TTL.
	URLTTL time.Duration

	// Resolutions are those that pages use beside the thumbnail itself, spelled as the server's: "2" or
	// "1.5". THUMBNAIL_ALTERNATIVE_RESOLUTIONS.
	Resolutions []string

	// Options are the default options of all thumbnails: "quality" for THUMBNAIL_QUALITY. A call
	// overrides them.
	Options Options

	// Clock returns the time, for tests. Default: time.Now.
	Clock func() time.Time
}

// String keeps the secrets out of logs.
func (c Config) String() string {
	url := withoutPassword(c.ServerURL)
	return fmt.Sprintf("shrinkmeister.Config{ServerURL: %q, KeyPrefix: %q, ...}", url, c.KeyPrefix)
}

// GoString keeps the secrets out of what %#v prints.
func (c Config) GoString() string { return c.String() }

const (
	defaultKeyPrefix    = "shrinkmeister:"
	defaultCacheTimeout = 80 * time.Millisecond
	maxCacheTimeout     = 60 * time.Second
	defaultCheckTTL     = 7 * 24 * time.Hour

	secretFix    = "give client and server the same random text, for example from: openssl rand -base64 48"
	serverURLFix = `write the URL of the thumbnail server, such as "https://thumbs.example.com"`
)

var (
	serverURLForm = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$`)
	passwordForm  = regexp.MustCompile(`(?s)://.*@`)
	// All caches accept these characters in a key.
	keyPrefixForm = regexp.MustCompile(`^[!-~]{0,200}$`)
)

// complete sets the defaults. Its error lists all invalid settings.
func (c *Config) complete() error {
	var problems []error
	invalid := func(format string, values ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrSetting, fmt.Sprintf(format, values...)))
	}

	for i, secret := range c.secrets() {
		name := "SecretKey (THUMBNAIL_SECRET_KEY)"
		if i > 0 {
			name = fmt.Sprintf("SecretKeyFallbacks[%d] (THUMBNAIL_SECRET_KEY_FALLBACKS)", i-1)
		}
		// The messages do not contain the secret, since messages end up in logs.
		if length := utf8.RuneCountInString(secret); length == 0 {
			invalid("%s is not set; %s", name, secretFix)
		} else if length < minSecret {
			invalid("%s has %d characters, and the minimum is %d; %s", name, length, minSecret, secretFix)
		} else if !utf8.ValidString(secret) {
			invalid("%s is not UTF-8; %s", name, secretFix)
		} else if strings.TrimSpace(secret) != secret || strings.ContainsFunc(secret, unicode.IsControl) {
			invalid("%s contains control characters, or whitespace at an end; remove them, since an environment "+
				"variable would lose them, and client and server would differ", name)
		} else if weak := weakness(secret); weak != "" && i == 0 {
			// A fallback may be weak. Otherwise a site could not replace a weak secret.
			invalid("%s can be guessed: it %s; %s", name, weak, secretFix)
		}
	}

	if c.ServerURL == "" {
		invalid("ServerURL (THUMBNAIL_SERVER_URL) is not set; %s", serverURLFix)
	} else if !serverURLForm.MatchString(c.ServerURL) {
		invalid("ServerURL (THUMBNAIL_SERVER_URL) is %q; %s", withoutPassword(c.ServerURL), serverURLFix)
	}
	c.ServerURL = strings.TrimRight(c.ServerURL, "/")

	if !keyPrefixForm.MatchString(c.KeyPrefix) {
		invalid("KeyPrefix (THUMBNAIL_CACHE_KEY_PREFIX) is %q; use at most 200 ASCII characters without spaces",
			c.KeyPrefix)
	}
	if c.NoKeyPrefix && c.KeyPrefix != "" {
		invalid("KeyPrefix (THUMBNAIL_CACHE_KEY_PREFIX) is %q, and NoKeyPrefix is set too; remove one of the two",
			c.KeyPrefix)
	}
	if c.KeyPrefix == "" && !c.NoKeyPrefix {
		c.KeyPrefix = defaultKeyPrefix
	}

	if c.CacheTimeout < 0 || maxCacheTimeout < c.CacheTimeout {
		invalid("CacheTimeout (THUMBNAIL_CACHE_WAIT_SECONDS) is %s; write up to %s, or leave it out for %s",
			c.CacheTimeout, maxCacheTimeout, defaultCacheTimeout)
	}
	if c.CacheTimeout == 0 {
		c.CacheTimeout = defaultCacheTimeout
	}

	if c.CheckTTL < 0 || c.CheckTTL%time.Second != 0 {
		invalid("CheckTTL (THUMBNAIL_CHECK_TTL) is %s; write whole seconds above 0, or leave it out for %s",
			c.CheckTTL, defaultCheckTTL)
	}
	if c.CheckTTL == 0 {
		c.CheckTTL = defaultCheckTTL
	}
	if c.URLTTL < 0 || c.URLTTL%time.Second != 0 {
		invalid("URLTTL (THUMBNAIL_URL_TTL) is %s; write whole seconds above 0, or leave it out for no expiry",
			c.URLTTL)
	}

	for _, resolution := range c.Resolutions {
		factor, err := strconv.ParseFloat(resolution, 64)
		if err != nil || !resolutionForm.MatchString(resolution) || factor <= 0 || 10 < factor {
			invalid("Resolutions (THUMBNAIL_ALTERNATIVE_RESOLUTIONS) contains %q; "+
				`list factors above 0 and up to 10 as text: "2", "1.5"`, resolution)
		}
	}
	c.Resolutions = slices.Clone(c.Resolutions)

	if c.OnError == nil {
		c.OnError = func(err error) { slog.Warn(err.Error()) }
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return errors.Join(problems...)
}

// withoutPassword returns a URL that a message may show.
func withoutPassword(url string) string { return passwordForm.ReplaceAllString(url, "://***@") }

func (c *Config) secrets() []string {
	return append([]string{c.SecretKey}, c.SecretKeyFallbacks...)
}

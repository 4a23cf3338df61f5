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

// MGet returns the values of keys, in their order and as many: string or []byte, and nil for what is not
// there. It is called from a goroutine of its own, which is not waited for beyond the context.
type MGet func(ctx context.Context, keys ...string) ([]any, error)

// Config is what [New] makes a [Client] of. Behind each field stands the setting of the Django site or
// of the thumbnail server that has to be equal, where there is one.
type Config struct {
	// SecretKey encrypts URLs: random text of 32 characters or more. Required. THUMBNAIL_SECRET_KEY.
	SecretKey string

	// SecretKeyFallbacks are other secrets, whose records count too. THUMBNAIL_SECRET_KEY_FALLBACKS.
	SecretKeyFallbacks []string

	// ServerURL is where browsers reach the thumbnail server, as https://thumbs.example.com. Required.
	// THUMBNAIL_SERVER_URL.
	ServerURL string

	// MGet asks the shared cache. Without it all thumbnails are lazy.
	MGet MGet

	// KeyPrefix stands before each key in the shared cache. Default: "shrinkmeister:".
	// THUMBNAIL_CACHE_KEY_PREFIX.
	KeyPrefix string

	// NoKeyPrefix says that nothing stands before the keys: THUMBNAIL_CACHE_KEY_PREFIX is empty.
	NoKeyPrefix bool

	// CacheTimeout is how long a look-up waits for the shared cache, 60 s at most. Default: 80 ms.
	// THUMBNAIL_CACHE_WAIT_SECONDS.
	CacheTimeout time.Duration

	// OnError is told when the shared cache fails or is too slow, at most once in 5 seconds by each
	// goroutine that asks it just then. Default: a warning of log/slog.
	OnError func(error)

	// CheckTTL is for how long a recorded thumbnail is believed to be stored. Default: 7 days.
	// THUMBNAIL_CHECK_TTL.
	CheckTTL time.Duration

	// URLTTL is after how long a lazy URL expires, in whole seconds. Default: never. THUMBNAIL_URL_TTL.
	URLTTL time.Duration

	// Resolutions are those that pages ask for beside the thumbnail itself, as "2" and "1.5", spelled as
	// the server has them. THUMBNAIL_ALTERNATIVE_RESOLUTIONS.
	Resolutions []string

	// Options are those of the site, which a call may set in another way: "quality" for
	// THUMBNAIL_QUALITY, ...
	Options Options

	// Clock tells the time, for tests. Default: time.Now.
	Clock func() time.Time
}

// String and GoString keep the secrets out of logs.
func (c Config) String() string {
	url := withoutPassword(c.ServerURL)
	return fmt.Sprintf("shrinkmeister.Config{ServerURL: %q, KeyPrefix: %q, ...}", url, c.KeyPrefix)
}

// GoString is what %#v prints.
func (c Config) GoString() string { return c.String() }

const (
	defaultKeyPrefix    = "shrinkmeister:"
	defaultCacheTimeout = 80 * time.Millisecond
	maxCacheTimeout     = 60 * time.Second
	defaultCheckTTL     = 7 * 24 * time.Hour
)

var (
	serverURLForm = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$`)
	passwordForm  = regexp.MustCompile(`(?s)://.*@`)
	// What all caches take in a key.
	keyPrefixForm = regexp.MustCompile(`^[!-~]{0,200}$`)
)

// complete fills defaults in. The error has all that is wrong.
func (c *Config) complete() error {
	var problems []error
	wrong := func(format string, values ...any) {
		problems = append(problems, fmt.Errorf("%w: %s", ErrSetting, fmt.Sprintf(format, values...)))
	}

	for i, secret := range c.secrets() {
		name := "SecretKey (THUMBNAIL_SECRET_KEY)"
		if i > 0 {
			name = fmt.Sprintf("SecretKeyFallbacks[%d] (THUMBNAIL_SECRET_KEY_FALLBACKS)", i-1)
		}
		// The value stays out of the message: messages end up in logs.
		if length := utf8.RuneCountInString(secret); length < minSecret {
			wrong("%s has %d characters; %d are the least: give client and server the same random text",
				name, length, minSecret)
		} else if !utf8.ValidString(secret) {
			wrong("%s is not UTF-8: give client and server the same random text", name)
		} else if strings.TrimSpace(secret) != secret || strings.ContainsFunc(secret, unicode.IsControl) {
			wrong("%s has whitespace at an end, or control characters: remove them", name)
		} else if weak := weakness(secret); weak != "" && i == 0 {
			// One that can be guessed may be a fallback, or no site could get rid of it.
			wrong("%s can be guessed: it %s: give client and server the same random text, for instance of "+
				"`openssl rand -base64 48`", name, weak)
		}
	}

	if !serverURLForm.MatchString(c.ServerURL) {
		wrong("ServerURL (THUMBNAIL_SERVER_URL) is %q; write where browsers reach the thumbnail server, "+
			"as https://thumbs.example.com", withoutPassword(c.ServerURL))
	}
	c.ServerURL = strings.TrimRight(c.ServerURL, "/")

	if !keyPrefixForm.MatchString(c.KeyPrefix) {
		wrong("KeyPrefix (THUMBNAIL_CACHE_KEY_PREFIX) is %q; use at most 200 ASCII characters without spaces",
			c.KeyPrefix)
	}
	if c.NoKeyPrefix && c.KeyPrefix != "" {
		wrong("KeyPrefix (THUMBNAIL_CACHE_KEY_PREFIX) is %q, and NoKeyPrefix is set too; remove one of them",
			c.KeyPrefix)
	}
	if c.KeyPrefix == "" && !c.NoKeyPrefix {
		c.KeyPrefix = defaultKeyPrefix
	}

	if c.CacheTimeout < 0 || maxCacheTimeout < c.CacheTimeout {
		wrong("CacheTimeout (THUMBNAIL_CACHE_WAIT_SECONDS) is %s; write up to %s, or leave it out for %s",
			c.CacheTimeout, maxCacheTimeout, defaultCacheTimeout)
	}
	if c.CacheTimeout == 0 {
		c.CacheTimeout = defaultCacheTimeout
	}

	if c.CheckTTL < 0 || c.CheckTTL%time.Second != 0 {
		wrong("CheckTTL (THUMBNAIL_CHECK_TTL) is %s; write whole seconds above 0, or leave it out for %s",
			c.CheckTTL, defaultCheckTTL)
	}
	if c.CheckTTL == 0 {
		c.CheckTTL = defaultCheckTTL
	}
	if c.URLTTL < 0 || c.URLTTL%time.Second != 0 {
		wrong("URLTTL (THUMBNAIL_URL_TTL) is %s; write whole seconds above 0, or leave it out for none",
			c.URLTTL)
	}

	for _, resolution := range c.Resolutions {
		factor, err := strconv.ParseFloat(resolution, 64)
		if err != nil || !resolutionForm.MatchString(resolution) || factor <= 0 || 10 < factor {
			wrong("Resolutions (THUMBNAIL_ALTERNATIVE_RESOLUTIONS) has %q; "+
				`write factors above 0 and up to 10, as "2" and "1.5"`, resolution)
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

// withoutPassword is an address that a message may show.
func withoutPassword(url string) string { return passwordForm.ReplaceAllString(url, "://***@") }

func (c *Config) secrets() []string {
	return append([]string{c.SecretKey}, c.SecretKeyFallbacks...)
}

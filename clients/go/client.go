// Package shrinkmeister makes URLs of thumbnails for pages, of a thumbnail server of Shrinkmeister.
//
// A page asks the shared cache for each thumbnail and gets its final URL, or at once an encrypted one of
// the thumbnail server, a lazy one. The server makes the thumbnail when a browser asks for it, stores and
// records it, and redirects. The client never waits for a picture.
//
// It speaks the protocol of docs/protocol.md, as the Django app of Shrinkmeister does: both have the same
// URLs, and find each other's thumbnails.
package shrinkmeister

import (
	"context"
	"fmt"
	"time"
)

// A Client makes URLs of thumbnails. Any number of goroutines may use one.
type Client struct {
	serverURL   string
	resolutions []string
	options     members
	tokens      *tokens
	seals       *seals
	cache       *cache
	checkTTL    time.Duration
	clock       func() time.Time
}

// A Request is a thumbnail that a page wants.
type Request struct {
	// Source is where the original image lies: "s3://bucket/key", "storage://alias/name" (of the Django
	// storages that the server knows), or a URL of http or https. Keys and names stand there as they are,
	// neither percent-encoded nor escaped; a URL as it is in a browser, and its fragment does not count.
	Source string

	// Geometry is its size in pixels: "300x200", "300" (width) or "x200" (height).
	Geometry string

	// Options stand before those of the Config.
	Options Options
}

// New returns a client, or an error that is [ErrSetting] and has all that is wrong.
func New(config Config) (*Client, error) {
	// Complete, and apart from what the caller may change later.
	if err := config.complete(); err != nil {
		return nil, err
	}
	options, err := members{}.with(config.Options)
	if err != nil {
		return nil, fmt.Errorf("%w: Options: %w", ErrSetting, err)
	}
	tokens, err := newTokens(config.secrets(), int64(config.URLTTL/time.Second), config.Clock)
	if err != nil {
		return nil, err
	}
	seals, err := newSeals(config.secrets())
	if err != nil {
		return nil, err
	}
	return &Client{
		serverURL:   config.ServerURL,
		resolutions: config.Resolutions,
		options:     options,
		tokens:      tokens,
		seals:       seals,
		cache: &cache{
			mget:    config.MGet,
			prefix:  config.KeyPrefix,
			timeout: config.CacheTimeout,
			onError: config.OnError,
			clock:   config.Clock,
		},
		checkTTL: config.CheckTTL,
		clock:    config.Clock,
	}, nil
}

// URL returns the lazy URL of a thumbnail, without asking the shared cache. Its error is [ErrSpec].
func (c *Client) URL(source, geometry string, options Options) (string, error) {
	f, err := c.form(Request{source, geometry, options})
	if err != nil {
		return "", err
	}
	return c.lazyURL(f)
}

// Thumbnail looks up one thumbnail. Its error is [ErrSpec]: a cache that fails, or a context that is
// done, makes the thumbnail lazy.
func (c *Client) Thumbnail(ctx context.Context, request Request) (Thumbnail, error) {
	thumbnails, err := c.Thumbnails(ctx, []Request{request})
	if err != nil {
		return Thumbnail{}, err
	}
	return thumbnails[0], nil
}

// Thumbnails looks up the thumbnails of a page in one round trip, and returns them in the order of the
// requests. Its error is [ErrSpec], of the first request that has one, and then there are no thumbnails.
func (c *Client) Thumbnails(ctx context.Context, requests []Request) ([]Thumbnail, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	forms := make([]*form, len(requests))
	recordKeys := make([]string, len(requests))
	wanted := make([]string, 1, 1+len(requests))
	wanted[0] = doubtKey
	seen := make(map[string]bool, len(requests))
	for i, request := range requests {
		f, err := c.form(request)
		if err != nil {
			return nil, err
		}
		key := f.recordKey()
		if !seen[key] {
			seen[key] = true
			wanted = append(wanted, key)
		}
		forms[i], recordKeys[i] = f, key
	}
	found := c.cache.get(ctx, wanted)
	now := c.clock()
	thumbnails := make([]Thumbnail, len(forms))
	for i, f := range forms {
		thumbnail, err := c.thumbnail(f, recordKeys[i], found, now)
		if err != nil {
			return nil, err
		}
		thumbnails[i] = thumbnail
	}
	return thumbnails, nil
}

// Open tells what a token says, which is the last part of a lazy URL's path, without its extension. For
// tools and tests. Its error is [ErrToken], and [ErrTokenExpired] for one that was genuine.
func (c *Client) Open(token string) (Spec, error) {
	f, end, err := c.tokens.open(token)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Source: f.source.String(), Geometry: f.geometry, Options: f.options.options()}
	if end > 0 {
		spec.Expires = time.Unix(end, 0)
	}
	return spec, nil
}

func (c *Client) form(request Request) (*form, error) {
	source, err := parseSource(request.Source)
	if err != nil {
		return nil, err
	}
	options, err := c.options.with(request.Options)
	if err != nil {
		return nil, err
	}
	return newForm(source, request.Geometry, options)
}

// thumbnail is made of what was found in the shared cache under key and doubtKey.
func (c *Client) thumbnail(f *form, key string, found map[string][]byte, now time.Time) (Thumbnail, error) {
	thumbnail := Thumbnail{Lazy: true}
	if f.filled() {
		thumbnail.Width, thumbnail.Height = f.width, f.height
	}
	if r := c.record(key, found); r != nil {
		thumbnail.Width, thumbnail.Height = r.width, r.height
		if r.base != "" && r.has(c.resolutions) && !r.due(key, now, c.checkTTL, found[doubtKey]) {
			thumbnail.URL, thumbnail.Lazy = r.base+f.objectName(key), false
			return thumbnail, nil
		}
	}
	var err error
	thumbnail.URL, err = c.lazyURL(f)
	return thumbnail, err
}

// record is nil for what is none: whoever can write to the shared cache is trusted for no more.
func (c *Client) record(key string, found map[string][]byte) *record {
	data, ok := found[key]
	if !ok {
		return nil
	}
	body, err := c.seals.open(key, data)
	if err != nil {
		return nil
	}
	r, err := parseRecord(body)
	if err != nil {
		return nil
	}
	return r
}

func (c *Client) lazyURL(f *form) (string, error) {
	token, err := c.tokens.seal(f)
	if err != nil {
		return "", err
	}
	return c.serverURL + "/" + token + "." + f.extension(), nil
}

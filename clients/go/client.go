// Package shrinkmeister makes thumbnail URLs of a Shrinkmeister server.
//
// A thumbnail with a record in the shared cache has its final URL. Any other one has a lazy URL: an
// encrypted URL of the thumbnail server. The server makes the thumbnail when a browser asks, stores and
// records it, and redirects. A page never waits for a picture.
//
// The client follows docs/reference/protocol.md, as the Django app does. With the same settings both make the same
// URLs, and find each other's thumbnails.
package shrinkmeister

import (
	"context"
	"fmt"
	"time"
)

// A Client makes URLs of thumbnails. It is safe for concurrent use.
type Client struct {
	serverURL   string
	resolutions []string
	options     members
	tokens      *tokens
	signer      *signer
	cache       *cache
	checkTTL    time.Duration
	clock       func() time.Time
}

// A Request is a thumbnail that a page needs.
type Request struct {
	// Source is the place of the original image: "s3://bucket/key", "storage://alias/name" (a Django
	// storage of the server), or a URL. Keys and names are neither percent-encoded nor escaped. A URL is
	// written as in a browser, and its fragment is ignored.
	Source string

	// Geometry is the size in pixels: "300x200", "300" (width) or "x200" (height).
	Geometry string

	// Options override those of the Config.
	Options Options
}

// New returns a client. Its error is [ErrSetting], and lists all invalid settings.
func New(config Config) (*Client, error) {
	// config is a copy, and complete copies Resolutions, so that the caller may change its own later.
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
	signer, err := newSigner(config.secrets())
	if err != nil {
		return nil, err
	}
	return &Client{
		serverURL:   config.ServerURL,
		resolutions: config.Resolutions,
		options:     options,
		tokens:      tokens,
		signer:      signer,
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

// Thumbnail returns a thumbnail with its final URL if the shared cache has a record of it, otherwise with
// its lazy URL. Its error is [ErrSpec]. After a failure of the cache or the end of the context the
// thumbnail is lazy.
func (c *Client) Thumbnail(ctx context.Context, request Request) (Thumbnail, error) {
	thumbnails, err := c.Thumbnails(ctx, []Request{request})
	if err != nil {
		return Thumbnail{}, err
	}
	return thumbnails[0], nil
}

// Thumbnails returns several thumbnails in the order of the requests, as Thumbnail does, in one round trip.
// Its error is [ErrSpec], for the first invalid request, and then it returns no thumbnails.
func (c *Client) Thumbnails(ctx context.Context, requests []Request) ([]Thumbnail, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	forms := make([]*form, len(requests))
	recordKeys := make([]string, len(requests))
	wanted := make([]string, 1, 1+len(requests))
	wanted[0] = distrustBeforeKey
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

// Open returns the spec in a token, for tools and tests. A token is the last part of a lazy URL's path,
// without its extension. The error is [ErrToken], or [ErrTokenExpired] for a genuine token.
func (c *Client) Open(token string) (Spec, error) {
	f, expires, err := c.tokens.decrypt(token)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Source: f.source.String(), Geometry: f.geometry, Options: f.options.options()}
	if expires > 0 {
		spec.Expires = time.Unix(expires, 0)
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

// thumbnail returns the thumbnail of a form. found has the cache's values of key and distrustBeforeKey.
func (c *Client) thumbnail(f *form, key string, found map[string][]byte, now time.Time) (Thumbnail, error) {
	thumbnail := Thumbnail{Lazy: true}
	if f.filled() {
		thumbnail.Width, thumbnail.Height = f.width, f.height
	}
	if r := c.record(key, found); r != nil {
		thumbnail.Width, thumbnail.Height = r.width, r.height
		if r.base != "" && r.has(c.resolutions) && !r.stale(key, now, c.checkTTL, found[distrustBeforeKey]) {
			thumbnail.URL, thumbnail.Lazy = r.base+f.objectName(key), false
			return thumbnail, nil
		}
	}
	var err error
	thumbnail.URL, err = c.lazyURL(f)
	return thumbnail, err
}

// record returns nil for a missing or an invalid record, since anyone may be able to write to the cache.
func (c *Client) record(key string, found map[string][]byte) *record {
	data, ok := found[key]
	if !ok {
		return nil
	}
	body, err := c.signer.unsign(key, data)
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
	token, err := c.tokens.encrypt(f)
	if err != nil {
		return "", err
	}
	return c.serverURL + "/" + token + "." + f.extension(), nil
}

package shrinkmeister

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// In which a cache that failed is left alone, so that pages wait for a dead one once.
const pause = 5 * time.Second

// A cache looks up values in one round trip. One that fails, or is too slow, has none.
type cache struct {
	mget    MGet
	prefix  string
	timeout time.Duration
	onError func(error)
	clock   func() time.Time

	resting atomic.Pointer[time.Time] // until then
}

type answer struct {
	values map[string][]byte
	err    error
}

// get returns values by keys, without the prefix; no keys for what is not there.
func (c *cache) get(ctx context.Context, keys []string) map[string][]byte {
	if c.mget == nil || ctx.Err() != nil {
		return nil
	}
	if until := c.resting.Load(); until != nil && c.clock().Before(*until) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// Not every library heeds the context: go-redis does only with ContextTimeoutEnabled.
	answers := make(chan answer, 1)
	go func() {
		values, err := c.ask(limited, keys)
		answers <- answer{values, err}
	}()
	var got answer
	select {
	case got = <-answers:
	case <-limited.Done():
		got.err = fmt.Errorf("no answer within %s: %w", c.timeout, limited.Err())
	}
	// Whoever calls may have gone, which says nothing about the cache.
	if got.err != nil && ctx.Err() == nil {
		until := c.clock().Add(pause)
		c.resting.Store(&until)
		c.onError(fmt.Errorf("shrinkmeister: the shared cache is not used for %s: %w", pause, got.err))
	}
	return got.values
}

func (c *cache) ask(ctx context.Context, keys []string) (found map[string][]byte, err error) {
	// In this goroutine a panic would end the process; no handler of the caller could stop it.
	defer func() {
		if reason := recover(); reason != nil {
			found, err = nil, fmt.Errorf("MGet panicked: %v\n%s", reason, debug.Stack())
		}
	}()
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = c.prefix + key
	}
	values, err := c.mget(ctx, names...)
	if err != nil {
		return nil, err
	}
	if len(values) != len(keys) {
		return nil, fmt.Errorf("MGet returned %d values for %d keys", len(values), len(keys))
	}
	found = make(map[string][]byte, len(keys))
	for i, key := range keys {
		switch value := values[i].(type) {
		case nil:
		case string:
			found[key] = []byte(value)
		case []byte:
			found[key] = value
		default:
			return nil, fmt.Errorf("MGet returned a value of type %T; string, []byte or nil", value)
		}
	}
	return found, nil
}

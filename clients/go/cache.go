package shrinkmeister

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// breakerDuration is how long the breaker stays open, so that a page waits for a dead cache only once.
const breakerDuration = 5 * time.Second

// A cache is the shared cache behind a breaker. A failure is a miss, and never an error.
type cache struct {
	mget    MGet
	prefix  string
	timeout time.Duration
	onError func(error)
	clock   func() time.Time

	openUntil atomic.Pointer[time.Time] // when the breaker closes again
}

type answer struct {
	values map[string][]byte
	err    error
}

// get returns the values of those keys that exist, in one round trip. Keys are without the prefix.
func (c *cache) get(ctx context.Context, keys []string) map[string][]byte {
	if c.mget == nil || ctx.Err() != nil {
		return nil
	}
	if until := c.openUntil.Load(); until != nil && c.clock().Before(*until) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// Some libraries ignore the context: go-redis does so without ContextTimeoutEnabled.
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
	// After the caller has cancelled, an error is not a failure of the cache.
	if got.err != nil && ctx.Err() == nil {
		until := c.clock().Add(breakerDuration)
		c.openUntil.Store(&until)
		c.onError(fmt.Errorf("shrinkmeister: the shared cache is not used for %g s: %w",
			breakerDuration.Seconds(), got.err))
	}
	return got.values
}

func (c *cache) ask(ctx context.Context, keys []string) (found map[string][]byte, err error) {
	// A panic in this goroutine would end the process, since the caller cannot recover it.
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
			return nil, fmt.Errorf("MGet returned a value of type %T; return string, []byte or nil", value)
		}
	}
	return found, nil
}

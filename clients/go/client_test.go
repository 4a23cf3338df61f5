package shrinkmeister

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type lookupConfig struct {
	Secrets     []string
	ServerURL   string  `json:"server_url"`
	KeyPrefix   *string `json:"key_prefix"`
	CheckTTL    int64   `json:"check_ttl"`
	URLTTL      int64   `json:"url_ttl"`
	Resolutions []string
	Options     Options
}

type lookupVector struct {
	Description      string
	Config           lookupConfig
	Now              int64
	Source, Geometry string
	Options          Options
	Cache            map[string]string
	URL              string
	Width, Height    int
	Lazy             bool
	URLs             map[string]string
}

type lookupVectors struct {
	Config  lookupConfig
	Now     int64
	Vectors []lookupVector
}

// stored is a shared cache that remembers the keys of each call.
type stored struct {
	mutex  sync.Mutex
	values map[string]string
	asked  [][]string
	bytes  bool
}

func (s *stored) mget(_ context.Context, keys ...string) ([]any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.asked = append(s.asked, keys)
	values := make([]any, len(keys))
	for i, key := range keys {
		value, found := s.values[key]
		switch {
		case found && s.bytes:
			values[i] = []byte(value)
		case found:
			values[i] = value
		case s.bytes:
			values[i] = []byte(nil)
		}
	}
	return values, nil
}

func TestLookups(t *testing.T) {
	vectors := load[lookupVectors](t, "lookups")
	name := func(v lookupVector) string { return v.Description }
	each(t, vectors.Vectors, name, func(t *testing.T, v lookupVector) {
		given, now := vectors.Config, vectors.Now
		if v.Config.Secrets != nil {
			given.Secrets = v.Config.Secrets
		}
		if v.Config.ServerURL != "" {
			given.ServerURL = v.Config.ServerURL
		}
		if v.Config.KeyPrefix != nil {
			given.KeyPrefix = v.Config.KeyPrefix
		}
		if v.Config.CheckTTL != 0 {
			given.CheckTTL = v.Config.CheckTTL
		}
		if v.Config.URLTTL != 0 {
			given.URLTTL = v.Config.URLTTL
		}
		if v.Config.Resolutions != nil {
			given.Resolutions = v.Config.Resolutions
		}
		if v.Config.Options != nil {
			given.Options = v.Config.Options
		}
		if v.Now != 0 {
			now = v.Now
		}
		for _, bytes := range []bool{false, true} {
			cache := &stored{values: v.Cache, bytes: bytes}
			client, err := New(Config{
				SecretKey:          given.Secrets[0],
				SecretKeyFallbacks: given.Secrets[1:],
				ServerURL:          given.ServerURL,
				KeyPrefix:          *given.KeyPrefix,
				NoKeyPrefix:        *given.KeyPrefix == "",
				CheckTTL:           time.Duration(given.CheckTTL) * time.Second,
				URLTTL:             time.Duration(given.URLTTL) * time.Second,
				Resolutions:        given.Resolutions,
				Options:            given.Options,
				MGet:               cache.mget,
				CacheTimeout:       patient,
				OnError:            func(err error) { t.Error(err) },
				Clock:              at(now),
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Thumbnail(t.Context(), Request{v.Source, v.Geometry, v.Options})
			if want := (Thumbnail{v.URL, v.Width, v.Height, v.Lazy}); err != nil || got != want {
				t.Errorf("%+v (%v), want %+v", got, err, want)
			}
			for resolution, want := range v.URLs {
				if url := got.URLOf(resolution); url != want {
					t.Errorf("%s at %s, want %s", url, resolution, want)
				}
			}
			if len(cache.asked) != 1 || len(cache.asked[0]) != 2 {
				t.Errorf("asked for %v", cache.asked)
			}
		}
	})
}

const moment = 1800000000

// patient is a CacheTimeout that a busy machine does not exceed.
const patient = time.Minute

// recordedRequests returns requests for thumbnails, and a shared cache with their records.
func recordedRequests(t *testing.T, count int) ([]Request, *stored) {
	t.Helper()
	cache := &stored{values: map[string]string{}}
	requests := make([]Request, count)
	for i := range requests {
		requests[i] = Request{fmt.Sprintf("s3://photos/%d.jpg", i), "300", nil}
		key := must(newClient(t, Config{}).form(requests[i])).recordKey()
		body := fmt.Sprintf(`{"v":1,"w":%d,"h":200,"t":%d,"u":"https://cdn.example.com/cache/"}`, i+1, moment)
		cache.values["shrinkmeister:"+key] = sign(firstSecret, key, body)
	}
	return requests, cache
}

func TestAListIsOneRoundTrip(t *testing.T) {
	requests, cache := recordedRequests(t, 3)
	client := newClient(t, Config{MGet: cache.mget, Clock: at(moment)})
	missing := Request{"s3://photos/none.jpg", "300x200", Options{"crop": "center"}}
	list := []Request{requests[2], missing, requests[0], requests[2], missing, requests[1]}
	thumbnails, err := client.Thumbnails(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, width := range []int{3, 300, 1, 3, 300, 2} {
		if one := thumbnails[i]; one.Width != width || one.Lazy != (width == 300) {
			t.Errorf("number %d is %+v", i, one)
		}
	}
	if len(cache.asked) != 1 {
		t.Fatalf("asked %d times", len(cache.asked))
	}
	keys := slices.Sorted(slices.Values(cache.asked[0]))
	if len(keys) != 5 || len(slices.Compact(keys)) != 5 || keys[0] != "shrinkmeister:doubt" {
		t.Errorf("asked for %v", keys)
	}
}

func TestAnEmptyListDoesNotAskTheCache(t *testing.T) {
	cache := &stored{}
	client := newClient(t, Config{MGet: cache.mget})
	if thumbnails, err := client.Thumbnails(t.Context(), nil); err != nil || len(thumbnails) != 0 || cache.asked != nil {
		t.Errorf("%v (%v), asked for %v", thumbnails, err, cache.asked)
	}
}

func TestAnInvalidRequestIsAnErrorAndDoesNotAskTheCache(t *testing.T) {
	requests, cache := recordedRequests(t, 1)
	client := newClient(t, Config{MGet: cache.mget})
	for _, wrong := range []Request{
		{"photos/1.jpg", "300", nil},
		{"s3://photos/1.jpg", "0", nil},
		{"s3://photos/1.jpg", "300", Options{"format": "TIFF"}},
		{"s3://photos/1.jpg", "300", Options{"a b": 1}},
	} {
		thumbnails, err := client.Thumbnails(t.Context(), []Request{requests[0], wrong})
		if !errors.Is(err, ErrSpec) || thumbnails != nil || cache.asked != nil {
			t.Errorf("%v: %v (%v), asked for %v", wrong, thumbnails, err, cache.asked)
		}
		if url, err := client.URL(wrong.Source, wrong.Geometry, wrong.Options); !errors.Is(err, ErrSpec) || url != "" {
			t.Errorf("%v: %q (%v)", wrong, url, err)
		}
	}
}

func TestWithoutACacheEverythingIsLazy(t *testing.T) {
	client := newClient(t, Config{})
	got, err := client.Thumbnail(t.Context(), Request{"s3://photos/1.jpg", "300", nil})
	if err != nil || !got.Lazy || got.URL != must(client.URL("s3://photos/1.jpg", "300", nil)) {
		t.Errorf("%+v (%v)", got, err)
	}
}

func TestAFailureIsAMissAndOpensTheBreaker(t *testing.T) {
	down := errors.New("connection refused")
	for name, mget := range map[string]MGet{
		"an error":        func(context.Context, ...string) ([]any, error) { return nil, down },
		"too few values":  func(context.Context, ...string) ([]any, error) { return []any{nil}, nil },
		"too many values": func(_ context.Context, keys ...string) ([]any, error) { return make([]any, len(keys)+1), nil },
		"another type":    func(_ context.Context, keys ...string) ([]any, error) { return []any{nil, 7}, nil },
		"a panic":         func(context.Context, ...string) ([]any, error) { panic(down) },
		"too slow": func(ctx context.Context, _ ...string) ([]any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // A busy machine does not move the clock of synctest.
				var reported []error
				var asked atomic.Int64
				now := time.Unix(moment, 0)
				client := newClient(t, Config{
					MGet: func(ctx context.Context, keys ...string) ([]any, error) {
						asked.Add(1)
						return mget(ctx, keys...)
					},
					CacheTimeout: 20 * time.Millisecond,
					OnError:      func(err error) { reported = append(reported, err) },
					Clock:        func() time.Time { return now },
				})
				for _, step := range []struct {
					seconds time.Duration
					asked   int64
				}{{0, 1}, {0, 1}, {4999 * time.Millisecond, 1}, {time.Millisecond, 2}, {time.Second, 2}} {
					now = now.Add(step.seconds)
					got, err := client.Thumbnail(t.Context(), Request{"s3://photos/1.jpg", "300", nil})
					if err != nil || !got.Lazy {
						t.Fatalf("%+v (%v)", got, err)
					}
					if asked.Load() != step.asked || len(reported) != int(step.asked) {
						t.Fatalf("asked %d times, reported %v", asked.Load(), reported)
					}
				}
				if name == "an error" && !errors.Is(reported[0], down) {
					t.Errorf("reported %v", reported[0])
				}
				if name == "too slow" && !errors.Is(reported[0], context.DeadlineExceeded) {
					t.Errorf("reported %v", reported[0])
				}
				if name == "a panic" && !strings.Contains(reported[0].Error(), down.Error()) {
					t.Errorf("reported %v", reported[0])
				}
			})
		})
	}
}

func TestALibraryWithoutTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []error
		client := newClient(t, Config{
			MGet: func(context.Context, ...string) ([]any, error) {
				time.Sleep(time.Hour)
				return nil, nil
			},
			CacheTimeout: defaultCacheTimeout,
			OnError:      func(err error) { reported = append(reported, err) },
		})
		start := time.Now()
		got, err := client.Thumbnail(t.Context(), Request{"s3://photos/1.jpg", "300", nil})
		if err != nil || !got.Lazy || len(reported) != 1 || !errors.Is(reported[0], context.DeadlineExceeded) {
			t.Errorf("%+v (%v), reported %v", got, err, reported)
		}
		if waited := time.Since(start); waited != 80*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		time.Sleep(time.Hour) // The library returns, so that the test leaves no goroutine behind.
	})
}

func TestACacheThatAnswersAgainIsUsedAgain(t *testing.T) {
	requests, cache := recordedRequests(t, 1)
	failing := true
	now := time.Unix(moment, 0)
	client := newClient(t, Config{
		MGet: func(ctx context.Context, keys ...string) ([]any, error) {
			if failing {
				return nil, errors.New("down")
			}
			return cache.mget(ctx, keys...)
		},
		OnError: func(error) {},
		Clock:   func() time.Time { return now },
	})
	for _, lazy := range []bool{true, true, false} {
		if got := must(client.Thumbnail(t.Context(), requests[0])); got.Lazy != lazy {
			t.Errorf("%+v, want lazy %t", got, lazy)
		}
		failing = false
		now = now.Add(3 * time.Second)
	}
}

func TestACancelledCallIsNotAFailure(t *testing.T) {
	requests, cache := recordedRequests(t, 1)
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		cancelled, cancel := context.WithCancel(t.Context())
		client := newClient(t, Config{
			MGet: func(ctx context.Context, keys ...string) ([]any, error) {
				asked++
				if asked == 1 {
					cancel()
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return cache.mget(ctx, keys...)
			},
			OnError: func(err error) { t.Error(err) },
			Clock:   at(moment),
		})
		for range 2 { // The first call is cancelled during its look-up, the second before.
			if got := must(client.Thumbnail(cancelled, requests[0])); !got.Lazy {
				t.Errorf("%+v", got)
			}
			synctest.Wait()
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		// Other calls still ask the cache.
		if got := must(client.Thumbnail(t.Context(), requests[0])); got.Lazy {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnInvalidRecordIsAMiss(t *testing.T) {
	requests, cache := recordedRequests(t, 2)
	keys := make([]string, 2)
	for i, request := range requests {
		keys[i] = "shrinkmeister:" + must(newClient(t, Config{}).form(request)).recordKey()
	}
	genuine := cache.values[keys[0]]
	for _, value := range []string{
		cache.values[keys[1]],
		strings.Replace(genuine, "cdn.example.com", "cdn.example.org", 1),
		genuine[:len(genuine)-1],
		genuine + " ",
		sign(secondSecret, strings.TrimPrefix(keys[0], "shrinkmeister:"), `{"v":1,"w":1,"h":1}`),
		strings.Repeat("[", 1<<20),
		"\x80\x04\x95", // a pickle
	} {
		cache.values[keys[0]] = value
		client := newClient(t, Config{MGet: cache.mget, Clock: at(moment), OnError: func(err error) { t.Error(err) }})
		got, err := client.Thumbnail(t.Context(), requests[0])
		if err != nil || !got.Lazy || got.Width != 0 || got.Height != 0 {
			t.Errorf("%+v (%v) for %.60q", got, err, value)
		}
	}
}

func TestManyGoroutines(t *testing.T) {
	requests, cache := recordedRequests(t, 20)
	var failing atomic.Bool
	client := newClient(t, Config{
		MGet: func(ctx context.Context, keys ...string) ([]any, error) {
			if failing.Load() {
				return nil, errors.New("down")
			}
			return cache.mget(ctx, keys...)
		},
		CacheTimeout: time.Minute,
		OnError:      func(error) {},
		Clock:        at(moment),
		Options:      Options{"quality": 95},
	})
	want := must(client.Thumbnails(t.Context(), requests))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if got, err := client.Thumbnails(t.Context(), requests); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%v (%v)", got, err)
				}
				if url, err := client.URL(requests[0].Source, "10x10", Options{"crop": "center"}); err != nil || url == "" {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	failing.Store(true)
	for range 8 {
		group.Go(func() {
			if got, err := client.Thumbnail(t.Context(), requests[0]); err != nil || !got.Lazy {
				t.Errorf("%v (%v)", got, err)
			}
		})
	}
	group.Wait()
}

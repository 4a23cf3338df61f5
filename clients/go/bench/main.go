// Command bench measures how many lazy URLs and recorded thumbnails one goroutine makes per second. It looks
// thumbnails up in lists of 100:
//
//	{"urls": 1, "recorded": 1}
package main

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log"
	"strings"
	"time"

	shrinkmeister "example.com/shrinkmeister/clients/go"
)

const (
	secret    = "a secret of the bench, 32 characters or more"
	keyPrefix = "shrinkmeister:"
	specs     = 10_000
	list      = 100
	warmUp    = 500 * time.Millisecond
	duration  = 2 * time.Second
)

func main() {
	cache := recorded{key: must(hkdf.Key(sha256.New, []byte(secret), nil, "shrinkmeister record 1", 32))}
	client := must(shrinkmeister.New(shrinkmeister.Config{
		SecretKey: secret,
		ServerURL: "https://thumbs.example.com",
		KeyPrefix: keyPrefix,
		MGet:      cache.mget,
		// A busy machine does not exceed this time-out.
		CacheTimeout: time.Minute,
	}))
	requests := make([]shrinkmeister.Request, specs)
	for n := range requests {
		requests[n] = shrinkmeister.Request{
			Source:   fmt.Sprintf("s3://photos/2024/%d.jpg", n),
			Geometry: "300x200",
			Options:  shrinkmeister.Options{"crop": "center"},
		}
	}
	cache.values = make(map[string]string, specs)
	for first := 0; first < specs; first += list {
		must(client.Thumbnails(context.Background(), requests[first:first+list]))
	}

	urls := rate(func(round int) int {
		request := requests[round%specs]
		must(client.URL(request.Source, request.Geometry, request.Options))
		return 1
	})
	found := rate(func(round int) int {
		first := round * list % specs
		for _, thumbnail := range must(client.Thumbnails(context.Background(), requests[first:first+list])) {
			if thumbnail.Lazy {
				log.Fatal("a recorded thumbnail is lazy")
			}
		}
		return list
	})
	fmt.Printf("{\"urls\": %d, \"recorded\": %d}\n", urls, found)
}

// rate returns the thumbnails per second. work returns how many it has made.
func rate(work func(round int) int) int {
	round := 0
	run := func(duration time.Duration) float64 {
		done := 0
		start := time.Now()
		for time.Since(start) < duration {
			done += work(round)
			round++
		}
		return float64(done) / time.Since(start).Seconds()
	}
	run(warmUp)
	return int(run(duration))
}

// recorded is a shared cache with a record of every thumbnail.
type recorded struct {
	key    []byte
	values map[string]string
}

func (r *recorded) mget(_ context.Context, keys ...string) ([]any, error) {
	values := make([]any, len(keys))
	for i, key := range keys {
		bare := strings.TrimPrefix(key, keyPrefix)
		if bare == "doubt" {
			continue
		}
		value, found := r.values[bare]
		if !found {
			value = r.sign(bare)
			r.values[bare] = value
		}
		values[i] = value
	}
	return values, nil
}

func (r *recorded) sign(key string) string {
	body := fmt.Sprintf(`{"v":1,"w":300,"h":200,"t":%d,"u":"https://my-thumbnails.s3.amazonaws.com/cache/"}`,
		time.Now().Unix())
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "%s\n%s", key, body)
	return body[:len(body)-1] + `,"m":"` + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:8]) + `"}`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// Command example prints a thumbnail as one line of JSON:
//
//	go run . SOURCE GEOMETRY [name=value ...]
//	go run . s3://photos/2024/dawn.jpg 300x200 crop=center quality=80
//
// The settings are environment variables with the names of the Django settings.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	shrinkmeister "example.com/shrinkmeister/clients/go"
)

func main() {
	line, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Println(line)
}

func run(arguments []string) (string, error) {
	if len(arguments) < 2 {
		return "", fmt.Errorf("usage: example SOURCE GEOMETRY [name=value ...]")
	}
	options, err := parseOptions(arguments[2:])
	if err != nil {
		return "", err
	}
	config, err := configOfEnvironment()
	if err != nil {
		return "", err
	}
	client, err := shrinkmeister.New(config)
	if err != nil {
		return "", err
	}
	thumbnail, err := client.Thumbnail(context.Background(), shrinkmeister.Request{
		Source:   arguments[0],
		Geometry: arguments[1],
		Options:  options,
	})
	if err != nil {
		return "", err
	}
	printed := struct {
		URL    string `json:"url"`
		Width  *int   `json:"width"`
		Height *int   `json:"height"`
		Lazy   bool   `json:"lazy"`
	}{URL: thumbnail.URL, Lazy: thumbnail.Lazy}
	if thumbnail.Width > 0 {
		printed.Width = &thumbnail.Width
	}
	if thumbnail.Height > 0 {
		printed.Height = &thumbnail.Height
	}
	line, err := json.Marshal(printed)
	return string(line), err
}

func parseOptions(pairs []string) (shrinkmeister.Options, error) {
	options := shrinkmeister.Options{}
	for _, pair := range pairs {
		name, text, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("%q is not an option; write name=value", pair)
		}
		options[name] = parseValue(text)
	}
	return options, nil
}

// parseValue returns the value of JSON (a number, true, false, null, an array or an object), or any other text.
func parseValue(text string) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if !json.Valid([]byte(text)) || decoder.Decode(&value) != nil {
		return text
	}
	if _, quoted := value.(string); quoted {
		return text
	}
	return value
}

func configOfEnvironment() (shrinkmeister.Config, error) {
	config := shrinkmeister.Config{
		SecretKey:          os.Getenv("THUMBNAIL_SECRET_KEY"),
		SecretKeyFallbacks: list("THUMBNAIL_SECRET_KEY_FALLBACKS"),
		ServerURL:          os.Getenv("THUMBNAIL_SERVER_URL"),
		Resolutions:        list("THUMBNAIL_ALTERNATIVE_RESOLUTIONS"),
	}
	if prefix, found := os.LookupEnv("THUMBNAIL_CACHE_KEY_PREFIX"); found {
		config.KeyPrefix, config.NoKeyPrefix = prefix, prefix == ""
	}
	var err error
	if config.CheckTTL, err = seconds("THUMBNAIL_CHECK_TTL"); err != nil {
		return config, err
	}
	if config.URLTTL, err = seconds("THUMBNAIL_URL_TTL"); err != nil {
		return config, err
	}
	if config.CacheTimeout, err = seconds("THUMBNAIL_CACHE_WAIT_SECONDS"); err != nil {
		return config, err
	}
	if location := os.Getenv("THUMBNAIL_CACHE_LOCATION"); location != "" {
		options, err := redis.ParseURL(location)
		if err != nil {
			// The cause contains the URL, which may have a password.
			return config, errors.New("THUMBNAIL_CACHE_LOCATION is not a URL of Redis; write redis://host:port/db")
		}
		options.ContextTimeoutEnabled = true
		client := redis.NewClient(options)
		config.MGet = func(ctx context.Context, keys ...string) ([]any, error) {
			return client.MGet(ctx, keys...).Result()
		}
	}
	return config, nil
}

// A time.Duration can be up to 290 years.
const maxSeconds = 200 * 365 * 24 * 3600

// list returns the parts of a variable, which commas separate.
func list(name string) []string {
	var parts []string
	for _, part := range strings.Split(os.Getenv(name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func seconds(name string) (time.Duration, error) {
	text := os.Getenv(name)
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || number <= 0 || maxSeconds < number {
		return 0, fmt.Errorf("%s is %q; write seconds above 0, or leave it out", name, text)
	}
	return time.Duration(number * float64(time.Second)), nil
}

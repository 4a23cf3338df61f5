package shrinkmeister

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestInvalidSettings(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"SecretKey (":            func(c *Config) { c.SecretKey = "" },
		"31 characters":          func(c *Config) { c.SecretKey = strings.Repeat("ä", 31) },
		"whitespace":             func(c *Config) { c.SecretKey += "\u00a0" },
		"control characters":     func(c *Config) { c.SecretKey += "\x00." },
		"UTF-8":                  func(c *Config) { c.SecretKey += "\xff" },
		"SecretKeyFallbacks[1]":  func(c *Config) { c.SecretKeyFallbacks = []string{secondSecret, "short"} },
		"ServerURL":              func(c *Config) { c.ServerURL = "" },
		"\"thumbs.example.com\"": func(c *Config) { c.ServerURL = "thumbs.example.com" },
		"?a=1":                   func(c *Config) { c.ServerURL += "?a=1" },
		"//":                     func(c *Config) { c.ServerURL += "//" },
		`\n`:                     func(c *Config) { c.ServerURL += "\n" },
		"KeyPrefix":              func(c *Config) { c.KeyPrefix = "a b" },
		"NoKeyPrefix":            func(c *Config) { c.KeyPrefix, c.NoKeyPrefix = "a", true },
		"CacheTimeout":           func(c *Config) { c.CacheTimeout = -1 },
		"1m0.001s":               func(c *Config) { c.CacheTimeout = time.Minute + time.Millisecond },
		"CheckTTL":               func(c *Config) { c.CheckTTL = -time.Second },
		"1.5s":                   func(c *Config) { c.CheckTTL = 1500 * time.Millisecond },
		"URLTTL":                 func(c *Config) { c.URLTTL = time.Millisecond },
		"-1h0m0s":                func(c *Config) { c.URLTTL = -time.Hour },
		`Resolutions`:            func(c *Config) { c.Resolutions = []string{"2", "2x"} },
		`"0.0"`:                  func(c *Config) { c.Resolutions = []string{"0.0"} },
		`"11"`:                   func(c *Config) { c.Resolutions = []string{"11"} },
		`"1e0"`:                  func(c *Config) { c.Resolutions = []string{"1e0"} },
		"TIFF":                   func(c *Config) { c.Options = Options{"format": "TIFF"} },
		"quality":                func(c *Config) { c.Options = Options{"quality": []byte("95")} },
	} {
		config := Config{SecretKey: firstSecret, ServerURL: "https://thumbs.example.com"}
		change(&config)
		client, err := New(config)
		if client != nil || !errors.Is(err, ErrSetting) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), firstSecret) || strings.Contains(err.Error(), "short") {
			t.Errorf("a secret is in %q", err)
		}
	}
}

func TestAPrintedConfigContainsNoSecret(t *testing.T) {
	config := Config{SecretKey: firstSecret, SecretKeyFallbacks: []string{secondSecret}, ServerURL: "https://a.example.com"}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{config, &config, []Config{config}} {
			text := fmt.Sprintf(form, value)
			if strings.Contains(text, "secret") || !strings.Contains(text, "a.example.com") {
				t.Errorf("%s: %s", form, text)
			}
		}
	}
}

func TestTheErrorNamesAllInvalidSettings(t *testing.T) {
	_, err := New(Config{CheckTTL: -1})
	for _, name := range []string{"SecretKey", "ServerURL", "CheckTTL"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
}

func TestValidSettings(t *testing.T) {
	for _, config := range []Config{
		{SecretKey: "Zwölf Boxkämpfer jagen Viktor üb"},
		{SecretKey: "thirty-two characters, with spaces inside"},
		{ServerURL: "http://127.0.0.1:8001"},
		{ServerURL: "https://example.com/a/b~c/"},
		{NoKeyPrefix: true},
		{Resolutions: []string{"10", "1.5", "02"}},
		{CheckTTL: time.Second, URLTTL: time.Second, CacheTimeout: time.Minute},
	} {
		newClient(t, config)
	}
}

func TestDefaults(t *testing.T) {
	config := Config{SecretKey: firstSecret, ServerURL: "https://thumbs.example.com"}
	if err := config.complete(); err != nil {
		t.Fatal(err)
	}
	if config.KeyPrefix != "shrinkmeister:" || config.CacheTimeout != 80*time.Millisecond ||
		config.CheckTTL != 604800*time.Second || config.URLTTL != 0 {
		t.Errorf("%+v", config)
	}
}

func TestServerURL(t *testing.T) {
	for url, start := range map[string]string{
		"https://example.com":        "https://example.com/A",
		"https://example.com/":       "https://example.com/A",
		"https://example.com/thumbs": "https://example.com/thumbs/A",
	} {
		client := newClient(t, Config{ServerURL: url})
		if got := must(client.URL("s3://b/n", "10x10", nil)); !strings.HasPrefix(got, start) {
			t.Errorf("%s makes %s", url, got)
		}
	}
}

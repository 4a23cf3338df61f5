package shrinkmeister

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

type tokenVector struct {
	Description string
	Secret      string
	Secrets     []string
	Canonical   string
	Token       string
	Now         int64
	URLTTL      int64 `json:"url_ttl"`
	Expires     int64
}

type tokenVectors struct {
	Secret    string
	Keys      []struct{ Secret, Key string }
	Valid     []tokenVector
	Fallbacks []tokenVector
	Expiring  []tokenVector
	Expired   []tokenVector
	Invalid   []tokenVector

	TooLong        []tokenVector `json:"too_long"`
	InvalidSecrets []string      `json:"invalid_secrets"`
	WeakSecrets    []string      `json:"weak_secrets"`
	StrongSecrets  []string      `json:"strong_secrets"`
}

func described(v tokenVector) string { return v.Description }

func at(seconds int64) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0) }
}

func TestTokenKeys(t *testing.T) {
	for _, v := range load[tokenVectors](t, "tokens").Keys {
		if key := must(deriveKey(v.Secret, tokenInfo, 64)); hex.EncodeToString(key) != v.Key {
			t.Errorf("the key of %q is %x", v.Secret, key)
		}
	}
}

func TestTooLongTokens(t *testing.T) {
	each(t, load[tokenVectors](t, "tokens").TooLong, described, func(t *testing.T, v tokenVector) {
		f, _, err := parseForm([]byte(v.Canonical))
		if err != nil {
			t.Fatal(err)
		}
		if token, err := must(newTokens([]string{firstSecret}, 0, at(0))).encrypt(f); !errors.Is(err, ErrSpec) {
			t.Errorf("encrypted as %s", token)
		}
	})
}

func TestInvalidSecrets(t *testing.T) {
	name := func(secret string) string { return secret }
	each(t, load[tokenVectors](t, "tokens").InvalidSecrets, name, func(t *testing.T, secret string) {
		for _, config := range []Config{
			{ServerURL: "https://thumbs.example.com", SecretKey: secret},
			{ServerURL: "https://thumbs.example.com", SecretKey: firstSecret, SecretKeyFallbacks: []string{secret}},
		} {
			_, err := New(config)
			if !errors.Is(err, ErrSetting) || secret != "" && strings.Contains(err.Error(), secret) {
				t.Error(err)
			}
		}
	})
}

func TestWeakSecrets(t *testing.T) {
	name := func(secret string) string { return secret }
	each(t, load[tokenVectors](t, "tokens").WeakSecrets, name, func(t *testing.T, secret string) {
		_, err := New(Config{ServerURL: "https://thumbs.example.com", SecretKey: secret})
		if !errors.Is(err, ErrSetting) || strings.Contains(err.Error(), secret) {
			t.Error(err)
		}
		fallbacks := []string{secret}
		_, err = New(Config{
			ServerURL: "https://thumbs.example.com", SecretKey: firstSecret, SecretKeyFallbacks: fallbacks,
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestStrongSecrets(t *testing.T) {
	name := func(secret string) string { return secret }
	each(t, load[tokenVectors](t, "tokens").StrongSecrets, name, func(t *testing.T, secret string) {
		if _, err := New(Config{ServerURL: "https://thumbs.example.com", SecretKey: secret}); err != nil {
			t.Error(err)
		}
	})
}

func TestTokens(t *testing.T) {
	each(t, load[tokenVectors](t, "tokens").Valid, described, func(t *testing.T, v tokenVector) {
		tokens := must(newTokens([]string{v.Secret}, 0, at(0)))
		f, _, err := parseForm([]byte(v.Canonical))
		if err != nil {
			t.Fatal(err)
		}
		if token := must(tokens.encrypt(f)); token != v.Token {
			t.Errorf("encrypted as %s, want %s", token, v.Token)
		}
		if f, expires, err := tokens.decrypt(v.Token); err != nil || expires != 0 || string(f.canonical) != v.Canonical {
			t.Errorf("decrypted as %v, %d (%v)", f, expires, err)
		}
	})
}

func TestFallbacks(t *testing.T) {
	each(t, load[tokenVectors](t, "tokens").Fallbacks, described, func(t *testing.T, v tokenVector) {
		tokens := must(newTokens(v.Secrets, 0, at(0)))
		if f, _, err := tokens.decrypt(v.Token); err != nil || string(f.canonical) != v.Canonical {
			t.Errorf("decrypted as %v (%v)", f, err)
		}
	})
}

func TestExpiringTokens(t *testing.T) {
	each(t, load[tokenVectors](t, "tokens").Expiring, described, func(t *testing.T, v tokenVector) {
		tokens := must(newTokens([]string{v.Secret}, v.URLTTL, at(v.Now)))
		f, _, err := parseForm([]byte(v.Canonical))
		if err != nil {
			t.Fatal(err)
		}
		if token := must(tokens.encrypt(f)); token != v.Token {
			t.Errorf("encrypted as %s, want %s", token, v.Token)
		}
		f, expires, err := tokens.decrypt(v.Token)
		if err != nil || expires != v.Expires || string(f.canonical) != v.Canonical {
			t.Errorf("decrypted as %v, %d (%v)", f, expires, err)
		}
	})
}

func TestExpiredTokens(t *testing.T) {
	vectors := load[tokenVectors](t, "tokens")
	each(t, vectors.Expired, described, func(t *testing.T, v tokenVector) {
		tokens := must(newTokens([]string{vectors.Secret}, 0, at(v.Now)))
		if _, _, err := tokens.decrypt(v.Token); !errors.Is(err, ErrTokenExpired) || !errors.Is(err, ErrToken) {
			t.Errorf("error %v", err)
		}
		tokens = must(newTokens([]string{secondSecret}, 0, at(v.Now)))
		if _, _, err := tokens.decrypt(v.Token); !errors.Is(err, ErrToken) || errors.Is(err, ErrTokenExpired) {
			t.Errorf("error %v of another secret", err)
		}
	})
}

func TestInvalidTokens(t *testing.T) {
	vectors := load[tokenVectors](t, "tokens")
	tokens := must(newTokens([]string{vectors.Secret}, 0, at(0)))
	each(t, vectors.Invalid, described, func(t *testing.T, v tokenVector) {
		if f, _, err := tokens.decrypt(v.Token); !errors.Is(err, ErrToken) || errors.Is(err, ErrTokenExpired) {
			t.Errorf("decrypted as %v (%v)", f, err)
		}
	})
}

func TestTheLongestToken(t *testing.T) {
	client := newClient(t, Config{})
	longest := 0
	for length := range 4000 {
		url, err := client.URL("s3://photos/"+strings.Repeat("n", length+1), "10x10", nil)
		if err != nil {
			if !errors.Is(err, ErrSpec) {
				t.Fatal(err)
			}
			break
		}
		token := strings.TrimSuffix(strings.TrimPrefix(url, "https://thumbs.example.com/"), ".jpg")
		if _, err := client.Open(token); err != nil {
			t.Fatal(err)
		}
		longest = len(token)
	}
	if longest != maxToken {
		t.Errorf("the longest has %d characters", longest)
	}
}

func TestOpen(t *testing.T) {
	client := newClient(t, Config{
		SecretKeyFallbacks: []string{secondSecret},
		URLTTL:             time.Hour,
		Clock:              at(1800000000),
	})
	former := newClient(t, Config{SecretKey: secondSecret})
	for _, one := range []*Client{client, former} {
		options := Options{"format": "PNG", "crop": false, "version": 7}
		url := must(one.URL("https://A.example.com/b.jpg?c#d", "x20", options))
		token, found := strings.CutSuffix(strings.TrimPrefix(url, "https://thumbs.example.com/"), ".png")
		if !found {
			t.Fatal(url)
		}
		spec, err := client.Open(token)
		if err != nil {
			t.Fatal(err)
		}
		if spec.Source != "https://a.example.com/b.jpg?c" || spec.Geometry != "x20" ||
			len(spec.Options) != 2 || spec.Options["format"] != "PNG" || spec.Options["version"] != int64(7) {
			t.Errorf("decrypted as %v", spec)
		}
		if one == client && spec.Expires.Unix() != 1800007200 || one == former && !spec.Expires.IsZero() {
			t.Errorf("it expires at %s", spec.Expires)
		}
	}
}

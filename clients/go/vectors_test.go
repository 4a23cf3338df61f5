package shrinkmeister

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// load returns a file of the vectors. Numbers of options stay as they are written.
func load[T any](t *testing.T, name string) T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "tests", "vectors", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors T
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

// each runs a test for each vector. It fails for an empty list.
func each[T any](t *testing.T, vectors []T, name func(T) string, test func(*testing.T, T)) {
	t.Helper()
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, vector := range vectors {
		t.Run(name(vector), func(t *testing.T) { test(t, vector) })
	}
}

const (
	firstSecret  = "first secret of the vectors, 32 characters or more"
	secondSecret = "second secret of the vectors, 32 characters or more"
)

func newClient(t *testing.T, config Config) *Client {
	t.Helper()
	if config.SecretKey == "" {
		config.SecretKey = firstSecret
	}
	if config.ServerURL == "" {
		config.ServerURL = "https://thumbs.example.com"
	}
	if config.CacheTimeout == 0 {
		config.CacheTimeout = patient
	}
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// must returns a value, and panics for an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

package shrinkmeister

import (
	"strings"
	"unicode/utf8"
)

// A source is where an original image lies.
//
//	scheme     "s3", "storage", "https" or "http"
//	container  the bucket, the alias of a storage, or the host in lower case, with its port if it has one
//	name       the object's key, the file's name, or what stands in a URL behind the host, as it is
type source struct {
	scheme, container, name string
}

// parseSource takes "s3://bucket/key", "storage://alias/name" or a URL apart. Nothing is decoded.
func parseSource(text string) (source, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return source{}, wrongSpec("the source is %q; write it as s3://bucket/key, storage://alias/name or a URL", text)
	}
	container, name, _ := strings.Cut(rest, "/")
	if scheme == "https" || scheme == "http" {
		container = strings.Map(lower, container)
		name, _, _ = strings.Cut(name, "#")
	}
	s := source{scheme, container, name}
	return s, s.check()
}

func (s source) String() string {
	return s.scheme + "://" + s.container + "/" + s.name
}

func (s source) check() error {
	switch s.scheme {
	case "s3":
		if s.container == "" || strings.ContainsFunc(s.container, notOfBucket) {
			return wrongSpec("%q is no name of a bucket", s.container)
		}
	case "storage":
		if s.container == "" || strings.ContainsAny(s.container, "/\x00") || !utf8.ValidString(s.container) {
			return wrongSpec("%q is no alias of a storage", s.container)
		}
	case "https", "http":
		host, port, found := strings.Cut(s.container, ":")
		if host == "" || strings.ContainsFunc(host, notOfHost) ||
			found && (port == "" || strings.ContainsFunc(port, notDigit)) {
			return wrongSpec("%q is no host: write it without a user's name, in ASCII", s.container)
		}
		if strings.Contains(s.name, "#") {
			return wrongSpec("the source's name is %q: a fragment is no part of a URL here", s.name)
		}
	default:
		return wrongSpec("the source's scheme is %q; one of s3, storage, https, http", s.scheme)
	}
	if s.name == "" || strings.Contains(s.name, "\x00") || !utf8.ValidString(s.name) {
		return wrongSpec("the source's name is %q: empty, with a NUL in it, or not UTF-8", s.name)
	}
	return nil
}

// append writes the three members of an array that a source is.
func (s source) append(b []byte) []byte {
	b = appendText(b, s.scheme)
	b = appendText(append(b, ','), s.container)
	return appendText(append(b, ','), s.name)
}

// Beyond ASCII there are letters that become one of ASCII, and so another host.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func notDigit(r rune) bool { return r < '0' || '9' < r }

func notOfHost(r rune) bool {
	return notDigit(r) && (r < 'a' || 'z' < r) && r != '.' && r != '-'
}

func notOfBucket(r rune) bool { return notOfHost(lower(r)) && r != '_' }

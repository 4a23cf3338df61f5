package shrinkmeister

import (
	"strings"
	"unicode/utf8"
)

// A source is the place of an original image.
//
//	scheme     "s3", "storage", "https" or "http"
//	container  the bucket, the alias of a storage, or the host in lower case, with its port if it has one
//	name       the object's key or the file's name, neither percent-encoded nor normalised, or the part of a
//	           URL after the host and its slash
type source struct {
	scheme, container, name string
}

// parseSource returns the source of "s3://bucket/key", "storage://alias/name" or a URL.
func parseSource(text string) (source, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return source{}, invalidSpec(`%q is not a source; write "s3://bucket/key", "storage://alias/name" or a URL`, text)
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
			return s.invalidContainer()
		}
	case "storage":
		if s.container == "" || strings.ContainsAny(s.container, "/\x00") || !utf8.ValidString(s.container) {
			return s.invalidContainer()
		}
	case "https", "http":
		host, port, found := strings.Cut(s.container, ":")
		if host == "" || strings.ContainsFunc(host, notOfHost) ||
			found && (port == "" || strings.ContainsFunc(port, notDigit)) {
			return s.invalidContainer()
		}
		if strings.Contains(s.name, "#") {
			return invalidSpec("the source's name is %q; remove the fragment", s.name)
		}
	default:
		return invalidSpec("unknown source scheme %q; one of s3, storage, https, http", s.scheme)
	}
	if s.name == "" || strings.Contains(s.name, "\x00") || !utf8.ValidString(s.name) {
		return invalidSpec("the source's name is %q; it must be UTF-8 text without NUL, and not empty", s.name)
	}
	return nil
}

func (s source) invalidContainer() error {
	return invalidSpec("%q is not a valid place of a source of %s", s.container, s.scheme)
}

// append appends the source as three members of a JSON array.
func (s source) append(b []byte) []byte {
	b = appendText(b, s.scheme)
	b = appendText(append(b, ','), s.container)
	return appendText(append(b, ','), s.name)
}

// lower changes only ASCII. Some letters beyond it become ASCII in lower case, which would name another host.
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

package shrinkmeister

import "strings"

// A Thumbnail is a thumbnail as a page shows it.
type Thumbnail struct {
	// URL is the final URL, or the lazy URL of the thumbnail server. HTML does not need to escape it.
	URL string

	// Width and Height are exact pixels. Each side is 0 if it is not known before the thumbnail is made.
	Width, Height int

	// Lazy reports whether the URL is the server's, which makes the thumbnail when a browser asks.
	Lazy bool
}

// URLOf returns the URL at an alternative resolution: ...@2x.jpg for "2". The server's
// THUMBNAIL_ALTERNATIVE_RESOLUTIONS has to list it.
func (t Thumbnail) URLOf(resolution string) string {
	point := strings.LastIndexByte(t.URL, '.')
	if point < 0 {
		return t.URL
	}
	return t.URL[:point] + "@" + resolution + "x" + t.URL[point:]
}

package shrinkmeister

import "strings"

// A Thumbnail is what a page shows.
type Thumbnail struct {
	// URL is for the attribute src. Nothing in it needs escaping in HTML.
	URL string

	// Width and Height are the exact pixels, for the attributes of that name; each is 0 where it is not
	// known yet.
	Width, Height int

	// Lazy says whether the URL is one of the thumbnail server, which redirects to the final one.
	Lazy bool
}

// URLOf returns the URL at one of the Resolutions of the Config: "2" for @2x.
func (t Thumbnail) URLOf(resolution string) string {
	point := strings.LastIndexByte(t.URL, '.')
	if point < 0 {
		return t.URL
	}
	return t.URL[:point] + "@" + resolution + "x" + t.URL[point:]
}

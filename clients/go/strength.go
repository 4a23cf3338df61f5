package shrinkmeister

import (
	"fmt"
	"slices"
	"strings"
)

// Whether a secret can be guessed. The page docs/protocol.md says why, and has the same rules.

const (
	minSecret = 32
	// How many different ones a secret has at least.
	minCharacters = 6
	minPairs      = 16
	// Differences of the code points of neighbours: "abcdef" has one.
	minSteps = 5
)

var (
	placeholders = []string{
		"changeme",
		"changethis",
		"examplesecret",
		"insecure",
		"loremipsum",
		"mysecret",
		"passphrase",
		"password",
		"placeholder",
		"qwertyuiop",
		"replaceme",
		"replacethis",
		"secrethere",
		"secretkey",
		"shrinkmeister",
		"supersecret",
		"topsecret",
		"verysecret",
		"xxxxxxxx",
		"yoursecret",
	}
	separators = strings.NewReplacer(" ", "", "-", "", ".", "", "_", "")
)

// weakness is what makes a secret easy to guess, as words that follow "it"; "" for nothing.
func weakness(secret string) string {
	part := repeated([]rune(secret))
	if len(part) < minSecret {
		return fmt.Sprintf("repeats %d characters", len(part))
	}
	characters := map[rune]bool{part[0]: true}
	pairs, steps := map[[2]rune]bool{}, map[rune]bool{}
	for i, character := range part[1:] {
		characters[character] = true
		pairs[[2]rune{part[i], character}] = true
		steps[character-part[i]] = true
	}
	if len(characters) < minCharacters {
		return fmt.Sprintf("has fewer than %d different characters", minCharacters)
	}
	if len(pairs) < minPairs {
		return "repeats itself"
	}
	if len(steps) < minSteps {
		return "is a row of characters, such as abcdef"
	}
	bare := separators.Replace(strings.Map(asciiLower, secret))
	if slices.ContainsFunc(placeholders, func(text string) bool { return strings.Contains(bare, text) }) {
		return "is a text that is to be replaced, or has a word in it that guesses begin with"
	}
	return ""
}

// repeated is the part that a text repeats twice or more, the last time perhaps not to its end; or the text.
func repeated(text []rune) []rune {
	for length := 1; length <= len(text)/2; length++ {
		if slices.Equal(text[length:], text[:len(text)-length]) {
			return text[:length]
		}
	}
	return text
}

// asciiLower leaves alone what is not ASCII: what other capitals become differs between versions of Unicode.
func asciiLower(character rune) rune {
	if 'A' <= character && character <= 'Z' {
		return character + 'a' - 'A'
	}
	return character
}

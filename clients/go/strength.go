package shrinkmeister

import (
	"fmt"
	"slices"
	"strings"
)

// Secrets that can be guessed. All clients share the rules, which docs/reference/protocol.md defines and explains.

const (
	minSecret = 32
	// How many different characters a secret needs.
	minCharacters = 6
	// How many different pairs of neighbours it needs.
	minPairs = 16
	// How many different steps between the code points of neighbours it needs: "abcdef" has one.
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

// weakness returns why a secret can be guessed, as words that follow "it", or "".
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
		return "is a placeholder, or contains a word that attackers guess first"
	}
	return ""
}

// repeated returns the part that a text repeats (the last repetition may be cut off), or the whole text.
func repeated(text []rune) []rune {
	for length := 1; length <= len(text)/2; length++ {
		if slices.Equal(text[length:], text[:len(text)-length]) {
			return text[:length]
		}
	}
	return text
}

// asciiLower changes only ASCII letters, since the lower case of others depends on the version of Unicode.
func asciiLower(character rune) rune {
	if 'A' <= character && character <= 'Z' {
		return character + 'a' - 'A'
	}
	return character
}

/** Secrets that can be guessed. All clients share the rules, which docs/reference/protocol.md defines and explains. */

export const MIN_LENGTH = 32;
// How many different characters a secret needs.
const MIN_CHARACTERS = 6;
// How many different pairs of neighbours it needs.
const MIN_PAIRS = 16;
// How many different steps between the code points of neighbours it needs: "abcdef" has one.
const MIN_STEPS = 5;
const PLACEHOLDERS = [
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
];

/**
 * Return why a secret can be guessed, as words that follow "it", or null.
 *
 * @param {string} secret
 * @returns {string | null}
 */
export function weakness(secret) {
  const part = repeated([...secret]);
  if (part.length < MIN_LENGTH) return `repeats ${part.length} characters`;
  if (new Set(part).size < MIN_CHARACTERS) return `has fewer than ${MIN_CHARACTERS} different characters`;
  const pairs = part.slice(1).map((character, i) => `${part[i]}${character}`);
  if (new Set(pairs).size < MIN_PAIRS) return "repeats itself";
  const codes = part.map((character) => Number(character.codePointAt(0)));
  if (new Set(codes.slice(1).map((code, i) => code - codes[i])).size < MIN_STEPS) {
    return "is a row of characters, such as abcdef";
  }
  // Only ASCII letters are changed, since the lower case of others depends on the version of Unicode.
  const bare = secret.replace(/[A-Z]/g, (capital) => capital.toLowerCase()).replace(/[ ._-]/g, "");
  if (PLACEHOLDERS.some((text) => bare.includes(text))) {
    return "is a placeholder, or contains a word that attackers guess first";
  }
  return null;
}

/**
 * Return the part that a text repeats (the last repetition may be cut off), or the whole text.
 *
 * @param {string[]} characters
 */
function repeated(characters) {
  for (let length = 1; length <= characters.length / 2; length++) {
    const repeats = characters.every((character, i) => character === characters[i % length]);
    if (repeats) return characters.slice(0, length);
  }
  return characters;
}

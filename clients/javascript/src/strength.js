/** Whether a secret can be guessed. The page docs/protocol.md says why, and has the same rules. */

export const MIN_LENGTH = 32;
// How many different ones a secret has at least: characters, pairs of neighbours, differences of neighbours.
const MIN_CHARACTERS = 6;
const MIN_PAIRS = 16;
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
 * What makes a secret easy to guess, as words that follow "it"; null for nothing.
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
  // In ASCII alone: what other capitals become differs between versions of Unicode.
  const bare = secret.replace(/[A-Z]/g, (capital) => capital.toLowerCase()).replace(/[ ._-]/g, "");
  if (PLACEHOLDERS.some((text) => bare.includes(text))) {
    return "is a text that is to be replaced, or has a word in it that guesses begin with";
  }
  return null;
}

/**
 * The part that a text repeats twice or more, the last time perhaps not to its end; or the text.
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

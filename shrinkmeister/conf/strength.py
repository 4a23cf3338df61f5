"""Whether a secret can be guessed: a form that random text never has.

One URL is enough to test guesses of the secret, 110,000 a second on one core, without asking any server.
So a secret has to be random. What random text looks like, no rule can say; these rules refuse repetitions,
rows of characters and texts that are to be replaced. They refuse fewer than one in a billion of the values
that generators make: tests/protocol/test_strength.py computes that for each. `docs/protocol.md` has the
rules, which all clients share. Nothing here knows Django.
"""

from itertools import pairwise

MIN_LENGTH = 32
# How many different ones a secret has at least.
MIN_CHARACTERS = 6
# Of two neighbours.
MIN_PAIRS = 16
# Differences of the code points of neighbours: "abcdef" has one.
MIN_STEPS = 5
# In ASCII's small letters; between their parts may stand SEPARATORS.
PLACEHOLDERS = (
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
)
SEPARATORS = b" -._"


def weakness(secret: str) -> str | None:
    """Return what makes a secret easy to guess, as words that follow "it"; None for nothing."""
    part = _repeated(secret)
    if len(part) < MIN_LENGTH:
        return f"repeats {len(part)} characters"
    if len(set(part)) < MIN_CHARACTERS:
        return f"has {len(set(part))} different characters, and {MIN_CHARACTERS} are the least"
    neighbours = list(pairwise(part))
    if len(set(neighbours)) < MIN_PAIRS:
        return "repeats itself"
    if len({ord(second) - ord(first) for first, second in neighbours}) < MIN_STEPS:
        return "is a row of characters, such as abcdef"
    # As bytes, whose lower() is that of ASCII in every version of Unicode.
    bare = secret.encode(errors="surrogatepass").lower().translate(None, SEPARATORS)
    if any(text.encode() in bare for text in PLACEHOLDERS):
        return "is a text that is to be replaced, or has a word in it that guesses begin with"
    return None


def _repeated(text: str) -> str:
    """The part that a text repeats twice or more, the last time perhaps not to its end; or the text."""
    lengths = range(1, len(text) // 2 + 1)
    return text[: next((one for one in lengths if text.startswith(text[one:])), len(text))]

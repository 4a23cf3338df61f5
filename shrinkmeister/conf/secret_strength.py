"""Secrets that can be guessed, because they have a form that random text never has.

With one URL an attacker can test 110,000 guesses of the secret a second on one core, without any server.
So a secret has to be random. These rules reject repetitions, rows of characters and placeholders. Of the
values of random generators they reject fewer than one in a billion, which a test computes for each rule.
All clients share the rules, which `docs/reference/protocol.md` defines. Nothing here knows Django.
"""

from itertools import pairwise

MIN_LENGTH = 32
# How many different characters a secret needs.
MIN_CHARACTERS = 6
# How many different pairs of neighbours it needs.
MIN_PAIRS = 16
# How many different steps between the code points of neighbours it needs: "abcdef" has one.
MIN_STEPS = 5
# In lower-case ASCII. A secret may have SEPARATORS inside of them.
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
    """Return why a secret can be guessed, as words that follow "it", or None."""
    part = _repeated(secret)
    if len(part) < MIN_LENGTH:
        return f"repeats {len(part)} characters"
    if len(set(part)) < MIN_CHARACTERS:
        return f"has {len(set(part))} different characters; the minimum is {MIN_CHARACTERS}"
    neighbours = list(pairwise(part))
    if len(set(neighbours)) < MIN_PAIRS:
        return "repeats itself"
    if len({ord(second) - ord(first) for first, second in neighbours}) < MIN_STEPS:
        return "is a row of characters, such as abcdef"
    # As bytes, because lower() of bytes only changes ASCII in every version of Unicode.
    bare = secret.encode(errors="surrogatepass").lower().translate(None, SEPARATORS)
    if any(text.encode() in bare for text in PLACEHOLDERS):
        return "is a placeholder, or contains a word that attackers guess first"
    return None


def _repeated(text: str) -> str:
    """Return the part that a text repeats (the last repetition may be cut off), or the whole text."""
    lengths = range(1, len(text) // 2 + 1)
    return text[: next((one for one in lengths if text.startswith(text[one:])), len(text))]

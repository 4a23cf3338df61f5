"""Secrets that can be guessed are refused; a random one never is, whatever has made it.

What is computed here is the probability that a random value is refused, for each of the usual generators.
"""

import base64
import json
import uuid
from collections.abc import Callable
from math import comb
from random import Random
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks
from django.utils.crypto import RANDOM_STRING_CHARS

from shrinkmeister.conf.secret_strength import (
    MIN_CHARACTERS,
    MIN_LENGTH,
    MIN_PAIRS,
    MIN_STEPS,
    PLACEHOLDERS,
    weakness,
)
from tests import ROOT

GOOD = "the secret of a site, which is long enough"
# Of django.core.management.utils.get_random_secret_key.
DJANGO = "abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)"
HEX = "0123456789abcdef"
URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# One in a billion: what of all random values is refused at most.
MOST = 1e-9


def urlsafe(random: Random, count: int) -> str:
    """As secrets.token_urlsafe does it."""
    return base64.urlsafe_b64encode(random.randbytes(count)).decode().rstrip("=")


# A generator; its alphabet, and how many of its characters are chosen freely.
GENERATORS: dict[str, tuple[Callable[[Random], str], str, int]] = {
    "16 bytes in hex": (lambda random: random.randbytes(16).hex(), HEX, 32),
    "32 bytes in hex": (lambda random: random.randbytes(32).hex(), HEX, 64),
    "uuid4": (lambda random: str(uuid.UUID(int=random.getrandbits(128), version=4)), HEX, 30),
    "token_urlsafe(24)": (lambda random: urlsafe(random, 24), URL, 32),
    "token_urlsafe(48)": (lambda random: urlsafe(random, 48), URL, 64),
    "token_urlsafe(64)": (lambda random: urlsafe(random, 64), URL, 85),
    "openssl rand -base64 48": (
        lambda random: base64.b64encode(random.randbytes(48)).decode(),
        URL[:-2] + "+/",
        64,
    ),
    "get_random_secret_key()": (lambda random: "".join(random.choices(DJANGO, k=50)), DJANGO, 50),
    "get_random_string(32)": (
        lambda random: "".join(random.choices(RANDOM_STRING_CHARS, k=32)),
        RANDOM_STRING_CHARS,
        32,
    ),
}


def fewer(draws: int, values: int, least: int) -> float:
    """The probability that so many draws of `values` have fewer than `least` different ones."""
    chances = [1.0] + [0.0] * values
    for _ in range(draws):
        for different in range(values, 0, -1):
            new = chances[different - 1] * (values - different + 1) / values
            chances[different] = chances[different] * different / values + new
        chances[0] = 0.0
    return sum(chances[:least])


@pytest.mark.parametrize("name", GENERATORS)
def test_the_probability_that_a_random_value_is_refused(name: str) -> None:
    _, alphabet, count = GENERATORS[name]
    size = len(alphabet)
    steps = len({ord(one) - ord(other) for one in alphabet for other in alphabet})
    # A part of half the length decides about the rest.
    repetition = (count // 2) * size ** -(count // 2)
    characters = fewer(count, size, MIN_CHARACTERS)
    # As if pairs that share a character were independent of each other, which they nearly are.
    pairs = fewer(count - 1, size**2, MIN_PAIRS)
    # For each set of steps: from each character, no more than so many of the next ones are in it.
    rows = comb(steps, MIN_STEPS - 1) * ((MIN_STEPS - 1) / size) ** (count - 1)
    # A letter is spelled in as many ways as the alphabet has of it; separators are left out before.
    words = 0.0
    for word in PLACEHOLDERS:
        chance = float(count)
        for letter in word:
            chance *= sum(one.lower() == letter for one in alphabet) / (
                size - len(set(" -._") & set(alphabet))
            )
        words += chance
    assert repetition + characters + pairs + rows + words < MOST


@pytest.mark.parametrize("name", GENERATORS)
def test_random_values_are_taken(name: str) -> None:
    generate, _, _ = GENERATORS[name]
    random = Random(name)
    values = [generate(random) for _ in range(2000)]
    assert len({*values}) == len(values)
    assert min(map(len, values)) >= MIN_LENGTH
    assert [value for value in values if weakness(value)] == []


@pytest.mark.parametrize("word", PLACEHOLDERS)
def test_a_word_is_found_however_it_is_spelled(word: str) -> None:
    random = "kT9vQ2wZ7R4L8nB3cJ6H1D5fG"
    for spelled in (word, word.upper(), f"{word[:3]}-{word[3:]}", f"{word[:2]}_{word[2:5]} {word[5:]}"):
        assert weakness(f"{random[:12]}{spelled}{random[12:]}")
    assert weakness(f"{random}{word[:4]}9{word[4:]}") is None


def test_a_fallback_that_can_be_guessed_is_a_warning(settings: Any) -> None:
    def found() -> dict[str, type]:
        return {str(one.id): type(one) for one in run_checks() if "shrinkmeister." in str(one.id)}

    settings.THUMBNAIL_SECRET_KEY, settings.THUMBNAIL_SECRET_KEY_FALLBACKS = GOOD, ["a" * 32]
    assert found() == {"shrinkmeister.W003": Warning}
    settings.THUMBNAIL_SECRET_KEY, settings.THUMBNAIL_SECRET_KEY_FALLBACKS = "a" * 32, [GOOD]
    assert found() == {"shrinkmeister.E001": Error}
    settings.THUMBNAIL_SECRET_KEY, settings.THUMBNAIL_SECRET_KEY_FALLBACKS = GOOD, []
    assert found() == {}


def test_the_placeholder_of_the_example_is_refused() -> None:
    """Whoever forgets to replace it is told."""
    stages = json.loads((ROOT / "zappa_settings.json.example").read_text())
    for stage in stages.values():
        secret = stage["aws_environment_variables"]["THUMBNAIL_SECRET_KEY"]
        assert len(secret) < MIN_LENGTH or weakness(secret)


def test_all_clients_have_the_same_words() -> None:
    for file in ("javascript/src/strength.js", "php/src/Strength.php", "go/strength.go"):
        text = (ROOT / "clients" / file).read_text()
        for word in PLACEHOLDERS:
            assert f'"{word}",' in text or f"'{word}'," in text, (file, word)

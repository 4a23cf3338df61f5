"""What the doctor asks and is answered: the vectors, and what is neither."""

from base64 import b64decode
from dataclasses import asdict, replace
from io import BytesIO
from typing import Any

import pytest
from django.core.files.images import get_image_dimensions

from shrinkmeister.doctor.messages import (
    ANSWER_INFO,
    EXAMINE,
    PROBE,
    QUESTION_INFO,
    Answer,
    Question,
    Questions,
    probe_name,
)
from shrinkmeister.exceptions import TokenError, TokenExpiredError
from shrinkmeister.protocol.encryption import KEY_LENGTH, Cipher, derive_key
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.protocol.tokens import Tokens
from tests.vectors import load

VECTORS = load("questions")
SECRET, NOW = VECTORS["secret"], VECTORS["now"]
OTHER_SECRET = VECTORS["keys"][1]["secret"]
QUESTION = Question(EXAMINE, "pDFAQ5JAnVgOyp2EiK8zfw", NOW)


def described(vector: dict[str, Any]) -> str:
    return str(vector["description"])


def questions(*secrets: str, now: float = NOW) -> Questions:
    return Questions(secrets or (SECRET,), lambda: now)


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=["first", "second"])
def test_keys(vector: dict[str, str]) -> None:
    assert derive_key(vector["secret"], QUESTION_INFO, KEY_LENGTH).hex() == vector["question"]
    assert derive_key(vector["secret"], ANSWER_INFO, KEY_LENGTH).hex() == vector["answer"]


@pytest.mark.parametrize("vector", VECTORS["questions"], ids=described)
def test_question(vector: dict[str, Any]) -> None:
    question = Question.parse(vector["payload"].encode())
    assert questions().seal(question) == vector["sealed"]
    assert questions().open(vector["sealed"]) == (question, Answer(question.nonce, NOW, 0))


@pytest.mark.parametrize("vector", VECTORS["expired"], ids=described)
def test_question_of_another_time(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenExpiredError):
        questions().open(vector["sealed"])


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=described)
def test_no_question(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenError) as refused:
        questions().open(vector["sealed"])
    assert not isinstance(refused.value, TokenExpiredError)


@pytest.mark.parametrize("vector", VECTORS["answers"], ids=described)
def test_answer(vector: dict[str, Any]) -> None:
    answer = questions().open_answer(vector["sealed"], QUESTION)
    assert answer == Answer.parse(vector["payload"].encode())
    resealed = questions().seal_answer(replace(answer, secret=0))
    assert questions().open_answer(resealed, QUESTION) == replace(answer, secret=0)


def test_answer_has_all_that_was_said() -> None:
    said = load("questions")["answers"][0]
    answer = questions().open_answer(said["sealed"], QUESTION)
    assert questions().seal_answer(answer) == said["sealed"]
    assert asdict(answer)["cache"] == {"kind": "redis", "found": "x9", "written": "y8", "error": None}


@pytest.mark.parametrize("vector", VECTORS["invalid_answers"], ids=described)
def test_no_answer(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        questions().open_answer(vector["sealed"], QUESTION)


def test_a_question_is_no_token_and_a_token_no_question() -> None:
    with pytest.raises(TokenError):
        Tokens([SECRET]).decrypt(questions().seal(QUESTION))
    token = load("tokens")["valid"][0]["token"]
    assert Tokens([SECRET]).decrypt(token)
    with pytest.raises(TokenError):
        questions().open(token)


def test_an_answer_is_sealed_with_the_secret_that_opened_the_question() -> None:
    asked = questions(SECRET)
    _, answer = questions(OTHER_SECRET, SECRET).open(asked.seal(QUESTION))
    assert answer.secret == 1
    text = questions(OTHER_SECRET, SECRET).seal_answer(answer)
    assert asked.open_answer(text, QUESTION) == answer


def test_any_secret_of_the_site_may_seal() -> None:
    site = questions(OTHER_SECRET, SECRET)
    with pytest.raises(TokenError):
        questions(SECRET).open(site.seal(QUESTION))
    assert questions(SECRET).open(site.seal(QUESTION, 1))[0] == QUESTION


def test_no_two_questions_are_alike() -> None:
    first, second = Question.new(EXAMINE, NOW), Question.new(EXAMINE, NOW)
    assert first.nonce != second.nonce
    assert questions().open(questions().seal(first))[0] == first


def test_an_answer_may_be_longer_than_a_url() -> None:
    answer = Answer(QUESTION.nonce, NOW, 0, settings={"THUMBNAIL_BUCKET": "x" * 20_000})
    assert questions().open_answer(questions().seal_answer(answer), QUESTION) == answer
    with pytest.raises(TokenError, match="length"):
        questions().open_answer("A" * 80_000, QUESTION)
    with pytest.raises(TokenError, match="length"):
        questions().open(Cipher([SECRET], QUESTION_INFO).encrypt(b"x" * 4_000))


@pytest.mark.parametrize("vector", VECTORS["probes"])
def test_a_probe_has_the_name_of_a_thumbnail(vector: dict[str, str]) -> None:
    name = probe_name(vector["nonce"], vector["prefix"])
    assert name == vector["name"]
    assert is_object_name(name, vector["prefix"])


def test_the_probe_is_an_image() -> None:
    assert b64decode(VECTORS["probe"]) == PROBE
    assert get_image_dimensions(BytesIO(PROBE)) == (1, 1)

"""What the doctor asks and is answered: the vectors, and what is neither."""

import json
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
    MessageCipher,
    Question,
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


def cipher(*secrets: str, now: float = NOW) -> MessageCipher:
    return MessageCipher(secrets or (SECRET,), lambda: now)


def answer(**members: Any) -> Answer:
    known: dict[str, Any] = {"nonce": QUESTION.nonce, "time": NOW, "secret": 0}
    return Answer(**{**known, **members})


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=["first", "second"])
def test_keys(vector: dict[str, str]) -> None:
    assert derive_key(vector["secret"], QUESTION_INFO, KEY_LENGTH).hex() == vector["question"]
    assert derive_key(vector["secret"], ANSWER_INFO, KEY_LENGTH).hex() == vector["answer"]


@pytest.mark.parametrize("vector", VECTORS["questions"], ids=described)
def test_question(vector: dict[str, Any]) -> None:
    question = Question(**json.loads(vector["payload"]))
    assert cipher().encrypt_question(question) == vector["sealed"]
    assert cipher().decrypt_question(vector["sealed"]) == (question, 0)


@pytest.mark.parametrize("vector", VECTORS["expired"], ids=described)
def test_question_of_another_time(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenExpiredError):
        cipher().decrypt_question(vector["sealed"])


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=described)
def test_no_question(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenError) as refused:
        cipher().decrypt_question(vector["sealed"])
    assert not isinstance(refused.value, TokenExpiredError)


@pytest.mark.parametrize("vector", VECTORS["answers"], ids=described)
def test_answer(vector: dict[str, Any]) -> None:
    decrypted = cipher().decrypt_answer(vector["sealed"], QUESTION)
    payload, members = json.loads(vector["payload"]), asdict(decrypted)
    for name in members.keys() & payload.keys():
        assert members[name] == payload[name]
    assert members.keys() >= payload.keys() - {"later"}
    again = cipher().encrypt_answer(replace(decrypted, secret=0))
    assert cipher().decrypt_answer(again, QUESTION) == replace(decrypted, secret=0)


def test_answer_has_all_that_was_said() -> None:
    said = load("questions")["answers"][0]
    decrypted = cipher().decrypt_answer(said["sealed"], QUESTION)
    assert cipher().encrypt_answer(decrypted) == said["sealed"]
    assert asdict(decrypted) == json.loads(said["payload"])


@pytest.mark.parametrize("vector", VECTORS["invalid_answers"], ids=described)
def test_no_answer(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        cipher().decrypt_answer(vector["sealed"], QUESTION)


def test_a_question_is_no_token_and_a_token_no_question() -> None:
    with pytest.raises(TokenError):
        Tokens([SECRET]).decrypt(cipher().encrypt_question(QUESTION))
    token = load("tokens")["valid"][0]["token"]
    assert Tokens([SECRET]).decrypt(token)
    with pytest.raises(TokenError):
        cipher().decrypt_question(token)


def test_an_answer_is_sealed_with_the_secret_that_opened_the_question() -> None:
    site, server = cipher(SECRET), cipher(OTHER_SECRET, SECRET)
    question, secret = server.decrypt_question(site.encrypt_question(QUESTION))
    assert secret == 1
    text = server.encrypt_answer(answer(nonce=question.nonce, secret=secret))
    assert site.decrypt_answer(text, QUESTION).secret == 1


def test_any_secret_of_the_site_may_seal() -> None:
    site = cipher(OTHER_SECRET, SECRET)
    with pytest.raises(TokenError):
        cipher(SECRET).decrypt_question(site.encrypt_question(QUESTION))
    assert cipher(SECRET).decrypt_question(site.encrypt_question(QUESTION, 1))[0] == QUESTION


def test_an_answer_may_be_longer_than_a_url() -> None:
    long = answer(facts={"settings": {"THUMBNAIL_BUCKET": "x" * 20_000}})
    assert cipher().decrypt_answer(cipher().encrypt_answer(long), QUESTION) == long
    with pytest.raises(TokenError, match="length"):
        cipher().decrypt_answer("A" * 80_000, QUESTION)
    with pytest.raises(TokenError, match="length"):
        cipher().decrypt_question(Cipher([SECRET], QUESTION_INFO).encrypt(b"x" * 4_000))


@pytest.mark.parametrize("vector", VECTORS["probes"])
def test_a_probe_has_the_name_of_a_thumbnail(vector: dict[str, str]) -> None:
    name = probe_name(vector["nonce"], vector["prefix"])
    assert name == vector["name"]
    assert is_object_name(name, vector["prefix"])


def test_the_probe_is_an_image() -> None:
    assert b64decode(VECTORS["probe"]) == PROBE
    assert get_image_dimensions(BytesIO(PROBE)) == (1, 1)

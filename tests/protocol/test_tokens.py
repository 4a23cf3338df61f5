"""Tokens, against the vectors, an implementation of RFC 5297 of their own, and mutations."""

import random
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.cmac import CMAC

from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.exceptions import SpecError, TokenError, TokenExpiredError
from shrinkmeister.protocol.encryption import ALPHABET, KEY_LENGTH, derive_key
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import KEY_INFO, TokenContent, Tokens
from tests.vectors import load

VECTORS = load("tokens")
SECRET = VECTORS["secret"]
OTHER_SECRET = VECTORS["keys"][1]["secret"]
SPEC = ThumbnailSpec.parse(VECTORS["valid"][0]["canonical"].encode())


def described(vector: dict[str, Any]) -> str:
    return str(vector["description"])


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=["first", "second", "beyond ASCII"])
def test_keys(vector: dict[str, str]) -> None:
    assert derive_key(vector["secret"], KEY_INFO, KEY_LENGTH).hex() == vector["key"]


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=described)
def test_vector(vector: dict[str, Any]) -> None:
    tokens = Tokens([vector["secret"]])
    spec = ThumbnailSpec.parse(vector["canonical"].encode())
    assert tokens.encrypt(spec) == vector["token"]
    assert tokens.decrypt(vector["token"]) == spec


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=described)
def test_vector_by_hand(vector: dict[str, Any]) -> None:
    """RFC 5297 spelled out with CMAC and CTR: what the page docs/reference/protocol.md says is enough."""
    key = derive_key(vector["secret"], KEY_INFO, KEY_LENGTH)
    token = vector["token"]
    data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert data[:1] == b"\x01"
    assert data[1:] == siv_encrypt(key, b"\x01", vector["canonical"].encode())


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=described)
def test_invalid_vector(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenError) as refused:
        Tokens([SECRET]).decrypt(vector["token"])
    assert not isinstance(refused.value, TokenExpiredError)


@pytest.mark.parametrize("vector", VECTORS["too_long"], ids=described)
def test_a_vector_that_is_not_sealed(vector: dict[str, Any]) -> None:
    spec = ThumbnailSpec.parse(vector["canonical"].encode())
    with pytest.raises(SpecError, match="3800"):
        Tokens([SECRET]).encrypt(spec)


@pytest.mark.parametrize("secret", VECTORS["weak_secrets"])
def test_a_secret_that_can_be_guessed(settings: Any, secret: str) -> None:
    """It may be a fallback, or no site could get rid of it."""
    settings.THUMBNAIL_SECRET_KEY, settings.THUMBNAIL_SECRET_KEY_FALLBACKS = SECRET, [secret]
    assert [one.reveal() for one in get_config().secrets] == [SECRET, secret]
    settings.THUMBNAIL_SECRET_KEY, settings.THUMBNAIL_SECRET_KEY_FALLBACKS = secret, []
    with pytest.raises(SettingError) as refused:
        get_config()
    assert refused.value.id == "shrinkmeister.E001"
    assert secret not in str(refused.value)


@pytest.mark.parametrize("secret", VECTORS["strong_secrets"])
def test_a_secret_that_is_taken(settings: Any, secret: str) -> None:
    settings.THUMBNAIL_SECRET_KEY = secret
    assert [one.reveal() for one in get_config().secrets] == [secret]


@pytest.mark.parametrize("secret", VECTORS["invalid_secrets"])
@pytest.mark.parametrize("fallback", [False, True])
def test_secrets_that_are_refused(settings: Any, secret: str, fallback: bool) -> None:
    settings.THUMBNAIL_SECRET_KEY = SECRET if fallback else secret
    settings.THUMBNAIL_SECRET_KEY_FALLBACKS = [secret] if fallback else []
    with pytest.raises(SettingError, match="THUMBNAIL_SECRET_KEY") as refused:
        get_config()
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize("vector", VECTORS["fallbacks"], ids=described)
def test_fallback_vector(vector: dict[str, Any]) -> None:
    spec = ThumbnailSpec.parse(vector["canonical"].encode())
    assert Tokens(vector["secrets"]).decrypt(vector["token"]) == spec


@pytest.mark.parametrize("vector", VECTORS["expired"], ids=described)
def test_expired_vector(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenExpiredError):
        Tokens([SECRET], None, lambda: vector["now"]).decrypt(vector["token"])


@pytest.mark.parametrize("vector", VECTORS["expiring"], ids=described)
def test_expiring_vector(vector: dict[str, Any]) -> None:
    now = float(vector["now"])
    tokens = Tokens([SECRET], vector["url_ttl"], lambda: now)
    assert tokens.encrypt(SPEC) == vector["token"]
    assert tokens.decrypt(vector["token"]) == SPEC
    now = vector["expires"] - 1
    assert tokens.decrypt(vector["token"]) == SPEC
    now = vector["expires"]
    with pytest.raises(TokenExpiredError):
        tokens.decrypt(vector["token"])
    # The end stands in the token: a server without THUMBNAIL_URL_TTL keeps to it too.
    with pytest.raises(TokenExpiredError):
        Tokens([SECRET], None, lambda: now).decrypt(vector["token"])


@pytest.mark.parametrize("vector", VECTORS["expiring"], ids=described)
def test_what_a_token_says_of_itself(vector: dict[str, Any]) -> None:
    """Also when its time is over; and which secret it was."""
    expires = vector["expires"]
    opened = Tokens([OTHER_SECRET, SECRET], None, lambda: expires + 1).read(vector["token"])
    assert opened == TokenContent(SPEC, expires, 1)
    assert (opened.is_expired(expires - 1), opened.is_expired(expires)) == (False, True)
    endless = Tokens([SECRET]).read(Tokens([SECRET]).encrypt(SPEC))
    assert endless == TokenContent(SPEC, None, 0)
    assert not endless.is_expired(expires)


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=described)
def test_an_invalid_token_says_nothing(vector: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        Tokens([SECRET]).read(vector["token"])


def test_the_same_spec_gives_the_same_token_on_every_host() -> None:
    assert Tokens([SECRET]).encrypt(SPEC) == Tokens([SECRET, OTHER_SECRET]).encrypt(SPEC)


def test_a_token_that_was_read_before_expires_too() -> None:
    now = 1000.0
    tokens = Tokens([SECRET], 60, lambda: now)
    spec = ThumbnailSpec(Source("s3", "photos", "dawn.jpg"), "300x200")
    token = tokens.encrypt(spec)
    assert tokens.decrypt(token) == spec
    assert tokens.read(token) is tokens.read(token)
    now += 120
    with pytest.raises(TokenExpiredError):
        tokens.decrypt(token)


def test_rotation() -> None:
    """The former secret opens as long as it is a fallback, on either side."""
    former, latter = Tokens([SECRET]), Tokens([OTHER_SECRET, SECRET])
    assert latter.decrypt(former.encrypt(SPEC)) == SPEC
    assert latter.encrypt(SPEC) == Tokens([OTHER_SECRET]).encrypt(SPEC)
    with pytest.raises(TokenError):
        Tokens([OTHER_SECRET]).decrypt(former.encrypt(SPEC))


def test_tokens_need_no_escaping_anywhere() -> None:
    assert all(ALPHABET.fullmatch(vector["token"]) for vector in VECTORS["valid"])


def test_a_token_shows_nothing_of_its_source() -> None:
    spec = ThumbnailSpec(Source("s3", "photos", "secret-plans.jpg"), "10x10")
    token = Tokens([SECRET]).encrypt(spec)
    assert b"secret-plans" not in urlsafe_b64decode(token + "=" * (-len(token) % 4))


def test_names_that_make_no_url_are_refused() -> None:
    with pytest.raises(SpecError, match="characters"):
        Tokens([SECRET]).encrypt(ThumbnailSpec(Source("s3", "photos", "x" * 3000), "10x10"))


def test_no_secret_no_tokens() -> None:
    with pytest.raises(ValueError, match="secret"):
        Tokens([])


def test_two_thousand_mutations_open_nothing() -> None:
    generator = random.Random(1)
    tokens = Tokens([SECRET])
    token = tokens.encrypt(SPEC)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~=+/%é\0 "
    opened = 0
    for _ in range(2000):
        characters = list(token)
        for _ in range(generator.randint(1, 3)):
            place = generator.randrange(len(characters))
            match generator.randrange(3):
                case 0:
                    characters[place] = generator.choice(alphabet)
                case 1:
                    characters.insert(place, generator.choice(alphabet))
                case _:
                    del characters[place]
        mutated = "".join(characters)
        if mutated == token:
            continue
        opened += 1
        with pytest.raises(TokenError):
            tokens.decrypt(mutated)
    assert opened > 1900


def siv_encrypt(key: bytes, associated: bytes, plaintext: bytes) -> bytes:
    mac_key, ctr_key = key[:32], key[32:]

    def cmac(data: bytes) -> bytes:
        mac = CMAC(AES(mac_key))
        mac.update(data)
        return mac.finalize()

    def double(block: bytes) -> bytes:
        value = int.from_bytes(block) << 1
        return (value & (1 << 128) - 1 ^ (0x87 if value >> 128 else 0)).to_bytes(16)

    def xor(left: bytes, right: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(left, right, strict=True))

    chained = xor(double(cmac(bytes(16))), cmac(associated))
    if len(plaintext) >= 16:
        last = plaintext[:-16] + xor(plaintext[-16:], chained)
    else:
        last = xor(double(chained), plaintext + b"\x80" + bytes(15 - len(plaintext)))
    tag = cmac(last)
    counter = int.from_bytes(tag) & ~(1 << 63 | 1 << 31)
    encryptor = Cipher(AES(ctr_key), CTR(counter.to_bytes(16))).encryptor()
    return tag + encryptor.update(plaintext) + encryptor.finalize()

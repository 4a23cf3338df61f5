"""The page docs/reference/protocol.md: what it says in figures is what the code does."""

import hashlib
import hmac
import json
import re
from base64 import b32encode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.cmac import CMAC

from shrinkmeister.protocol.keys import object_name, record_key
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import CALL_OPTIONS, DEFAULT_OPTIONS, EXTENSIONS, Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister_server.conf import get_server_config
from tests import ROOT
from tests.vectors import load

pytestmark = pytest.mark.makes_thumbnails

PAGE = (ROOT / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
# Long figures stand on several lines.
FIGURES = re.sub(r"\s+|xor D", "", PAGE)
SECRET = load("tokens")["secret"]
SPEC = ThumbnailSpec(Source("s3", "photos", "2024/dawn.jpg"), "300x200", {"crop": "center"})


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def cmac(key: bytes, data: bytes) -> bytes:
    made = CMAC(AES(key))
    made.update(data)
    return made.finalize()


def doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    return ((number ^ (0x87 if number >> 128 else 0)) & (2**128 - 1)).to_bytes(16, "big")


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def test_the_steps_to_a_token() -> None:
    """By the formulas of the page, and each of their results stands there."""
    payload = SPEC.canonical
    extracted = mac(bytes(32), SECRET.encode())
    first = mac(extracted, b"shrinkmeister token 1\x01")
    second = mac(extracted, first + b"shrinkmeister token 1\x02")
    zeros, version = cmac(first, bytes(16)), cmac(first, b"\x01")
    both = xor(doubled(zeros), version)
    mixed = payload[:-16] + xor(payload[-16:], both)
    siv = cmac(first, mixed)
    counter = bytearray(siv)
    counter[8] &= 0x7F
    counter[12] &= 0x7F
    encryptor = Cipher(AES(second), CTR(bytes(counter))).encryptor()
    encrypted = encryptor.update(payload) + encryptor.finalize()
    token = urlsafe_b64encode(b"\x01" + siv + encrypted).rstrip(b"=").decode()
    assert token == Tokens([SECRET]).encrypt(SPEC)
    assert token in FIGURES
    for figure in (extracted, first, second, payload, zeros, version, both, mixed, siv, counter, encrypted):
        assert figure.hex() in FIGURES


def test_keys_and_names() -> None:
    for canonical in (SPEC.canonical, SPEC.source.canonical):
        digest = hashlib.sha256(canonical)
        assert canonical.decode() in PAGE
        assert digest.hexdigest() in PAGE
        assert f"digest     {b32encode(digest.digest()[:20]).decode().lower()}\n" in PAGE
    for name in (record_key(SPEC), object_name(SPEC, "cache/"), object_name(SPEC, "cache/", "2")):
        assert f" {name}\n" in PAGE


def test_a_signed_record() -> None:
    record = ThumbnailRecord(300, 200, "https://my-thumbnails.s3.amazonaws.com/cache/", ("2",), 1795612345)
    key = mac(mac(bytes(32), SECRET.encode()), b"shrinkmeister record 1\x01")
    signed = Signer([SECRET]).sign(record_key(SPEC), record.dump())
    for figure in (key, mac(key, f"{record_key(SPEC)}\n".encode() + record.dump())):
        assert f" {figure.hex()}\n" in PAGE
    assert f" {record.dump().decode()}\n" in PAGE
    assert f" {signed.decode()}\n" in PAGE
    assert f" {record.base}{object_name(SPEC, '')}\n" in PAGE


def test_sources_as_text() -> None:
    shown = re.findall(r'^    (\w+://\S+) +(\["\S+"\])$', PAGE, re.MULTILINE)
    assert len(shown) == 2
    for text, canonical in shown:
        assert Source.parse(text).canonical.decode() == canonical


def test_stale_records() -> None:
    number = int(record_key(SPEC)[3:5], 36)
    assert (number, int(604800 * (1 / 2 + number / 2592))) == (767, 481366)
    assert (
        "`lb`, 767, and with the default of 604800 seconds the record becomes stale after 481,366"
        in " ".join(PAGE.split())
    )


def test_tables() -> None:
    for name, value in DEFAULT_OPTIONS.items():
        assert f"| `{name}` | `{json.dumps(value)}` |" in PAGE, name
    for name in CALL_OPTIONS:
        assert f"`{name}`" in PAGE
    for format, extension in EXTENSIONS.items():
        assert f"`{format}`" in PAGE
        assert f"`{extension}`" in PAGE
    config = get_server_config()
    assert f"THUMBNAIL_MAX_BATCH ({config.max_batch})" in PAGE
    assert f"THUMBNAIL_BATCH_SECONDS ({config.batch_seconds})" in PAGE

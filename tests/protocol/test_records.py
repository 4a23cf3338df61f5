"""What the shared cache holds, against the vectors."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from shrinkmeister.exceptions import RecordError
from shrinkmeister.protocol.records import (
    ChangeRecord,
    FailureRecord,
    SourceRecord,
    ThumbnailRecord,
    base_of,
)
from shrinkmeister.protocol.signing import Signer
from tests.vectors import load

VECTORS = load("records")
SEALS = VECTORS["seals"]


def described(vector: dict[str, Any]) -> str:
    return str(vector["description"])


@pytest.mark.parametrize("vector", VECTORS["thumbnails"], ids=described)
def test_thumbnail_vector(vector: dict[str, Any]) -> None:
    record = ThumbnailRecord(
        vector["width"], vector["height"], vector["base"], tuple(vector["resolutions"]), vector["checked"]
    )
    if not vector.get("read_only"):
        assert record.dump() == vector["record"].encode()
    read = ThumbnailRecord.load(vector["record"].encode())
    assert (read, read.verified_at) == (record, vector["checked"])


@pytest.mark.parametrize("vector", VECTORS["sources"], ids=described)
def test_source_vector(vector: dict[str, Any]) -> None:
    record = SourceRecord(vector["width"], vector["height"], vector["flipped"], vector.get("version"))
    if not vector.get("read_only"):
        assert record.dump() == vector["record"].encode()
    assert SourceRecord.load(vector["record"].encode()) == record


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=described)
def test_invalid_vector(vector: dict[str, Any]) -> None:
    readers = {"thumbnail": ThumbnailRecord.load, "source": SourceRecord.load}
    for kind in readers if vector["kind"] == "both" else [vector["kind"]]:
        with pytest.raises(RecordError):
            readers[kind](vector["record"].encode())


def test_the_base_of_a_url() -> None:
    assert (
        base_of("https://thumbs.example.com/cache/a/b.jpg", "a/b.jpg")
        == "https://thumbs.example.com/cache/"
    )
    for url in (
        "https://thumbs.example.com/cache/a/c.jpg",
        "https://thumbs.example.com/cache/a/b.jpg?Signature=x",
        "/media/cache/a/b.jpg",
        'https://thumbs.example.com/"/a/b.jpg',
    ):
        assert base_of(url, "a/b.jpg") is None, url


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(RecordError):
        ThumbnailRecord.load(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"v":1,"e":"missing","t":1}',
        b'{"v":1,"e":1,"c":"","t":1}',
        b'{"v":1,"e":"x","c":""}',
        b"[]",
    ],
)
def test_what_tells_no_failure(data: bytes) -> None:
    with pytest.raises(RecordError):
        FailureRecord.load(data)
    record = FailureRecord("missing", "q1R", 1795612345)
    assert FailureRecord.load(record.dump()) == record


@pytest.mark.parametrize("vector", VECTORS["changes"]["valid"], ids=described)
def test_change_vector(vector: dict[str, Any]) -> None:
    record = ChangeRecord(vector["mark"], vector["end"])
    assert record.dump() == vector["record"].encode()
    assert ChangeRecord.load(vector["record"].encode()) == record


@pytest.mark.parametrize("record", VECTORS["changes"]["invalid"])
def test_what_tells_no_change(record: str) -> None:
    with pytest.raises(RecordError):
        ChangeRecord.load(record.encode())


@pytest.mark.parametrize("vector", SEALS["valid"], ids=described)
def test_sealed_vector(vector: dict[str, str]) -> None:
    seals = Signer([SEALS["secret"]])
    record, sealed = vector["record"].encode(), vector["sealed"].encode()
    assert seals.sign(vector["under"], record) == sealed
    assert seals.unsign(vector["under"], sealed) == record
    former = Signer(["another secret, of the same length or so", SEALS["secret"]])
    assert former.unsign(vector["under"], sealed) == record


@pytest.mark.parametrize("vector", SEALS["valid"], ids=described)
def test_sealed_vector_by_hand(vector: dict[str, str]) -> None:
    """RFC 5869 and RFC 2104 spelled out: what the page docs/reference/protocol.md says is enough."""
    extracted = hmac.new(bytes(32), SEALS["secret"].encode(), hashlib.sha256).digest()
    key = hmac.new(extracted, b"shrinkmeister record 1\x01", hashlib.sha256).digest()
    assert key.hex() == SEALS["key"]
    mac = hmac.new(key, f"{vector['under']}\n{vector['record']}".encode(), hashlib.sha256).digest()
    seal = urlsafe_b64encode(mac[:8]).decode().rstrip("=")
    assert vector["sealed"] == f'{vector["record"][:-1]},"m":"{seal}"}}'


@pytest.mark.parametrize("vector", SEALS["invalid"], ids=described)
def test_a_vector_that_is_not_sealed(vector: dict[str, str]) -> None:
    with pytest.raises(RecordError):
        Signer([SEALS["secret"]]).unsign(vector["under"], vector["sealed"].encode())

"""What any bytes do to the readers of tokens, specs, records and metadata: our own errors, or nothing.

The first byte of an input chooses the reader, and the rest is what that reads. Knows no fuzzer: pytest
runs it too.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shrinkmeister.exceptions import RecordError, SpecError, TokenError
from shrinkmeister.protocol.encryption import KEY_LENGTH, VERSION, derive_key
from shrinkmeister.protocol.keys import is_object_name, object_name
from shrinkmeister.protocol.records import SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import KEY_INFO, Tokens
from shrinkmeister.storage.base import StoredInfo
from tests.vectors import load

TOKEN_VECTORS = load("tokens")
SECRET = TOKEN_VECTORS["secret"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sealed(payload: bytes, secret: str = SECRET) -> str:
    """The genuine token of any payload, as whoever has the secret can make it."""
    return text_of(VERSION + AESSIV(derive_key(secret, KEY_INFO, KEY_LENGTH)).encrypt(payload, [VERSION]))


def text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(token: str) -> bytes:
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def open_token(data: bytes) -> None:
    _open(data.decode(errors="replace"))


def open_payload(data: bytes) -> None:
    _open(text_of(VERSION + CIPHER.encrypt(data, [VERSION])) if data else "")


def read_spec(data: bytes) -> None:
    try:
        spec = ThumbnailSpec.parse(data)
    except SpecError:
        return
    assert spec.canonical == data
    assert Source.parse(str(spec.source)) == spec.source
    assert ThumbnailSpec(spec.source, spec.geometry, spec.options) == spec
    assert is_object_name(object_name(spec, "cache/"), "cache/")


def read_thumbnail_record(data: bytes) -> None:
    try:
        record = ThumbnailRecord.load(data)
    except RecordError:
        return
    again = ThumbnailRecord.load(record.dump())
    assert (again, again.verified_at) == (record, record.verified_at)


def read_source_record(data: bytes) -> None:
    try:
        record = SourceRecord.load(data)
    except RecordError:
        return
    # The version is compared with that of a spec, and goes nowhere else.
    record = replace(record, version=None)
    assert SourceRecord.load(record.dump()) == record


def open_seal(data: bytes) -> None:
    """Nothing that a fuzzer makes is sealed."""
    try:
        body = SEALS.unsign("t1:key", data)
    except RecordError:
        return
    assert SEALS.sign("t1:key", body) == data


def read_metadata(data: bytes) -> None:
    """Up to three lines: values of the metadata's fields."""
    lines = data.decode(errors="replace").split("\n")
    info = StoredInfo.from_metadata(
        dict(zip(("size", "resolutions", "source-size"), lines, strict=False)), NOW
    )
    if info:
        assert StoredInfo.from_metadata(info.metadata(), NOW) == info
        record = ThumbnailRecord(info.width, info.height, None, info.resolutions)
        assert ThumbnailRecord.load(record.dump()) == record


READERS = (
    open_token,
    open_payload,
    read_spec,
    read_thumbnail_record,
    read_source_record,
    read_metadata,
    open_seal,
)
SEALS = Signer([SECRET])
CIPHER = AESSIV(derive_key(SECRET, KEY_INFO, KEY_LENGTH))
TOKENS = Tokens([SECRET], clock=lambda: 0.0)


def check(data: bytes) -> None:
    if data:
        READERS[data[0] % len(READERS)](data[1:])


def seeds() -> Iterator[bytes]:
    """The vectors, valid and invalid, each for the readers that it is of."""

    def seed(data: bytes, *readers: Callable[[bytes], None]) -> Iterator[bytes]:
        for reader in readers:
            yield bytes([READERS.index(reader)]) + data

    for kind in ("valid", "invalid"):
        for vector in TOKEN_VECTORS[kind]:
            yield from seed(vector["token"].encode(), open_token)
        for vector in load("specs")[kind]:
            yield from seed(vector["canonical"].encode(), read_spec, open_payload)
    for vector in TOKEN_VECTORS["expiring"]:
        yield from seed(CIPHER.decrypt(bytes_of(vector["token"])[1:], [VERSION]), open_payload)
    records = load("records")
    for vector in (*records["thumbnails"], *records["sources"], *records["invalid"]):
        yield from seed(vector["record"].encode(), read_thumbnail_record, read_source_record)
    for vector in (*records["seals"]["valid"], *records["seals"]["invalid"]):
        yield from seed(vector["sealed"].encode(), open_seal)
    for lines in ("300x200\n2,1.5\n4000x3000-turned", "300x200", "0x1\n\n1x1"):
        yield from seed(lines.encode(), read_metadata)


def _open(token: str) -> None:
    try:
        spec = TOKENS.decrypt(token)
    except TokenError:
        return
    if TOKENS.encrypt(spec) != token:
        # The end is no part of a spec; all else is what it was.
        start, _, end = CIPHER.decrypt(bytes_of(token)[1:], [VERSION])[:-1].rpartition(b",")
        assert start + b"]" == spec.canonical
        assert b"%d" % int(end) == end

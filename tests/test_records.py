"""What the shared cache holds, against the vectors."""

from typing import Any

import pytest

from shrinkmeister.exceptions import RecordError
from shrinkmeister.records import SourceRecord, ThumbnailRecord, base_of
from tests.vectors import load

VECTORS = load("records")


def described(vector: dict[str, Any]) -> str:
    return str(vector["description"])


@pytest.mark.parametrize("vector", VECTORS["thumbnails"], ids=described)
def test_thumbnail_vector(vector: dict[str, Any]) -> None:
    record = ThumbnailRecord(
        vector["width"], vector["height"], vector["base"], tuple(vector["resolutions"])
    )
    if not vector.get("read_only"):
        assert record.dump() == vector["record"].encode()
    assert ThumbnailRecord.load(vector["record"].encode()) == record


@pytest.mark.parametrize("vector", VECTORS["sources"], ids=described)
def test_source_vector(vector: dict[str, Any]) -> None:
    record = SourceRecord(vector["width"], vector["height"], vector["flipped"], vector.get("version"))
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

"""Listings of stored objects: in order, from anywhere, and grouped into thumbnails."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from shrinkmeister.exceptions import StorageError
from shrinkmeister.storage import get_former_storage
from shrinkmeister.storage.listing import StoredObject, thumbnails_of

# In the order of a listing, of which `tests/storage/test_storages.py` asks all storages.
NAMES = sorted(
    [
        "cache/a/x-1.jpg",
        "cache/a/x.jpg",
        "cache/a/x.k.jpg",
        "cache/a/x.png",
        "cache/a/x1.jpg",
        "cache/a/x1@2x.jpg",
        "cache/a/x@1.5x.jpg",
        "cache/a/x@2x.jpg",
        "cache/a/x@2x.png",
        "cache/a/x@notx.jpg",
        "cache/a/xylo.jpg",
        "cache/a-b/y.tar.gz",
        "cache/a.b/y",
        "cache/b/lonely@2x.jpg",
        "cache/Ü.jpg",
        "cachet/z.jpg",
        "photos/z.jpg",
    ]
)


def test_grouping() -> None:
    grouped = {
        thumbnail.name: thumbnail.names for thumbnail in thumbnails_of(StoredObject(n) for n in NAMES)
    }
    assert sorted(name for group in grouped.values() for name in group) == NAMES
    several = {name: group for name, group in grouped.items() if group != [name]}
    assert several == {
        "cache/a/x.jpg": ["cache/a/x.jpg", "cache/a/x@1.5x.jpg", "cache/a/x@2x.jpg"],
        "cache/a/x.png": ["cache/a/x.png", "cache/a/x@2x.png"],
        "cache/a/x1.jpg": ["cache/a/x1.jpg", "cache/a/x1@2x.jpg"],
        "cache/b/lonely.jpg": ["cache/b/lonely@2x.jpg"],
    }
    (x, *_) = [one for one in thumbnails_of(StoredObject(n) for n in NAMES) if one.name == "cache/a/x.jpg"]
    assert list(x.objects) == [None, "1.5", "2"]
    lonely = [one for one in thumbnails_of(StoredObject(n) for n in NAMES) if None not in one.objects]
    assert [one.name for one in lonely] == ["cache/b/lonely.jpg"]


def test_little_is_held() -> None:
    """Names of one length, as sorl's and ours are, behind a marker of their folder; then of any length."""
    held, most = 0, 0

    def listed(names: Iterable[str]) -> Iterator[StoredObject]:
        nonlocal held, most
        for name in names:
            held += 1
            most = max(most, held)
            yield StoredObject(name)

    for names, bound in (
        ([f"cache/{number:05}.jpg" for number in range(9000)], 2),
        (["cache/", "cache/.keep", *(f"cache/{number:05}.jpg" for number in range(9000))], 1001),
        (["cache/a.jpg", *(f"cache/a{number:05}.jpg" for number in range(9000))], 1001),
    ):
        held = most = 0
        for thumbnail in thumbnails_of(listed(names)):
            held -= len(thumbnail.objects)
        assert held == 0
        assert most == bound


def test_groups_come_in_the_order_of_their_first_objects() -> None:
    """So that behind the first object of one all others are whole."""
    firsts = [thumbnail.names[0] for thumbnail in thumbnails_of(StoredObject(n) for n in NAMES)]
    assert firsts == sorted(firsts)
    for first in firsts:
        after = [StoredObject(name) for name in NAMES if name > first]
        whole = {one.name for one in thumbnails_of(after) if None in one.objects}
        assert whole == {name for name in firsts if name > first and "@2x" not in name}


def test_a_storage_that_fails(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise PermissionError("no")

    monkeypatch.setattr(type(storages["default"]), "listdir", fail)
    with pytest.raises(StorageError, match="could not list cache/"):
        list(get_former_storage().walk("cache/"))

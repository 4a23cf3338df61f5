"""sorl's own key-value store, read in bulk: what a site knew about its images before it swapped backends.

sorl-thumbnail||image||<key>    {"name": "cache/ab/cd/a.jpg", "storage": "default", "size": [300, 200]}
sorl-thumbnail||thumbnails||<key>    ["<key>", ...]       a source's key -> those of its thumbnails
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sorl.thumbnail import default
from sorl.thumbnail.images import ImageFile
from sorl.thumbnail.kvstores.base import add_prefix, del_prefix

from shrinkmeister.conf import SettingError

Size = tuple[int, int]
BATCH = 500


@dataclass(frozen=True)
class FormerSource:
    """key: sorl's own, which tells the storage better than what stands in the entry of an older sorl."""

    key: str
    name: str
    size: Size


class FormerStore(ABC):
    """sorl's key-value store. Methods raise what its database or its Redis raises."""

    def sizes(self, images: Sequence[ImageFile]) -> list[Size | None]:
        """(width, height) of each image; None for those that the store does not know."""
        keys = [add_prefix(image.key) for image in images]
        found = self._values(keys)
        return [_size(found.get(key)) for key in keys]

    def sources(self, after: str = "") -> Iterator[tuple[list[FormerSource], str]]:
        """The sources that have thumbnails, some hundreds at a time, each time with a bookmark.

        after: a bookmark to go on behind; of no use in a store that has no order
        """
        keys = self._keys(add_prefix("", "thumbnails"), after)
        while batch := list(islice(keys, BATCH)):
            found = self._values([add_prefix(del_prefix(key)) for key in batch])
            yield (
                [
                    FormerSource(del_prefix(key), name, size)
                    for key, value in found.items()
                    if (size := _size(value)) and (name := _name(value))
                ],
                batch[-1],
            )

    @abstractmethod
    def count(self) -> int | None:
        """How many images there are; None where counting them would be reading them all."""

    @abstractmethod
    def forget(self, images: Iterable[ImageFile]) -> None:
        """Removes the entries of thumbnails."""

    @abstractmethod
    def _values(self, keys: list[str]) -> dict[str, str | bytes]: ...

    @abstractmethod
    def _keys(self, prefix: str, after: str) -> Iterator[str]: ...


class _Table(FormerStore):
    """The table of sorl's cached_db store. Its cache is passed by: it would be filled with all of it."""

    def count(self) -> int:
        return int(self._rows(add_prefix("")).count())

    def forget(self, images: Iterable[ImageFile]) -> None:
        default.kvstore._delete_raw(*(add_prefix(image.key) for image in images))

    def _values(self, keys: list[str]) -> dict[str, str | bytes]:
        from sorl.thumbnail.models import KVStore

        return dict(KVStore.objects.filter(key__in=keys).values_list("key", "value"))

    def _keys(self, prefix: str, after: str) -> Iterator[str]:
        # By pages of keys, since not every database sends a long answer piece by piece.
        rows = self._rows(prefix).order_by("key").values_list("key", flat=True)
        while page := list(rows.filter(key__gt=after)[:BATCH]):
            yield from page
            after = page[-1]

    def _rows(self, prefix: str) -> Any:
        from sorl.thumbnail.models import KVStore

        return KVStore.objects.filter(key__startswith=prefix)


class _Redis(FormerStore):
    """sorl's Redis store."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def count(self) -> None:
        return None

    def forget(self, images: Iterable[ImageFile]) -> None:
        if keys := [add_prefix(image.key) for image in images]:
            self._connection.delete(*keys)

    def _values(self, keys: list[str]) -> dict[str, str | bytes]:
        values = self._connection.mget(keys)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def _keys(self, prefix: str, after: str) -> Iterator[str]:
        for key in self._connection.scan_iter(f"{prefix}*", 1000):
            yield key.decode()


def get_former_store() -> FormerStore:
    """The store that THUMBNAIL_KVSTORE names. Raises SettingError for one that is not known here."""
    from sorl.thumbnail.kvstores.cached_db_kvstore import KVStore as CachedDbStore

    store = default.kvstore
    if isinstance(store, CachedDbStore):
        return _Table()
    if hasattr(store, "connection") and hasattr(store.connection, "scan_iter"):
        return _Redis(store.connection)
    raise SettingError(
        "shrinkmeister.E019",
        f"THUMBNAIL_KVSTORE is a {type(store).__name__}, which cannot be read in bulk.",
        "Only sorl's cached_db store and its Redis store can; thumbnails of others are made again.",
    )


def _size(value: str | bytes | None) -> Size | None:
    """None also for what sorl itself could not read."""
    try:
        width, height = json.loads(value or "{}")["size"]
        return (width, height) if type(width) is type(height) is int and width > 0 < height else None
    except (ValueError, TypeError, KeyError):
        return None


def _name(value: str | bytes) -> str | None:
    name = json.loads(value).get("name")
    return name if isinstance(name, str) and name else None

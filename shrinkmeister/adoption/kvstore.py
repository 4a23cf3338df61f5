"""sorl's own key-value store, read in bulk: what it knows about the site's images.

    sorl-thumbnail||image||<key>    {"name": "cache/ab/cd/a.jpg", "storage": "default", "size": [300, 200]}
    sorl-thumbnail||thumbnails||<key>    ["<key>", ...]       a source's key -> those of its thumbnails

An entry in any other form counts as missing.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sorl.thumbnail import default
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.images import ImageFile
from sorl.thumbnail.kvstores.base import add_prefix, del_prefix

from shrinkmeister.conf import SettingError

Size = tuple[int, int]
BATCH = 500
LIST = "thumbnails"


@dataclass(frozen=True)
class FormerImage:
    """An image in sorl's store.

    key: sorl's key, made of name and storage. The entry of an older sorl names only the storage's class.
    """

    key: str
    name: str
    size: Size


class FormerStore(ABC):
    """sorl's key-value store. Methods raise what its database or its Redis raises."""

    def sizes(self, images: Sequence[ImageFile]) -> list[Size | None]:
        """Return (width, height) of each thumbnail; None for a source, or if the store has no entry."""
        keys = [image.key for image in images]
        found = self.images(keys)
        lists = self._values([add_prefix(key, LIST) for key in found])
        return [
            found[key].size if key in found and add_prefix(key, LIST) not in lists else None for key in keys
        ]

    def sources(self) -> Iterator[list[str]]:
        """Yield the keys of sources that have thumbnails, some hundreds at a time."""
        keys = self._keys(add_prefix("", LIST))
        while batch := list(islice(keys, BATCH)):
            yield [del_prefix(key) for key in batch]

    def thumbnails(self, sources: Sequence[str]) -> list[FormerImage]:
        """Return the thumbnails of sources, given by their keys, without those that are sources, too."""
        lists = self._values([add_prefix(key, LIST) for key in sources]).values()
        keys = sorted({key for value in lists for key in _keys_in(value)})
        own = self._values([add_prefix(key, LIST) for key in keys])
        return [*self.images([key for key in keys if add_prefix(key, LIST) not in own]).values()]

    def forget(self, keys: Iterable[str]) -> None:
        """Delete all entries of images."""
        default.kvstore._delete_raw(*(add_prefix(key, kind) for key in keys for kind in ("image", LIST)))

    def images(self, keys: Sequence[str]) -> dict[str, FormerImage]:
        """Return the images of those keys that have an entry, by key."""
        values = self._values([add_prefix(key) for key in keys])
        found = ((key, values.get(add_prefix(key))) for key in keys)
        return {key: image for key, value in found if (image := _image(key, value))}

    @abstractmethod
    def _values(self, keys: list[str]) -> dict[str, str | bytes]: ...

    @abstractmethod
    def _keys(self, prefix: str) -> Iterator[str]: ...


class _Table(FormerStore):
    """The table of sorl's cached_db store. Reading through that store would fill its cache."""

    def _values(self, keys: list[str]) -> dict[str, str | bytes]:
        from sorl.thumbnail.models import KVStore

        found: dict[str, str | bytes] = {}
        for start in range(0, len(keys), BATCH):  # every database accepts this many
            rows = KVStore.objects.filter(key__in=keys[start : start + BATCH])
            found.update(rows.values_list("key", "value"))
        return found

    def _keys(self, prefix: str) -> Iterator[str]:
        from sorl.thumbnail.models import KVStore

        # By pages of keys, since some databases send the whole answer at once.
        rows = KVStore.objects.filter(key__startswith=prefix).order_by("key").values_list("key", flat=True)
        after = ""
        while page := list(rows.filter(key__gt=after)[:BATCH]):
            yield from page
            after = page[-1]


@dataclass
class _Redis(FormerStore):
    """sorl's Redis store."""

    connection: Any

    def _values(self, keys: list[str]) -> dict[str, str | bytes]:
        values = self.connection.mget(keys) if keys else []
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def _keys(self, prefix: str) -> Iterator[str]:
        for key in self.connection.scan_iter(f"{prefix}*", 1000):
            yield key.decode()


def get_former_store() -> FormerStore:
    """Return the store that THUMBNAIL_KVSTORE names. Raises SettingError if it cannot be read in bulk."""
    from sorl.thumbnail.kvstores.cached_db_kvstore import KVStore as CachedDbStore

    store = default.kvstore
    if isinstance(store, CachedDbStore):
        return _Table()
    if hasattr(store, "connection") and hasattr(store.connection, "scan_iter"):
        return _Redis(store.connection)
    raise SettingError(
        "shrinkmeister.E019",
        f"THUMBNAIL_KVSTORE is {sorl_settings.THUMBNAIL_KVSTORE!r}, which cannot be read in bulk.",
        "Only sorl's cached_db store and its Redis store can. Thumbnails of other stores are made again.",
    )


def _image(key: str, value: str | bytes | None) -> FormerImage | None:
    try:
        fields = json.loads(value or "{}")
        name, (width, height) = fields["name"], fields["size"]
        name.encode()  # raises for half of a surrogate pair
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    valid = name and type(width) is type(height) is int and width > 0 < height
    return FormerImage(key, name, (width, height)) if valid else None


def _keys_in(value: str | bytes) -> list[str]:
    try:
        keys = json.loads(value)
    except ValueError:
        return []
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []

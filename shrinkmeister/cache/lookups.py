"""Read the records of a thumbnail from the shared cache in one round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from shrinkmeister.cache.connection import Part
from shrinkmeister.geometry import filled_sides
from shrinkmeister.protocol.freshness import is_stale, moment
from shrinkmeister.protocol.keys import DISTRUST_BEFORE_KEY, adopted_key, record_key, source_key
from shrinkmeister.protocol.records import SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.spec import CACHE_SIZE, Source, ThumbnailSpec


class Reader(Protocol):
    def get(self, keys: Sequence[str], /) -> Mapping[str, bytes]:
        """Return the values of the keys that exist, from the cache or from what a page has read."""


@dataclass(frozen=True)
class LookupKeys:
    """The keys of the records in a Lookup. A key is None if the look-up does not need its record."""

    thumbnail: str
    source: str | None
    adopted: str | None

    @cached_property
    def all(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.thumbnail, DISTRUST_BEFORE_KEY, self.source, self.adopted)))


@lru_cache(maxsize=CACHE_SIZE)
def keys_of(spec: ThumbnailSpec, adopted: Source | None = None) -> LookupKeys:
    return LookupKeys(
        record_key(spec),
        None if all(filled_sides(spec)) else source_key(spec.source),
        adopted_key(adopted) if adopted else None,
    )


@dataclass(frozen=True)
class Lookup:
    """The records of a thumbnail.

    source   the record of the source, if the thumbnail's size depends on it
    adopted  the record of the thumbnail that sorl's own backend has made
    stale    whether the server has to check that the thumbnail still exists
    """

    thumbnail: ThumbnailRecord | None = None
    source: SourceRecord | None = None
    adopted: ThumbnailRecord | None = None
    stale: bool = False


class Lookups(Part):
    """Looks up records. Never raises DriverError, because a cache that is down counts as a miss."""

    def look_up(
        self, spec: ThumbnailSpec, adopted: Source | None = None, reader: Reader | None = None
    ) -> Lookup:
        """Return the records of a thumbnail.

        adopted  where sorl's own backend would have stored the thumbnail
        reader   the page's reader; without a page, the cache itself
        """
        keys = keys_of(spec, adopted)
        found = (reader or self.connection).get(keys.all)
        source = self.codec.decode(SourceRecord, keys.source, found)
        if source and source.version != spec.options.get("version"):
            source = None
        record = self.codec.decode(ThumbnailRecord, keys.thumbnail, found)
        distrust_before = moment(found.get(DISTRUST_BEFORE_KEY, b"0"))
        stale = record is not None and is_stale(
            keys.thumbnail, record, distrust_before, self.check_ttl, self.now()
        )
        adopted_record = self.codec.decode(ThumbnailRecord, keys.adopted, found)
        if self.connection.metrics:
            self.connection.metrics.looked_up(bool(record or adopted_record), stale)
        return Lookup(record, source, adopted_record, stale)

    def image_size(self, image: Source, reader: Reader | None = None) -> tuple[int, int] | None:
        """Return the displayed (width, height) of a source or adopted image, or None if it is unknown."""
        keys = (source_key(image), adopted_key(image))
        found = (reader or self.connection).get(keys)
        if source := self.codec.decode(SourceRecord, keys[0], found):
            size = (source.width, source.height)
            return size[::-1] if source.flipped else size
        adopted = self.codec.decode(ThumbnailRecord, keys[1], found)
        return (adopted.width, adopted.height) if adopted else None

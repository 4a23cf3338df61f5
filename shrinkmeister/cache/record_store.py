"""Writing, listing and deleting records."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from shrinkmeister.cache.connection import Part
from shrinkmeister.protocol.keys import (
    RECORD_KEY,
    adopted_key,
    record_key,
    record_key_of_object,
    source_key,
)
from shrinkmeister.protocol.records import SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.spec import Source, ThumbnailSpec


class RecordStore(Part):
    """All methods but `save` raise DriverError, since their effect must not be lost."""

    def save(
        self,
        spec: ThumbnailSpec,
        record: ThumbnailRecord,
        source: SourceRecord | None,
        max_seconds: float | None = None,
    ) -> None:
        """Record a thumbnail. Call only after it has been stored.

        max_seconds: a shorter life than `ttl`
        """
        values = self.codec.encode({record_key(spec): replace(record, verified_at=int(self.now()))})
        if source:
            values |= self.codec.encode({source_key(spec.source): source})
        seconds = self.ttl if max_seconds is None else min(self.ttl, int(max_seconds))
        self.connection.try_write(lambda: self.connection.set_many(values, seconds), None)

    def adopt(self, images: Mapping[Source, ThumbnailRecord], ttl: int) -> None:
        """Record what sorl knew about images, by the place of each, for `ttl` seconds."""
        records = {adopted_key(place): record for place, record in images.items()}
        self.connection.set_many(self.codec.encode(records), ttl)

    def forget(self, source: Source, object_names: Iterable[str]) -> None:
        """Delete the records of a source and of its thumbnails with these object names.

        A record that stayed would give pages the URL of a deleted thumbnail.
        """
        keys = {record_key_of_object(name) for name in object_names}
        self.delete(sorted(keys | {source_key(source), adopted_key(source)}))

    def forget_adopted(self, places: Iterable[Source]) -> None:
        self.delete([adopted_key(place) for place in places])

    def delete(self, keys: Iterable[str]) -> None:
        self.connection.delete_many(list(keys))

    def keys(self) -> Iterator[str] | None:
        """Return the keys of all records; None if the cache cannot list its keys."""
        keys = self.connection.keys()
        return None if keys is None else (key for key in keys if RECORD_KEY.fullmatch(key))

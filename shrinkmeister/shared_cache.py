"""The shared cache as client and server see it: records under keys, and a cache that is down is a miss."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from shrinkmeister.conf import get_config, per_configuration
from shrinkmeister.drivers import make_driver
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError, RecordError
from shrinkmeister.keys import lock_key, record_key, record_key_of_object, source_key
from shrinkmeister.records import SourceRecord, ThumbnailRecord
from shrinkmeister.spec import Source, ThumbnailSpec

logger = logging.getLogger(__name__)

# Seconds in which a cache that failed is not asked again, so that a page of 100 thumbnails waits for a
# dead one once.
BREAK = 5.0

T = TypeVar("T")
R = TypeVar("R", ThumbnailRecord, SourceRecord)


class SharedCache:
    """Reading and writing never raise DriverError; forgetting does, since it must not be lost.

    prefix  stands before each key
    ttl     seconds that a record lives
    """

    def __init__(
        self,
        driver: Driver,
        prefix: str,
        ttl: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._prefix = prefix
        self._ttl = ttl
        self._clock = clock
        self._broken_until = float("-inf")

    def look_up(self, spec: ThumbnailSpec) -> tuple[ThumbnailRecord | None, SourceRecord | None]:
        """What is known about a thumbnail and about its source, in one round trip."""
        thumbnail_name = self._prefix + record_key(spec)
        source_name = self._prefix + source_key(spec.source)
        nothing: dict[str, bytes] = {}
        found = self._try(lambda: self._driver.get_many([thumbnail_name, source_name]), nothing)
        thumbnail = _load(ThumbnailRecord, thumbnail_name, found.get(thumbnail_name))
        source = _load(SourceRecord, source_name, found.get(source_name))
        if source and source.version != spec.options.get("version"):
            source = None
        return thumbnail, source

    def record(self, spec: ThumbnailSpec, record: ThumbnailRecord, source: SourceRecord | None) -> None:
        """To be called when the thumbnail is safely stored, not before."""
        if source:
            source_name = self._prefix + source_key(spec.source)
            self._try(lambda: self._driver.set(source_name, source.dump(), self._ttl), None)
        thumbnail_name = self._prefix + record_key(spec)
        self._try(lambda: self._driver.set(thumbnail_name, record.dump(), self._ttl), None)

    def lock(self, spec: ThumbnailSpec, seconds: int) -> bool:
        """Whether the caller is to make this thumbnail. A cache that is down lets everybody."""
        name = self._prefix + lock_key(spec)
        return self._try(lambda: self._driver.add(name, b"1", seconds), True)

    def unlock(self, spec: ThumbnailSpec) -> None:
        self._try(lambda: self._driver.delete_many([self._prefix + lock_key(spec)]), None)

    def forget(self, source: Source, object_names: Iterable[str]) -> None:
        """Removes the records of a source and of the thumbnails with these object names.

        Raises DriverError: a record that stayed would give pages the URL of what is gone.
        """
        keys = {record_key_of_object(name) for name in object_names} | {source_key(source)}
        self._driver.delete_many(self._prefix + key for key in sorted(keys))

    def check(self) -> None:
        """Writes and reads once. Raises DriverError where the cache does not answer rightly."""
        name = f"{self._prefix}health"
        self._driver.set(name, b"1", 60)
        if self._driver.get(name) != b"1":
            raise DriverError("the cache took a value and did not give it back")

    def _try(self, call: Callable[[], T], otherwise: T) -> T:
        if self._clock() < self._broken_until:
            return otherwise
        try:
            return call()
        except DriverError as error:
            self._broken_until = self._clock() + BREAK
            logger.warning("The shared cache is not used for %g s: %s", BREAK, error)
            return otherwise


def _load(kind: type[R], key: str, data: bytes | None) -> R | None:
    if data is None:
        return None
    try:
        return kind.load(data)
    except RecordError as error:
        logger.warning("The shared cache holds %s under %s; it counts as a miss", error, key)
        return None


@per_configuration
def get_shared_cache() -> SharedCache:
    """The shared cache of this process. Raises SettingError."""
    config = get_config()
    return SharedCache(make_driver(config.cache), config.cache.key_prefix, config.ttl)

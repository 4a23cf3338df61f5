"""The shared cache as client and server see it: records under keys, and a cache that is down is a miss."""

import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeVar

from shrinkmeister.cache.breaker import BREAKER_SECONDS, Breaker
from shrinkmeister.cache.metrics import CacheMetrics, Operation, get_cache_metrics
from shrinkmeister.cache.throttle import Throttle
from shrinkmeister.conf import get_config, reset_on_setting_change
from shrinkmeister.drivers import make_driver
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError, RecordError
from shrinkmeister.geometry import filled_size
from shrinkmeister.page import RequestCache
from shrinkmeister.protocol.keys import (
    DIGEST,
    adopted_key,
    change_key,
    failure_key,
    lock_key,
    record_key,
    record_key_of_object,
    source_key,
)
from shrinkmeister.protocol.records import ChangeRecord, FailureRecord, SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.signing import Seals
from shrinkmeister.protocol.spec import CACHE_SIZE, Source, ThumbnailSpec
from shrinkmeister.secret import Secret
from shrinkmeister.ttl_cache import TTLCache

logger = logging.getLogger(__name__)

# Seconds between two log lines about slowness, and between two about garbage.
LOG_INTERVAL = 60.0
# In which a command that was stopped can be taken up again.
BOOKMARK_SECONDS = 7 * 24 * 3600
# In which the other side reads what was written for it.
NOTE_SECONDS = 60
# The Unix time from which there is a record of all that is stored; for as long as the cache lives.
COMPLETE_KEY = "complete"
COMPLETE_SECONDS = 10 * 365 * 24 * 3600
# The Unix time before which records are not to be believed: a thumbnail that one of them names is lost.
DOUBT_KEY = "doubt"
# For which it is remembered that a source has changed; no failure is remembered for longer.
CHANGE_SECONDS = 3600
# Records that a process keeps with THUMBNAIL_LOCAL_TTL: some 5 MB.
MOST_LOCAL = 10_000

FAILED: dict[Operation, str] = {
    "read": "The shared cache is not used for %g s: %s",
    "write": "The shared cache is not written to for %g s: %s",
}

T = TypeVar("T")
R = TypeVar("R", ThumbnailRecord, SourceRecord, FailureRecord, ChangeRecord)


# The keys that are of records: of thumbnails, of sources, and adopted ones.
RECORD = re.compile(rf"(t1|s1|a1):{DIGEST}", re.ASCII)


@dataclass(frozen=True)
class Keys:
    """What a look-up asks for: the keys of the fields of Known."""

    thumbnail: str
    source: str | None
    adopted: str | None

    @cached_property
    def all(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.thumbnail, DOUBT_KEY, self.source, self.adopted)))


@dataclass(frozen=True)
class Lookup:
    """What the shared cache holds about a thumbnail.

    thumbnail  its record
    source     the size of its source, if the size of the thumbnail depends on it
    adopted    what was adopted of sorl's thumbnail in its place
    due        whether it is time to look whether the thumbnail is still stored, which the server does
    """

    thumbnail: ThumbnailRecord | None = None
    source: SourceRecord | None = None
    adopted: ThumbnailRecord | None = None
    due: bool = False


@dataclass(frozen=True)
class MakerState:
    """What the shared cache tells whoever makes thumbnails.

    record    of the thumbnail
    due       whether it is time to look whether it is still stored
    doubted   whether that is so because another one, recorded later, has been lost
    garbage   whether something else than a record lay in its place
    complete  whether what has no record is stored nowhere. That is certain of no cache that has been lost:
              then the bucket has to be asked, until records have come back or would have ended anyway. None
              says that it is time to `begin`
    failure   why it could not be made a short while ago, before which its source has not changed; or None
    change    the mark of its source's last change, "" for none; None where the cache does not answer
    """

    record: ThumbnailRecord | None = None
    due: bool = False
    doubted: bool = False
    garbage: bool = False
    complete: bool | None = None
    failure: str | None = None
    change: str | None = ""


class SharedCache:
    """Looking up and recording never raise DriverError: a cache that is down is a miss.

    All other methods do raise it: what they do must not be lost.

    seals      what shows that a record was written by one of us
    prefix     stands before each key
    ttl        seconds that a record lives
    check_ttl  seconds for which a recorded thumbnail is believed to be stored
    patience   seconds that a page waits for slow answers, in all
    local      what this process keeps of what pages have found; None for nothing
    metrics    counts look-ups and failures; None for nothing
    """

    def __init__(
        self,
        driver: Driver,
        seals: Seals,
        prefix: str,
        ttl: int,
        check_ttl: int,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        patience: float = math.inf,
        local: TTLCache[bytes] | None = None,
        metrics: CacheMetrics | None = None,
    ) -> None:
        self._driver = driver
        self._seals = seals
        self._prefix = prefix
        self._ttl = ttl
        self._check_ttl = check_ttl
        self._clock = clock
        self._now = now
        self._patience = patience
        self._local = local
        self._metrics = metrics
        # One for each warning: slowness must not silence garbage.
        self._slow_log = Throttle(LOG_INTERVAL, clock)
        self._garbage_log = Throttle(LOG_INTERVAL, clock)
        # One for each direction: a cache that is full, or a replica, refuses writes and can be read.
        self._reads, self._writes = Breaker(self._time), Breaker(self._time)

    def look_up(
        self, spec: ThumbnailSpec, adopted: Source | None = None, page: RequestCache | None = None
    ) -> Lookup:
        """What is known about a thumbnail, in one round trip.

        adopted: where sorl's thumbnail in its place would lie
        page: what has been found for a page already
        """
        keys = keys_of(spec, adopted)
        found = self._get(keys.all, page)
        source = self._load(SourceRecord, keys.source, found)
        if source and source.version != spec.options.get("version"):
            source = None
        record = self._load(ThumbnailRecord, keys.thumbnail, found)
        known = Lookup(
            record,
            source,
            self._load(ThumbnailRecord, keys.adopted, found),
            record is not None and self._is_due(keys.thumbnail, record, found),
        )
        if self._metrics:
            self._metrics.looked_up(bool(known.thumbnail or known.adopted), known.due)
        return known

    def look_up_stored(self, spec: ThumbnailSpec, first: bool = False) -> MakerState:
        """For whoever makes thumbnails; in one round trip.

        first: whether it is asked for the first time by a request; the others are not counted
        """
        return self.look_up_all_stored([spec], first)[0]

    def look_up_all_stored(self, specs: Sequence[ThumbnailSpec], first: bool = False) -> list[MakerState]:
        """As `look_up_stored`, of several; in one round trip."""
        keys = [
            key for spec in specs for key in (record_key(spec), failure_key(spec), change_key(spec.source))
        ]
        found = self._fetch_or_none([*dict.fromkeys([*keys, COMPLETE_KEY, DOUBT_KEY])])
        return [self._told(spec, found, first) for spec in specs]

    def _told(self, spec: ThumbnailSpec, found: Mapping[str, bytes] | None, first: bool) -> MakerState:
        if found is None:
            return MakerState(change=None)
        key, failed, changed = record_key(spec), failure_key(spec), change_key(spec.source)
        record = self._load(ThumbnailRecord, key, found)
        failure = self._load(FailureRecord, failed, found)
        last = self._load(ChangeRecord, changed, found)
        # A mark is signed: a writer of the cache could otherwise have servers start again for ever.
        change = last.mark if last and self._counts(last.end) else ""
        if failure and not (failure.change == change and self._counts(failure.end)):
            failure = None
        due = record is not None and self._is_due(key, record, found)
        if first and self._metrics:
            self._metrics.looked_up(record is not None, due)
        return MakerState(
            record,
            due,
            record is not None and self._is_doubted(record, found),
            record is None and key in found,
            _moment(found[COMPLETE_KEY]) <= self._now() if COMPLETE_KEY in found else None,
            failure.kind if failure else None,
            change,
        )

    def begin(self, is_empty: Callable[[], bool]) -> bool:
        """Says from when on the cache has a record of all that is stored, unless it says so already.

        Returns whether that is now.

        is_empty: tells whether nothing is stored yet; asked once in the life of a cache
        """
        name, now = self._prefix + COMPLETE_KEY, int(self._now())
        later = b"%d" % (now + self._ttl)
        if not (self._write(lambda: self._driver.add(name, later, COMPLETE_SECONDS), False) and is_empty()):
            return False
        self._write(lambda: self._driver.set(name, b"%d" % now, COMPLETE_SECONDS), None)
        return True

    def look_up_image(self, image: Source, page: RequestCache | None = None) -> tuple[int, int] | None:
        """(width, height) of a source as it is shown, or of an adopted image; None if it is not known."""
        keys = (source_key(image), adopted_key(image))
        found = self._get(keys, page)
        if source := self._load(SourceRecord, keys[0], found):
            size = (source.width, source.height)
            return size[::-1] if source.flipped else size
        adopted = self._load(ThumbnailRecord, keys[1], found)
        return (adopted.width, adopted.height) if adopted else None

    def record(
        self,
        spec: ThumbnailSpec,
        record: ThumbnailRecord,
        source: SourceRecord | None,
        most: float | None = None,
    ) -> None:
        """To be called when the thumbnail is safely stored, not before.

        most: seconds that the record may live at most, if less than others
        """
        record = replace(record, checked=int(self._now()))
        values = self._sealed({record_key(spec): record})
        if source:
            values |= self._sealed({source_key(spec.source): source})
        seconds = self._ttl if most is None else min(self._ttl, int(most))
        self._write(lambda: self._driver.set_many(values, seconds), None)
        self._drop(values)

    def doubt(self) -> None:
        """Has what was recorded up to now looked at before pages use it again.

        To be called when a recorded thumbnail turns out to be stored no more: others may be lost with it.
        """
        value = b"%d" % int(self._now())
        self._driver.set(self._prefix + DOUBT_KEY, value, self._check_ttl)

    def fail(self, spec: ThumbnailSpec, kind: str, change: str, seconds: int) -> None:
        """Remembers why a thumbnail cannot be made, until its source changes or so many seconds are over.

        kind, change: of FailureRecord; change as `look_up_stored` told it before the source was read
        """
        seconds = min(seconds, CHANGE_SECONDS)
        failure = FailureRecord(kind, change, int(self._now()) + seconds)
        values = self._sealed({failure_key(spec): failure})
        self._write(lambda: self._driver.set_many(values, seconds), None)

    def notice_change(self, source: Source) -> None:
        """As `mark_change`, for whoever has to go on where the cache is down."""
        self._write(lambda: self.mark_change(source), None)

    def mark_change(self, source: Source) -> None:
        """To be called when a source has been written or deleted, before its thumbnails are.

        Failures of before mean nothing any more, and whoever is making a thumbnail starts again.
        """
        change = ChangeRecord(secrets.token_urlsafe(9), int(self._now()) + CHANGE_SECONDS)
        for name, value in self._sealed({change_key(source): change}).items():
            self._driver.set(name, value, CHANGE_SECONDS)

    def lock(self, spec: ThumbnailSpec, seconds: int) -> bool | None:
        """Whether the caller is to make this thumbnail.

        None where the cache is down or takes nothing: then everybody has to.
        """
        name, mark = self._prefix + lock_key(spec), secrets.token_bytes(9)

        def add() -> bool:
            # A driver whose connection breaks tries again, and may find the lock that it has set itself.
            return self._driver.add(name, mark, seconds) or self._driver.get(name) == mark

        return self._write(add, None)

    def unlock(self, spec: ThumbnailSpec) -> None:
        # Also after a write was refused: a full cache deletes, and a lock that stays makes servers wait.
        # That it has deleted does not show that it takes values again.
        if not self._reads.is_open:
            try:
                self._driver.delete_many([self._prefix + lock_key(spec)])
            except DriverError as error:
                self._failed("write", error)

    def forget(self, source: Source, object_names: Iterable[str]) -> None:
        """Removes the records of a source and of the thumbnails with these object names.

        Raises DriverError: a record that stayed would give pages the URL of what is gone.
        """
        keys = {record_key_of_object(name) for name in object_names}
        self.remove(sorted(keys | {source_key(source), adopted_key(source)}))

    def adopt(self, images: Mapping[Source, ThumbnailRecord], ttl: int) -> None:
        """Records what sorl knew about images, by where they lie; for `ttl` seconds."""
        records = self._sealed({adopted_key(place): record for place, record in images.items()})
        self._driver.set_many(records, ttl)
        self._drop(records)

    def forget_adopted(self, places: Iterable[Source]) -> None:
        self.remove([adopted_key(place) for place in places])

    def records(self) -> Iterator[str] | None:
        """The keys of all records, without the prefix; None where the cache cannot list its keys."""
        keys = self._driver.keys(self._prefix)
        if keys is None:
            return None
        bare = (key.removeprefix(self._prefix) for key in keys)
        return (key for key in bare if RECORD.fullmatch(key))

    def remove(self, keys: Iterable[str]) -> None:
        """Removes records by their keys."""
        names = [self._prefix + key for key in keys]
        try:
            self._driver.delete_many(names)
        finally:
            self._drop(names)

    def bookmark(self, name: str) -> str | None:
        """Where a long command has got to."""
        found = self._driver.get(f"{self._prefix}bookmark:{name}")
        return None if found is None else found.decode(errors="replace")

    def set_bookmark(self, name: str, text: str | None) -> None:
        key = f"{self._prefix}bookmark:{name}"
        if text is None:
            self._driver.delete_many([key])
        else:
            self._driver.set(key, text.encode(), BOOKMARK_SECONDS)

    def note(self, name: str) -> str | None:
        """What `leave_note` has left here less than a minute ago, on this side or on the other."""
        found = self._driver.get(f"{self._prefix}note:{name}")
        return None if found is None else found.decode(errors="replace")

    def leave_note(self, name: str, text: str) -> None:
        self._driver.set(f"{self._prefix}note:{name}", text.encode(), NOTE_SECONDS)

    def check(self) -> None:
        """Writes, and reads several keys at once, as look-ups do: what is a cluster cannot.

        Raises DriverError where the cache does not answer rightly.
        """
        name, *others = (self._prefix + key for key in ("health", COMPLETE_KEY, DOUBT_KEY))
        self._driver.set(name, b"1", 60)
        if self._driver.get_many([name, *others]).get(name) != b"1":
            raise DriverError("the cache took a value and did not give it back")

    def _get(self, keys: tuple[str, ...], page: RequestCache | None) -> dict[str, bytes]:
        """By keys without the prefix."""
        if page is None:
            return self._fetch_or_keep(keys)
        if self._reads.is_open or not page.is_tired(self._patience):
            return page.get(keys, self._fetch_or_keep)
        if self._slow_log.passes():
            logger.warning("The shared cache is slow: pages wait %g s for it and go on", self._patience)
        return page.get(keys, lambda wanted: {})

    def _fetch_or_keep(self, keys: Sequence[str]) -> dict[str, bytes]:
        local = self._local
        if local is None:
            return self._fetch(keys)
        kept = {key: value for key in keys if (value := local.get(self._prefix + key)) is not None}
        if wanted := [key for key in keys if key not in kept]:
            drops = local.drops
            # Not what was missed: somebody may be making it.
            found = self._fetch(wanted)
            if DOUBT_KEY in wanted:
                found.setdefault(DOUBT_KEY, b"0")  # that there is none, each look-up would ask
            for key, value in found.items():
                local.set(self._prefix + key, value, drops)
            kept |= found
        return kept

    def _drop(self, names: Iterable[str]) -> None:
        if self._local:
            self._local.drop(names)

    def _fetch(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._fetch_or_none(keys) or {}

    def _fetch_or_none(self, keys: Sequence[str]) -> dict[str, bytes] | None:
        """None where the cache does not answer."""
        names = [self._prefix + key for key in keys]
        nothing: dict[str, bytes] | None = None
        found = self._read(lambda: self._driver.get_many(names), nothing)
        if found is None:
            return None
        return {key: found[name] for key, name in zip(keys, names, strict=True) if name in found}

    def _is_due(self, key: str, record: ThumbnailRecord, found: Mapping[str, bytes]) -> bool:
        # Each after its own time, from half of it on: those of a page would all be due at once.
        share = 0.5 + int(key[3:5], 36) / (2 * 36**2)
        overdue = self._now() - record.checked >= self._check_ttl * share
        return overdue or self._is_doubted(record, found)

    def _is_doubted(self, record: ThumbnailRecord, found: Mapping[str, bytes]) -> bool:
        return record.checked < _moment(found.get(DOUBT_KEY, b"0")) <= self._now()

    def _counts(self, end: int) -> bool:
        """Whether something whose end is given is neither over nor of a clock that is far ahead."""
        return 0 <= end - self._now() <= CHANGE_SECONDS

    def _sealed(self, records: Mapping[str, R]) -> dict[str, bytes]:
        """By keys with the prefix."""
        return {self._prefix + key: self._seals.seal(key, one.dump()) for key, one in records.items()}

    def _load(self, kind: type[R], key: str | None, found: Mapping[str, bytes]) -> R | None:
        if key is None or key not in found:
            return None
        try:
            return kind.load(self._seals.open(key, found[key]))
        except RecordError as error:
            # After a change of secrets all records may be such.
            if self._garbage_log.passes():
                logger.warning("The shared cache holds %s under %s; it counts as a miss", error, key)
            return None

    def _time(self) -> float:
        return self._clock()

    def _read(self, call: Callable[[], T], otherwise: T) -> T:
        return otherwise if self._reads.is_open else self._try("read", call, otherwise)

    def _write(self, call: Callable[[], T], otherwise: T) -> T:
        # What cannot be read is down, and would be waited for once more.
        is_open = self._reads.is_open or self._writes.is_open
        return otherwise if is_open else self._try("write", call, otherwise)

    def _try(self, operation: Operation, call: Callable[[], T], otherwise: T) -> T:
        try:
            answer = call()
        except DriverError as error:
            self._failed(operation, error)
            return otherwise
        breaker = self._breaker(operation)
        if breaker.has_failed:
            breaker.succeed()
            if self._metrics:
                self._metrics.answered_again(operation)
        return answer

    def _failed(self, operation: Operation, error: DriverError) -> None:
        self._breaker(operation).fail()
        if self._metrics:
            self._metrics.failed(operation)
        logger.warning(FAILED[operation], BREAKER_SECONDS, error)

    def _breaker(self, operation: Operation) -> Breaker:
        return self._reads if operation == "read" else self._writes


@lru_cache(maxsize=CACHE_SIZE)
def keys_of(spec: ThumbnailSpec, adopted: Source | None = None) -> Keys:
    """What `look_up` asks for; adopted: where sorl's thumbnail would lie."""
    return Keys(
        record_key(spec),
        None if filled_size(spec) else source_key(spec.source),
        adopted_key(adopted) if adopted else None,
    )


def _moment(value: bytes) -> float:
    """A Unix time; of what is none, the end of time."""
    return int(value) if len(value) < 20 and value.isdigit() else math.inf


@reset_on_setting_change
def get_shared_cache() -> SharedCache:
    """The shared cache of this process. Raises SettingError."""
    config = get_config()
    local = TTLCache[bytes](config.local_ttl, MOST_LOCAL) if config.local_ttl else None
    return SharedCache(
        make_driver(config.cache),
        Seals(map(Secret.reveal, config.secrets)),
        config.cache.key_prefix,
        config.ttl,
        config.check_ttl,
        patience=config.cache.timeout,
        local=local,
        metrics=get_cache_metrics() if config.metrics else None,
    )

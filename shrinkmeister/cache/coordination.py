"""What a server asks the shared cache before it makes a thumbnail: locks, failures, changes of sources."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shrinkmeister.cache.connection import Part
from shrinkmeister.protocol.freshness import is_distrusted, is_stale, moment
from shrinkmeister.protocol.keys import (
    COMPLETE_SINCE_KEY,
    DISTRUST_BEFORE_KEY,
    change_key,
    failure_key,
    lock_key,
    record_key,
)
from shrinkmeister.protocol.records import ChangeRecord, FailureRecord, ThumbnailRecord
from shrinkmeister.protocol.spec import Source, ThumbnailSpec

COMPLETE_SINCE_SECONDS = 10 * 365 * 24 * 3600
# How long a change of a source is remembered, and at most a failure.
CHANGE_SECONDS = 3600


@dataclass(frozen=True)
class MakerState:
    """Cache state a server needs before it makes a thumbnail.

    record      of the thumbnail
    stale       whether the server has to check that the thumbnail still exists
    distrusted  whether it is stale because a thumbnail that was recorded later has been lost
    garbage     whether the key held something that is not a valid record
    complete    whether a thumbnail without a record is not stored. False after the cache was lost: until
                its records would have ended, the server has to look in the bucket. None if the cache does
                not know, and the server has to call `initialize`
    failure     why making it failed a short while ago, after the last change of its source; or None
    change      the mark of its source's last change, "" for none; None if the cache does not answer
    """

    record: ThumbnailRecord | None = None
    stale: bool = False
    distrusted: bool = False
    garbage: bool = False
    complete: bool | None = None
    failure: str | None = None
    change: str | None = ""


class Coordination(Part):
    """Never raises DriverError, except where a method says so."""

    def look_up(self, spec: ThumbnailSpec, first: bool = False) -> MakerState:
        return self.look_up_all([spec], first)[0]

    def look_up_all(self, specs: Sequence[ThumbnailSpec], first: bool = False) -> list[MakerState]:
        """Return the state of each thumbnail, in one round trip.

        first: whether it is the first look-up of a request; metrics count only that
        """
        keys = [
            key for spec in specs for key in (record_key(spec), failure_key(spec), change_key(spec.source))
        ]
        found = self.connection.fetch([*dict.fromkeys([*keys, COMPLETE_SINCE_KEY, DISTRUST_BEFORE_KEY])])
        if found is None:
            return [MakerState(change=None) for _ in specs]
        return [self._state(spec, found, first) for spec in specs]

    def _state(self, spec: ThumbnailSpec, found: Mapping[str, bytes], first: bool) -> MakerState:
        key, now = record_key(spec), self.now()
        record = self.codec.decode(ThumbnailRecord, key, found)
        failure = self.codec.decode(FailureRecord, failure_key(spec), found)
        # Changes are signed: a writer of the cache could otherwise make servers start over without end.
        last = self.codec.decode(ChangeRecord, change_key(spec.source), found)
        change = last.mark if last and _counts(last.end, now) else ""
        if failure and not (failure.change == change and _counts(failure.end, now)):
            failure = None
        distrust_before = moment(found.get(DISTRUST_BEFORE_KEY, b"0"))
        stale = record is not None and is_stale(key, record, distrust_before, self.check_ttl, now)
        if first and self.connection.metrics:
            self.connection.metrics.looked_up(record is not None, stale)
        return MakerState(
            record,
            stale,
            record is not None and is_distrusted(record, distrust_before, now),
            record is None and key in found,
            moment(found[COMPLETE_SINCE_KEY]) <= now if COMPLETE_SINCE_KEY in found else None,
            failure.kind if failure else None,
            change,
        )

    def initialize(self, is_empty: Callable[[], bool]) -> bool:
        """Set from when on the cache has a record of every stored thumbnail, unless it is set.

        Returns whether that is now.

        is_empty: returns whether no thumbnail is stored; called once in the life of a cache
        """
        cache, now = self.connection, int(self.now())
        later = COMPLETE_SINCE_KEY, b"%d" % (now + self.ttl), COMPLETE_SINCE_SECONDS
        if not (cache.try_write(lambda: cache.add(*later), False) and is_empty()):
            return False
        at_once = COMPLETE_SINCE_KEY, b"%d" % now, COMPLETE_SINCE_SECONDS
        cache.try_write(lambda: cache.set(*at_once), None)
        return True

    def distrust(self) -> None:
        """Make pages re-check every record written before now.

        Call it when a recorded thumbnail turns out to be lost, since others may be lost with it. Raises
        DriverError.
        """
        self.connection.set(DISTRUST_BEFORE_KEY, b"%d" % int(self.now()), self.check_ttl)

    def fail(self, spec: ThumbnailSpec, kind: str, change: str, seconds: int) -> None:
        """Remember why making a thumbnail failed, for some seconds or until its source changes.

        kind    that of a FailureRecord
        change  that of the MakerState before the server read the source
        """
        seconds = min(seconds, CHANGE_SECONDS)
        failure = FailureRecord(kind, change, int(self.now()) + seconds)
        values = self.codec.encode({failure_key(spec): failure})
        self.connection.try_write(lambda: self.connection.set_many(values, seconds), None)

    def try_mark_change(self, source: Source) -> None:
        """As `mark_change`, for callers that go on without the cache."""
        self.connection.try_write(lambda: self.mark_change(source), None)

    def mark_change(self, source: Source) -> None:
        """Discard a source's remembered failures, and make servers that render it start over.

        Call it after the source was written or deleted, before its thumbnails are deleted. Raises
        DriverError.
        """
        change = ChangeRecord(secrets.token_urlsafe(9), int(self.now()) + CHANGE_SECONDS)
        self.connection.set_many(self.codec.encode({change_key(source): change}), CHANGE_SECONDS)

    def lock(self, spec: ThumbnailSpec, seconds: int) -> bool | None:
        """Return whether the caller is to make the thumbnail.

        None if the cache is down or refuses writes: then every caller has to make it.
        """
        key, mark = lock_key(spec), secrets.token_bytes(9)

        def add() -> bool:
            # A driver whose connection breaks repeats the call, and may find the lock that it has set.
            return self.connection.add(key, mark, seconds) or self.connection.read(key) == mark

        return self.connection.try_write(add, None)

    def unlock(self, spec: ThumbnailSpec) -> None:
        self.connection.try_delete(lock_key(spec))


def _counts(end: int, now: float) -> bool:
    """Return whether an end is neither over nor so far ahead that its writer's clock was wrong."""
    return 0 <= end - now <= CHANGE_SECONDS

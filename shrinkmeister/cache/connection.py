"""The shared cache as bytes under keys, with breakers for a cache that fails; records as signed bytes."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shrinkmeister.cache.metrics import CacheMetrics, Operation
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError, RecordError
from shrinkmeister.protocol.keys import COMPLETE_SINCE_KEY, DISTRUST_BEFORE_KEY
from shrinkmeister.protocol.records import ChangeRecord, FailureRecord, SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.ttl_cache import TTLCache

logger = logging.getLogger(__name__)

# Log bad data or slowness at most once per this many seconds.
LOG_INTERVAL = 60.0
# How long a breaker stays open, so that a page of 100 thumbnails waits for a dead cache only once.
BREAKER_SECONDS = 5.0
FAILED: dict[Operation, str] = {
    "read": "The shared cache failed and is not read for %g s: %s",
    "write": "The shared cache failed and is not written to for %g s: %s",
}

T = TypeVar("T")
R = TypeVar("R", ThumbnailRecord, SourceRecord, FailureRecord, ChangeRecord)


@dataclass(eq=False)
class CacheConnection:
    """Reads and writes values under keys without the prefix.

    `get`, `fetch` and the methods that begin with `try_` never raise DriverError. All others do, since
    their effect must not be lost.

    prefix       starts each key in the cache
    time_budget  seconds that a page waits for slow answers in all
    local        values that pages of this process have read; None keeps none
    metrics      counts failures; None counts nothing
    """

    driver: Driver
    prefix: str
    clock: Callable[[], float] = time.monotonic
    time_budget: float = math.inf
    local: TTLCache[bytes] | None = None
    metrics: CacheMetrics | None = None

    def __post_init__(self) -> None:
        self._logged = TTLCache[bool](LOG_INTERVAL, 1, self.clock)
        # Two breakers, since a cache that is full, or a replica, refuses writes and can still be read.
        self._open_until: dict[Operation, float] = {"read": -math.inf, "write": -math.inf}

    def get(self, keys: Sequence[str], waited: float = 0) -> dict[str, bytes]:
        """Return the values of those keys that have one, from this process where it keeps them.

        waited: seconds that the page will have waited if this takes as long as its slowest look-up
        """
        if waited > self.time_budget and not self._is_open("read"):
            if not self._logged.get("slow"):
                self._logged.set("slow", True)
                logger.warning("The shared cache is slow: pages wait %g s for it at most", self.time_budget)
            return {}
        local = self.local
        if local is None:
            return self.fetch(keys) or {}
        found = {key: value for key in keys if (value := local.get(key)) is not None}
        if wanted := [key for key in keys if key not in found]:
            drops = local.drops
            # Missing values are not kept, since a server may be making the thumbnail.
            fetched = self.fetch(wanted) or {}
            if DISTRUST_BEFORE_KEY in wanted:
                fetched.setdefault(DISTRUST_BEFORE_KEY, b"0")  # otherwise each look-up would ask for it
            for key, value in fetched.items():
                local.set(key, value, drops)
            found |= fetched
        return found

    def fetch(self, keys: Sequence[str]) -> dict[str, bytes] | None:
        """Return the values of those keys that have one; None if the cache does not answer."""
        if self._is_open("read"):
            return None
        names = [self.prefix + key for key in keys]
        found = self._try("read", lambda: self.driver.get_many(names), None)
        if found is None:
            return None
        return {key: found[name] for key, name in zip(keys, names, strict=True) if name in found}

    def read(self, key: str) -> bytes | None:
        return self.driver.get(self.prefix + key)

    def add(self, key: str, value: bytes, seconds: int) -> bool:
        """Write the value if the key has none, and return whether it was written."""
        return self.driver.add(self.prefix + key, value, seconds)

    def set(self, key: str, value: bytes, seconds: int) -> None:
        self.driver.set(self.prefix + key, value, seconds)

    def set_many(self, values: Mapping[str, bytes], seconds: int) -> None:
        try:
            self.driver.set_many({self.prefix + key: value for key, value in values.items()}, seconds)
        finally:
            self._drop(values)

    def delete_many(self, keys: Sequence[str]) -> None:
        try:
            self.driver.delete_many([self.prefix + key for key in keys])
        finally:
            self._drop(keys)

    def keys(self) -> Iterator[str] | None:
        """Return all keys; None if the cache cannot list them."""
        names = self.driver.keys(self.prefix)
        return None if names is None else (name.removeprefix(self.prefix) for name in names)

    def check(self) -> None:
        """Raise DriverError unless the cache can write a value and read several keys at once.

        A cluster cannot read several, as look-ups do.
        """
        name, *others = (self.prefix + key for key in ("health", COMPLETE_SINCE_KEY, DISTRUST_BEFORE_KEY))
        self.driver.set(name, b"1", 60)
        if self.driver.get_many([name, *others]).get(name) != b"1":
            raise DriverError("the cache accepted a value and did not return it")

    def try_write(self, call: Callable[[], T], otherwise: T) -> T:
        """Return what a writing call returns; `otherwise` if it fails, or if the cache has just failed."""
        # A cache that cannot be read is down, and the call would wait for it again.
        is_open = self._is_open("read") or self._is_open("write")
        return otherwise if is_open else self._try("write", call, otherwise)

    def try_delete(self, key: str) -> None:
        """Delete a key, also after a failed write, since a full cache can still delete."""
        if not self._is_open("read"):
            try:
                self.driver.delete_many([self.prefix + key])
            except DriverError as error:
                self._failed("write", error)

    def _try(self, operation: Operation, call: Callable[[], T], otherwise: T) -> T:
        try:
            answer = call()
        except DriverError as error:
            self._failed(operation, error)
            return otherwise
        if self._open_until[operation] > -math.inf:
            self._open_until[operation] = -math.inf
            if self.metrics:
                self.metrics.answered_again(operation)
        return answer

    def _failed(self, operation: Operation, error: DriverError) -> None:
        self._open_until[operation] = self.clock() + BREAKER_SECONDS
        if self.metrics:
            self.metrics.failed(operation)
        logger.warning(FAILED[operation], BREAKER_SECONDS, error)

    def _is_open(self, operation: Operation) -> bool:
        return self.clock() < self._open_until[operation]

    def _drop(self, keys: Iterable[str]) -> None:
        if self.local:
            self.local.drop(keys)


class RecordCodec:
    def __init__(self, signer: Signer, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._logged = TTLCache[bool](LOG_INTERVAL, 1, clock)

    def encode(self, records: Mapping[str, R]) -> dict[str, bytes]:
        return {key: self._signer.sign(key, record.dump()) for key, record in records.items()}

    def decode(self, kind: type[R], key: str | None, found: Mapping[str, bytes]) -> R | None:
        """Return the record under a key; None, and a log line, if its value is not valid."""
        if key is None or key not in found:
            return None
        try:
            return kind.load(self._signer.unsign(key, found[key]))
        except RecordError as error:
            # After a change of secrets, all records may be invalid.
            if not self._logged.get("invalid"):
                self._logged.set("invalid", True)
                logger.warning("The shared cache has an invalid record under %s, a miss: %s", key, error)
            return None


@dataclass(eq=False)
class Part:
    """What the parts of the shared cache work with.

    ttl        seconds that a record lives
    check_ttl  seconds for which a record is used without a check of the object
    """

    connection: CacheConnection
    codec: RecordCodec
    ttl: int
    check_ttl: int
    now: Callable[[], float]

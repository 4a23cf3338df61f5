"""Records through the shared cache: lookups, garbage, and a cache that is down."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from shrinkmeister.cache import SharedCache
from shrinkmeister.cache.connection import BREAKER_SECONDS, LOG_INTERVAL, CacheConnection, RecordCodec
from shrinkmeister.cache.coordination import CHANGE_SECONDS, MakerState
from shrinkmeister.cache.lookups import Lookup, keys_of
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError
from shrinkmeister.page import RequestCache
from shrinkmeister.protocol.keys import DISTRUST_BEFORE_KEY, change_key, failure_key, record_key, source_key
from shrinkmeister.protocol.records import FailureRecord, SourceRecord, ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.ttl_cache import TTLCache

SPEC = ThumbnailSpec(Source("s3", "photos", "a.jpg"), "300")
RECORD = ThumbnailRecord(300, 200, "https://example.com/a.jpg")
SOURCE = SourceRecord(4000, 3000)
SIGNER = Signer(["a secret of those who write records, long enough"])
DAY = 24 * 3600


class Memory(Driver):
    """A cache that counts its calls, and breaks, or takes no more values, when a test sets that."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.timeouts: dict[str, int] = {}
        self.calls: list[str] = []
        self.broken = self.full = False

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.broken:
            raise DriverError("the server is gone")
        if self.full and name in ("set", "add"):
            raise DriverError("no memory is left")

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        self._call("get_many")
        return {key: self.values[key] for key in keys if key in self.values}

    def set(self, key: str, value: bytes, timeout: int) -> None:
        self._call("set")
        self.values[key], self.timeouts[key] = value, timeout

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        self._call("add")
        if key in self.values:
            return False
        self.values[key], self.timeouts[key] = value, timeout
        return True

    def delete_many(self, keys: Iterable[str]) -> None:
        self._call("delete_many")
        for key in keys:
            self.values.pop(key, None)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def now() -> Clock:
    clock = Clock()
    clock.now = 1_800_000_000.0
    return clock


def sealed(record: ThumbnailRecord) -> bytes:
    return SIGNER.sign(record_key(SPEC), record.dump())


def made(
    memory: Memory,
    clock: Clock | None = None,
    now: Callable[[], float] = time.time,
    signer: Signer = SIGNER,
    **given: Any,
) -> SharedCache:
    clock = clock or Clock()
    connection = CacheConnection(memory, "p:", clock, **given)
    return SharedCache(connection, RecordCodec(signer, clock), 600, 7 * DAY, now)


@pytest.fixture
def cache(memory: Memory, clock: Clock, now: Clock) -> SharedCache:
    return made(memory, clock, now)


def test_one_look_up_is_one_round_trip(cache: SharedCache, memory: Memory) -> None:
    cache.records.save(SPEC, RECORD, SOURCE)
    memory.calls.clear()
    assert cache.lookups.look_up(SPEC) == Lookup(RECORD, SOURCE)
    assert memory.calls == ["get_many"]


def test_the_source_is_looked_up_where_the_size_depends_on_it(cache: SharedCache) -> None:
    filled = replace(SPEC, geometry="300x200", options={"crop": "center"})
    for spec, asked in ((SPEC, 2), (filled, 1)):
        cache.records.save(spec, RECORD, SOURCE)
        assert len(set(keys_of(spec).all) - {DISTRUST_BEFORE_KEY}) == asked
    assert cache.lookups.look_up(SPEC).source == SOURCE
    assert cache.lookups.look_up(filled) == Lookup(RECORD)


def test_a_local_layer_asks_less_often_and_knows_what_this_process_does(
    memory: Memory, clock: Clock
) -> None:
    cache = made(memory, local=TTLCache(5, 100, clock))
    cache.records.save(SPEC, RECORD, SOURCE)
    for _ in range(3):
        assert cache.lookups.look_up(SPEC) == Lookup(RECORD, SOURCE)
    assert memory.calls.count("get_many") == 1
    clock.now += 5
    assert cache.lookups.look_up(SPEC) == Lookup(RECORD, SOURCE)
    assert memory.calls.count("get_many") == 2

    other = ThumbnailRecord(300, 225, "https://example.com/b.jpg")
    cache.records.save(SPEC, other, None)
    assert cache.lookups.look_up(SPEC).thumbnail == other
    cache.records.delete([record_key(SPEC)])
    assert cache.lookups.look_up(SPEC) == Lookup(None, SOURCE)
    place = Source("s3", "thumbs", "cache/a.jpg")
    for adopted in (RECORD, other):
        cache.records.adopt({place: adopted}, 600)
        assert cache.lookups.look_up(SPEC, place).adopted == adopted


def test_a_local_layer_keeps_no_miss_and_is_not_for_servers(memory: Memory) -> None:
    cache = made(memory, local=TTLCache(5, 100))
    assert cache.lookups.look_up(SPEC) == Lookup()
    memory.values[f"p:{record_key(SPEC)}"] = sealed(replace(RECORD, verified_at=int(time.time())))
    assert cache.lookups.look_up(SPEC) == Lookup(RECORD)
    memory.values.clear()
    assert cache.coordination.look_up(SPEC) == MakerState()


def test_a_local_layer_does_not_keep_what_is_deleted_while_it_is_fetched(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = made(memory, local=TTLCache(5, 100))
    cache.records.save(SPEC, RECORD, SOURCE)
    get_many = memory.get_many

    def slow(keys: Iterable[str]) -> dict[str, bytes]:
        found = get_many(keys)
        cache.records.delete([record_key(SPEC)])  # as another thread does
        return found

    monkeypatch.setattr(memory, "get_many", slow)
    assert cache.lookups.look_up(SPEC).thumbnail == RECORD
    monkeypatch.undo()
    assert cache.lookups.look_up(SPEC).thumbnail is None


def test_records_lie_under_the_prefix_and_end(cache: SharedCache, memory: Memory) -> None:
    cache.records.save(SPEC, RECORD, SOURCE)
    assert memory.timeouts == {f"p:{record_key(SPEC)}": 600, f"p:{source_key(SPEC.source)}": 600}


def test_a_miss(cache: SharedCache) -> None:
    assert cache.lookups.look_up(SPEC) == Lookup()


@pytest.mark.parametrize("garbage", [b"", b"\x80\x04K\x01.", b'{"v":2,"w":1,"h":1}', b"null", b"<html>"])
def test_garbage_is_a_miss_and_a_log_line(
    cache: SharedCache, memory: Memory, clock: Clock, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    memory.values[f"p:{record_key(SPEC)}"] = garbage
    for _ in range(100):
        assert cache.lookups.look_up(SPEC) == Lookup()
    assert len(caplog.records) == 1
    assert cache.coordination.look_up(SPEC) == MakerState(garbage=True)
    clock.now += LOG_INTERVAL
    cache.lookups.look_up(SPEC)
    assert len(caplog.records) == 2


def test_a_slow_cache_does_not_silence_garbage(
    memory: Memory, clock: Clock, now: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each warning comes once in a while, whatever others have come."""
    cache = made(memory, clock, now, time_budget=1)
    memory.values[f"p:{record_key(SPEC)}"] = b"<html>"

    def late(keys: Sequence[str], waited: float) -> dict[str, bytes]:
        found = cache.connection.get(keys, waited)
        clock.now += 2
        return found

    page = RequestCache(clock=clock, fetch=late)
    page.get(["slow"])
    other = replace(SPEC, geometry="301")
    for _ in range(2):
        assert cache.lookups.look_up(other, reader=page) == Lookup()
        assert cache.lookups.look_up(SPEC) == Lookup()
    slow, garbage = [record.msg for record in caplog.records]
    assert slow != garbage
    clock.now += LOG_INTERVAL
    assert cache.lookups.look_up(SPEC) == Lookup()
    clock.now += LOG_INTERVAL / 2
    assert cache.lookups.look_up(SPEC) == Lookup()
    assert [record.msg for record in caplog.records] == [slow, garbage, garbage]


def test_a_dead_cache_is_a_miss_asked_once_and_logged_once(
    cache: SharedCache, memory: Memory, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cache.records.save(SPEC, RECORD, SOURCE)
    memory.calls.clear()
    memory.broken = True
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            assert cache.lookups.look_up(SPEC) == Lookup()
    assert memory.calls == ["get_many"]
    (logged,) = caplog.records
    assert "the server is gone" in logged.getMessage()
    # It comes back by itself.
    memory.broken = False
    clock.now += BREAKER_SECONDS - 0.1
    assert cache.lookups.look_up(SPEC) == Lookup()
    clock.now += 0.2
    assert cache.lookups.look_up(SPEC) == Lookup(RECORD, SOURCE)


class TestRefusedWrites:
    """Of a cache that is full, or of a replica, which can be read."""

    @pytest.fixture
    def full(self, cache: SharedCache, memory: Memory) -> Memory:
        cache.records.save(SPEC, RECORD, SOURCE)
        assert cache.coordination.lock(SPEC, 30)
        memory.full = True
        memory.calls.clear()
        return memory

    def test_reads_go_on(self, cache: SharedCache, full: Memory, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(10):
            cache.coordination.try_mark_change(SPEC.source)
            cache.records.save(SPEC, RECORD, SOURCE)
            assert cache.coordination.lock(SPEC, 30) is None
            assert cache.lookups.look_up(SPEC) == Lookup(RECORD, SOURCE)
        assert full.calls.count("set") + full.calls.count("add") == 1
        assert full.calls.count("get_many") == 10
        assert len(caplog.records) == 1

    def test_a_lock_is_given_back(self, cache: SharedCache, full: Memory) -> None:
        """Others would wait for it."""
        cache.records.save(SPEC, RECORD, SOURCE)
        cache.coordination.unlock(SPEC)
        assert not any(key.startswith("p:l1:") for key in full.values)
        assert cache.coordination.lock(SPEC, 30) is None

    def test_they_are_tried_again(self, cache: SharedCache, full: Memory, clock: Clock) -> None:
        cache.records.save(SPEC, RECORD, SOURCE)
        full.full = False
        cache.coordination.unlock(SPEC)
        assert cache.coordination.lock(SPEC, 30) is None
        clock.now += BREAKER_SECONDS
        assert cache.coordination.lock(SPEC, 30)

    def test_what_cannot_be_read_is_not_written_to(self, cache: SharedCache, full: Memory) -> None:
        full.broken = True
        cache.lookups.look_up(SPEC)
        cache.records.save(SPEC, RECORD, SOURCE)
        cache.coordination.unlock(SPEC)
        assert full.calls == ["get_many"]


def test_a_driver_that_has_tried_again_finds_its_own_lock(cache: SharedCache, memory: Memory) -> None:
    """The first attempt has set it, and its answer was lost with the connection."""
    add = memory.add

    def twice(key: str, value: bytes, timeout: int) -> bool:
        add(key, value, timeout)
        return add(key, value, timeout)

    memory.add = twice  # type: ignore[method-assign]
    assert cache.coordination.lock(SPEC, 30)
    assert not cache.coordination.lock(SPEC, 30)


def test_a_dead_cache_lets_everybody_make_thumbnails(cache: SharedCache, memory: Memory) -> None:
    memory.broken = True
    assert cache.coordination.lock(SPEC, 30) is None
    cache.records.save(SPEC, RECORD, SOURCE)
    cache.coordination.unlock(SPEC)


def test_the_lock(cache: SharedCache, memory: Memory) -> None:
    assert cache.coordination.lock(SPEC, 30)
    assert not cache.coordination.lock(SPEC, 30)
    assert list(memory.timeouts.values()) == [30]
    cache.coordination.unlock(SPEC)
    assert cache.coordination.lock(SPEC, 30)


def test_forgetting(cache: SharedCache, memory: Memory) -> None:
    cache.records.save(SPEC, RECORD, SOURCE)
    digest = record_key(SPEC).removeprefix("t1:")
    cache.records.forget(SPEC.source, [f"cache/x/{digest}.jpg", f"cache/x/{digest}@2x.jpg"])
    assert memory.values == {}


def test_forgetting_is_not_lost_silently(cache: SharedCache, memory: Memory) -> None:
    memory.broken = True
    with pytest.raises(DriverError):
        cache.records.forget(SPEC.source, [])


class TestComplete:
    """Whether a thumbnail without a record is stored nowhere."""

    def test_a_new_cache_with_an_empty_storage_is_complete_at_once(self, cache: SharedCache) -> None:
        assert cache.coordination.look_up(SPEC) == MakerState()
        assert cache.coordination.initialize(lambda: True)
        assert cache.coordination.look_up(SPEC) == MakerState(complete=True)
        cache.records.save(SPEC, RECORD, None)
        assert cache.coordination.look_up(SPEC) == MakerState(RECORD, complete=True)

    def test_one_that_was_lost_is_complete_when_all_records_would_have_ended(
        self, cache: SharedCache, now: Clock
    ) -> None:
        cache.coordination.initialize(lambda: False)
        for seconds, complete in ((0, False), (599, False), (1, True)):
            now.now += seconds
            assert cache.coordination.look_up(SPEC).complete is complete

    def test_the_storage_is_asked_once(self, cache: SharedCache) -> None:
        assert not cache.coordination.initialize(lambda: False)
        assert not cache.coordination.initialize(lambda: pytest.fail("asked again"))

    def test_nobody_is_asked_while_the_cache_is_down(self, cache: SharedCache, memory: Memory) -> None:
        memory.broken = True
        cache.coordination.initialize(lambda: pytest.fail("asked the storage"))
        assert cache.coordination.look_up(SPEC) == MakerState(change=None)

    @pytest.mark.parametrize("garbage", [b"", b"soon", b"-1", b"9" * 5000, b"1e3"])
    def test_garbage_is_no_promise(self, cache: SharedCache, memory: Memory, garbage: bytes) -> None:
        memory.values["p:complete"] = garbage
        assert cache.coordination.look_up(SPEC).complete is False

    def test_the_mark_is_no_record(self, cache: SharedCache, memory: Memory) -> None:
        cache.coordination.initialize(lambda: True)
        assert list(memory.values) == ["p:complete"]
        assert memory.timeouts["p:complete"] > 365 * 24 * 3600


class TestForgeries:
    """Whoever can write to the shared cache, without the secret."""

    def test_what_others_write_is_garbage(self, cache: SharedCache, memory: Memory) -> None:
        theirs = ThumbnailRecord(300, 200, "https://evil.example.com/", verified_at=2_000_000_000)
        name = f"p:{record_key(SPEC)}"
        stranger = Signer(["another secret, which is as long as ours is"])
        for value in (
            theirs.dump(),
            stranger.sign(record_key(SPEC), theirs.dump()),
            sealed(RECORD).replace(b"https://example.com", b"https://exemple.com"),
            sealed(RECORD)[:-3] + b'x"}',
            sealed(RECORD).replace(b"{", b"{ ", 1),
            sealed(RECORD) + b" ",
        ):
            memory.values[name] = value
            assert cache.lookups.look_up(SPEC) == Lookup(), value
        memory.values[name] = sealed(RECORD)
        assert cache.lookups.look_up(SPEC).thumbnail == RECORD

    def test_a_record_counts_under_its_own_key_alone(self, cache: SharedCache, memory: Memory) -> None:
        other = replace(SPEC, geometry="100")
        cache.records.save(other, RECORD, SOURCE)
        memory.values[f"p:{record_key(SPEC)}"] = memory.values[f"p:{record_key(other)}"]
        assert cache.lookups.look_up(SPEC) == Lookup(None, SOURCE)

    def test_a_failure_is_sealed_too(self, cache: SharedCache, memory: Memory) -> None:
        memory.values[f"p:{failure_key(SPEC)}"] = FailureRecord("missing", "", 1_800_000_060).dump()
        assert cache.coordination.look_up(SPEC).failure is None

    def test_records_of_a_former_secret_count(self, memory: Memory) -> None:
        old, new = "the former secret, which is long enough too", "the new secret, which is long enough too"
        made(memory, signer=Signer([old])).records.save(SPEC, RECORD, SOURCE)
        for secrets, known in (([new, old], Lookup(RECORD, SOURCE)), ([new], Lookup())):
            assert made(memory, signer=Signer(secrets)).lookups.look_up(SPEC) == known


class TestDue:
    """When a page leaves it to the server to look whether a recorded thumbnail is still stored."""

    def test_after_half_of_the_time_at_least_and_all_of_it_at_most(
        self, cache: SharedCache, now: Clock
    ) -> None:
        specs = [replace(SPEC, options={"version": number}) for number in range(200)]
        for spec in specs:
            cache.records.save(spec, RECORD, None)

        def due() -> int:
            assert [cache.coordination.look_up(one).stale for one in specs] == [
                cache.lookups.look_up(one).stale for one in specs
            ]
            return sum(cache.lookups.look_up(spec).stale for spec in specs)

        now.now += 3.5 * DAY - 1
        assert due() == 0
        now.now += 1.75 * DAY
        assert 60 < due() < 140
        now.now += 1.75 * DAY + 2
        assert due() == 200
        cache.records.save(specs[0], RECORD, None)
        assert due() == 199

    def test_a_loss_makes_all_that_were_recorded_before_due(self, cache: SharedCache, now: Clock) -> None:
        others = [replace(SPEC, options={"version": number}) for number in range(3)]
        for spec in (SPEC, *others[:2]):
            cache.records.save(spec, RECORD, None)
        now.now += 1
        cache.coordination.distrust()
        assert cache.coordination.look_up(SPEC) == MakerState(RECORD, stale=True, distrusted=True)
        cache.records.save(others[2], RECORD, None)
        assert [cache.lookups.look_up(spec).stale for spec in others] == [True, True, False]
        cache.records.save(others[0], RECORD, None)
        assert cache.coordination.look_up(others[0]) == MakerState(RECORD)

    @pytest.mark.parametrize("garbage", [b"", b"x", b"-1", b"9" * 30, b"9" * 12, b"1e9"])
    def test_a_doubt_of_the_future_or_of_no_time_is_none(
        self, cache: SharedCache, memory: Memory, garbage: bytes
    ) -> None:
        cache.records.save(SPEC, RECORD, None)
        memory.values[f"p:{DISTRUST_BEFORE_KEY}"] = garbage
        assert not cache.lookups.look_up(SPEC).stale

    def test_a_local_layer_does_not_ask_again_whether_there_is_doubt(
        self, memory: Memory, clock: Clock
    ) -> None:
        cache = made(memory, local=TTLCache(5, 100, clock))
        cache.records.save(SPEC, RECORD, SOURCE)
        for _ in range(2):
            assert cache.lookups.look_up(SPEC) == Lookup(RECORD, SOURCE)
        assert memory.calls.count("get_many") == 1


class TestFailures:
    def test_they_are_remembered_until_the_source_changes(self, cache: SharedCache, memory: Memory) -> None:
        cache.coordination.fail(SPEC, "missing", "", 60)
        assert cache.coordination.look_up(SPEC).failure == "missing"
        assert memory.timeouts[f"p:{failure_key(SPEC)}"] == 60
        cache.coordination.mark_change(SPEC.source)
        told = cache.coordination.look_up(SPEC)
        assert told.failure is None
        assert told.change
        cache.coordination.fail(SPEC, "invalid", told.change, 60)
        assert cache.coordination.look_up(SPEC).failure == "invalid"

    def test_one_that_began_before_a_change_says_nothing(self, cache: SharedCache) -> None:
        cache.coordination.mark_change(SPEC.source)
        cache.coordination.fail(SPEC, "missing", "", 60)
        assert cache.coordination.look_up(SPEC).failure is None

    def test_one_that_is_put_back_is_over(self, cache: SharedCache, memory: Memory, now: Clock) -> None:
        """By whoever can write there, and has read it before."""
        cache.coordination.fail(SPEC, "missing", "", 60)
        now.now += 60
        assert cache.coordination.look_up(SPEC).failure == "missing"
        now.now += 1
        assert cache.coordination.look_up(SPEC).failure is None
        now.now -= 4000
        assert cache.coordination.look_up(SPEC).failure is None

    @pytest.mark.parametrize("value", [b"", b"q1RcXh2vKd0a", b'{"v":1,"c":"q1R","t":1800000060}', b"\xff"])
    def test_a_mark_that_is_not_signed_is_none(
        self, cache: SharedCache, memory: Memory, value: bytes
    ) -> None:
        memory.values[f"p:{change_key(SPEC.source)}"] = value
        assert cache.coordination.look_up(SPEC).change == ""

    def test_a_mark_of_another_source_is_none(self, cache: SharedCache, memory: Memory) -> None:
        cache.coordination.mark_change(Source("s3", "photos", "b.jpg"))
        (value,) = memory.values.values()
        memory.values[f"p:{change_key(SPEC.source)}"] = value
        assert cache.coordination.look_up(SPEC).change == ""

    def test_a_mark_that_is_put_back_is_over(self, cache: SharedCache, memory: Memory, now: Clock) -> None:
        cache.coordination.mark_change(SPEC.source)
        assert cache.coordination.look_up(SPEC).change
        now.now += CHANGE_SECONDS + 1
        assert cache.coordination.look_up(SPEC).change == ""

    def test_a_cache_that_does_not_answer_knows_of_no_change(
        self, cache: SharedCache, memory: Memory
    ) -> None:
        cache.coordination.mark_change(SPEC.source)
        memory.broken = True
        assert cache.coordination.look_up(SPEC) == MakerState(change=None)
        cache.coordination.try_mark_change(SPEC.source)

    def test_a_change_is_not_lost_silently(self, cache: SharedCache, memory: Memory) -> None:
        memory.broken = True
        with pytest.raises(DriverError):
            cache.coordination.mark_change(SPEC.source)

"""Records through the shared cache: lookups, garbage, and a cache that is down."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError
from shrinkmeister.expiring import Expiring
from shrinkmeister.keys import record_key, source_key
from shrinkmeister.records import SourceRecord, ThumbnailRecord
from shrinkmeister.shared_cache import BREAK, Known, SharedCache, keys_of
from shrinkmeister.spec import Source, ThumbnailSpec

SPEC = ThumbnailSpec(Source("s3", "photos", "a.jpg"), "300")
RECORD = ThumbnailRecord(300, 200, "https://example.com/a.jpg")
SOURCE = SourceRecord(4000, 3000)


class Memory(Driver):
    """A cache that counts its calls and breaks when it is told to."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.timeouts: dict[str, int] = {}
        self.calls: list[str] = []
        self.broken = False

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.broken:
            raise DriverError("the server is gone")

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
def cache(memory: Memory, clock: Clock) -> SharedCache:
    return SharedCache(memory, "p:", 600, clock)


def test_one_look_up_is_one_round_trip(cache: SharedCache, memory: Memory) -> None:
    cache.record(SPEC, RECORD, SOURCE)
    memory.calls.clear()
    assert cache.look_up(SPEC) == Known(RECORD, SOURCE)
    assert memory.calls == ["get_many"]


def test_the_source_is_looked_up_where_the_size_depends_on_it(cache: SharedCache) -> None:
    filled = replace(SPEC, geometry="300x200", options={"crop": "center"})
    for spec, asked in ((SPEC, 2), (filled, 1)):
        cache.record(spec, RECORD, SOURCE)
        assert len(keys_of(spec).all) == asked
    assert cache.look_up(SPEC).source == SOURCE
    assert cache.look_up(filled) == Known(RECORD)


def test_a_local_layer_asks_less_often_and_knows_what_this_process_does(
    memory: Memory, clock: Clock
) -> None:
    cache = SharedCache(memory, "p:", 600, local=Expiring(5, 100, clock))
    cache.record(SPEC, RECORD, SOURCE)
    for _ in range(3):
        assert cache.look_up(SPEC) == Known(RECORD, SOURCE)
    assert memory.calls.count("get_many") == 1
    clock.now += 5
    assert cache.look_up(SPEC) == Known(RECORD, SOURCE)
    assert memory.calls.count("get_many") == 2

    other = ThumbnailRecord(300, 225, "https://example.com/b.jpg")
    cache.record(SPEC, other, None)
    assert cache.look_up(SPEC).thumbnail == other
    cache.remove([record_key(SPEC)])
    assert cache.look_up(SPEC) == Known(None, SOURCE)
    place = Source("s3", "thumbs", "cache/a.jpg")
    for adopted in (RECORD, other):
        cache.adopt({place: adopted}, 600)
        assert cache.look_up(SPEC, place).adopted == adopted


def test_a_local_layer_keeps_no_miss_and_is_not_for_servers(memory: Memory) -> None:
    cache = SharedCache(memory, "p:", 600, local=Expiring(5, 100))
    assert cache.look_up(SPEC) == Known()
    memory.values[f"p:{record_key(SPEC)}"] = RECORD.dump()
    assert cache.look_up(SPEC) == Known(RECORD)
    memory.values.clear()
    assert cache.look_up_stored(SPEC) == (None, None)


def test_a_local_layer_does_not_keep_what_is_deleted_while_it_is_fetched(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = SharedCache(memory, "p:", 600, local=Expiring(5, 100))
    cache.record(SPEC, RECORD, SOURCE)
    get_many = memory.get_many

    def slow(keys: Iterable[str]) -> dict[str, bytes]:
        found = get_many(keys)
        cache.remove([record_key(SPEC)])  # as another thread does
        return found

    monkeypatch.setattr(memory, "get_many", slow)
    assert cache.look_up(SPEC).thumbnail == RECORD
    monkeypatch.undo()
    assert cache.look_up(SPEC).thumbnail is None


def test_records_lie_under_the_prefix_and_end(cache: SharedCache, memory: Memory) -> None:
    cache.record(SPEC, RECORD, SOURCE)
    assert memory.timeouts == {f"p:{record_key(SPEC)}": 600, f"p:{source_key(SPEC.source)}": 600}


def test_a_miss(cache: SharedCache) -> None:
    assert cache.look_up(SPEC) == Known()


@pytest.mark.parametrize("garbage", [b"", b"\x80\x04K\x01.", b'{"v":2,"w":1,"h":1}', b"null", b"<html>"])
def test_garbage_is_a_miss_and_a_log_line(
    cache: SharedCache, memory: Memory, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    memory.values[f"p:{record_key(SPEC)}"] = garbage
    assert cache.look_up(SPEC) == Known()
    assert len(caplog.records) == 1


def test_a_dead_cache_is_a_miss_asked_once_and_logged_once(
    cache: SharedCache, memory: Memory, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cache.record(SPEC, RECORD, SOURCE)
    memory.calls.clear()
    memory.broken = True
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            assert cache.look_up(SPEC) == Known()
    assert memory.calls == ["get_many"]
    assert [record.getMessage() for record in caplog.records] == [
        "The shared cache is not used for 5 s: the server is gone"
    ]
    # It comes back by itself.
    memory.broken = False
    clock.now += BREAK - 0.1
    assert cache.look_up(SPEC) == Known()
    clock.now += 0.2
    assert cache.look_up(SPEC) == Known(RECORD, SOURCE)


def test_a_dead_cache_lets_everybody_make_thumbnails(cache: SharedCache, memory: Memory) -> None:
    memory.broken = True
    assert cache.lock(SPEC, 30) is None
    cache.record(SPEC, RECORD, SOURCE)
    cache.unlock(SPEC)


def test_the_lock(cache: SharedCache, memory: Memory) -> None:
    assert cache.lock(SPEC, 30)
    assert not cache.lock(SPEC, 30)
    assert list(memory.timeouts.values()) == [30]
    cache.unlock(SPEC)
    assert cache.lock(SPEC, 30)


def test_forgetting(cache: SharedCache, memory: Memory) -> None:
    cache.record(SPEC, RECORD, SOURCE)
    digest = record_key(SPEC).removeprefix("t1:")
    cache.forget(SPEC.source, [f"cache/x/{digest}.jpg", f"cache/x/{digest}@2x.jpg"])
    assert memory.values == {}


def test_forgetting_is_not_lost_silently(cache: SharedCache, memory: Memory) -> None:
    memory.broken = True
    with pytest.raises(DriverError):
        cache.forget(SPEC.source, [])


class TestComplete:
    """Whether a thumbnail without a record is stored nowhere."""

    def test_a_new_cache_with_an_empty_storage_is_complete_at_once(self, cache: SharedCache) -> None:
        assert cache.look_up_stored(SPEC) == (None, None)
        assert cache.begin(lambda: True)
        assert cache.look_up_stored(SPEC) == (None, True)
        cache.record(SPEC, RECORD, None)
        assert cache.look_up_stored(SPEC) == (RECORD, True)

    def test_one_that_was_lost_is_complete_when_all_records_would_have_ended(
        self, cache: SharedCache, memory: Memory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache.begin(lambda: False)
        now = time.time()
        assert cache.look_up_stored(SPEC)[1] is False
        monkeypatch.setattr("shrinkmeister.shared_cache.time.time", lambda: now + 599)
        assert cache.look_up_stored(SPEC)[1] is False
        monkeypatch.setattr("shrinkmeister.shared_cache.time.time", lambda: now + 601)
        assert cache.look_up_stored(SPEC)[1] is True

    def test_the_storage_is_asked_once(self, cache: SharedCache) -> None:
        assert not cache.begin(lambda: False)
        assert not cache.begin(lambda: pytest.fail("asked again"))

    def test_nobody_is_asked_while_the_cache_is_down(self, cache: SharedCache, memory: Memory) -> None:
        memory.broken = True
        cache.begin(lambda: pytest.fail("asked the storage"))
        assert cache.look_up_stored(SPEC) == (None, None)

    @pytest.mark.parametrize("garbage", [b"", b"soon", b"-1", b"9" * 5000, b"1e3"])
    def test_garbage_is_no_promise(self, cache: SharedCache, memory: Memory, garbage: bytes) -> None:
        memory.values["p:complete"] = garbage
        assert cache.look_up_stored(SPEC)[1] is False

    def test_the_mark_is_no_record(self, cache: SharedCache, memory: Memory) -> None:
        cache.begin(lambda: True)
        assert list(memory.values) == ["p:complete"]
        assert memory.timeouts["p:complete"] > 365 * 24 * 3600

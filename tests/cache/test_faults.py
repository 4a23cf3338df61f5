"""Faults of the shared cache: a real Redis or Memcached that fails under pages and under the server.

Whatever it does, a page comes out whole, and asks it once; and the server makes thumbnails.
"""

import logging
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any
from unittest.mock import Mock

import pytest
from django.http import HttpRequest
from redis import Redis
from sorl.thumbnail import get_thumbnail

from shrinkmeister import page
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.connection import BREAKER_SECONDS
from shrinkmeister.page import page_middleware
from tests.conftest import left_out_if_missing
from tests.servers.memcached import running_memcached
from tests.servers.process import ask
from tests.servers.redis import RedisServer, running_redis
from tests.servers.relay import running_relay
from tests.support.pages import CDN, record, render
from tests.support.pictures import size_of
from tests.support.sides import Server

pytestmark = [pytest.mark.outside, pytest.mark.survives("faults of the shared cache")]

TEMPLATE = (
    '{% load thumbnail %}{% for f in files %}{% thumbnail f "300x200" crop="center" as im %}{{ im.url }} '
)
TEMPLATE += "{% endthumbnail %}{% endfor %}"
NAMES = [f"photos/{number}.jpg" for number in range(100)]


@dataclass(frozen=True)
class Cache:
    """A server of one test's own, which may be mistreated."""

    backend: str
    location: str
    port: int
    process: Popen[bytes]

    def tell(self, *lines: str) -> None:
        for line in lines:
            assert ask(self.port, f"{line}\r\n".encode()).startswith(b"+OK"), line


def killed(cache: Cache) -> None:
    cache.process.kill()
    cache.process.wait()


def stopped(cache: Cache) -> None:
    """Its connections are accepted, by the kernel, and never answered."""
    cache.process.send_signal(signal.SIGSTOP)


def full(cache: Cache) -> None:
    cache.tell("CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1")


def refusing(cache: Cache) -> None:
    """And to those who were connected before."""
    cache.tell("CONFIG SET requirepass another")
    ask(cache.port, b"AUTH another\r\nCLIENT KILL TYPE normal\r\n")


def read_only(cache: Cache) -> None:
    """A replica that has lost its primary."""
    cache.tell("REPLICAOF 127.0.0.1 1")


FAULTS: list[tuple[str, Callable[[Cache], None]]] = [
    *(("redis", fault) for fault in (killed, stopped, full, refusing, read_only)),
    *(("memcached", fault) for fault in (killed, stopped)),
]
# What can still be read does no harm to a page.
READABLE = (full, read_only)


def expect_no_answer(fault: Callable[[Cache], None], settings: Any) -> None:
    """Shortens the patience, which the others need: a machine that is busy with tests answers late."""
    if fault is stopped:
        settings.THUMBNAIL_CACHE_WAIT_SECONDS = 0.3


@pytest.fixture
def cache(request: pytest.FixtureRequest, tmp_path: Path, settings: Any, media: Path) -> Iterator[Cache]:
    backend = request.param
    with ExitStack() as stack:
        stack.enter_context(left_out_if_missing())
        if backend == "redis":
            redis = stack.enter_context(running_redis(tmp_path))
            made = Cache(backend, redis.url, redis.port, redis.process)
        else:
            memcached = stack.enter_context(running_memcached(tmp_path))
            made = Cache(backend, memcached.location, memcached.port, memcached.process)
        settings.THUMBNAIL_CACHE_BACKEND = made.backend
        settings.THUMBNAIL_CACHE_NAME = "unused"
        settings.THUMBNAIL_CACHE_LOCATION = made.location
        yield made


def shown() -> list[str]:
    """The URLs of the page of NAMES, as a request renders it."""

    def answer(request: HttpRequest) -> list[str]:
        return render(TEMPLATE, files=NAMES).split()

    urls: list[str] = page_middleware(answer)(HttpRequest())
    return urls


@pytest.mark.parametrize(("cache", "fault"), FAULTS, indirect=["cache"])
def test_a_page_comes_out_whole(
    cache: Cache,
    fault: Callable[[Cache], None],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(page, "_guesses", page.PrefetchHistory())
    for name in NAMES:
        record(name, crop="center")
    healthy = shown()
    assert all(url.startswith(CDN) for url in healthy)

    expect_no_answer(fault, settings)
    driver = get_shared_cache().connection.driver
    asked = Mock(wraps=driver.get_many)
    monkeypatch.setattr(driver, "get_many", asked)
    fault(cache)
    with caplog.at_level(logging.WARNING):
        urls = shown()
    if fault in READABLE:
        assert urls == healthy
        assert not caplog.records
    else:
        assert len(set(urls)) == 100
        assert all(url.startswith("https://thumbs.example.com/") for url in urls)
        assert [one.name for one in caplog.records] == ["shrinkmeister.cache.connection"]
    assert asked.call_count == 1


@pytest.mark.parametrize(
    ("cache", "fault", "mend"),
    [
        ("redis", stopped, lambda cache: cache.process.send_signal(signal.SIGCONT)),
        ("memcached", stopped, lambda cache: cache.process.send_signal(signal.SIGCONT)),
        (
            "redis",
            refusing,
            lambda cache: ask(cache.port, b"AUTH another\r\nCONFIG SET requirepass ''\r\n"),
        ),
    ],
    indirect=["cache"],
)
def test_it_heals_by_itself(
    cache: Cache,
    fault: Callable[[Cache], None],
    mend: Callable[[Cache], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = get_shared_cache()
    now = [shared.connection.clock()]
    monkeypatch.setattr(shared.connection, "clock", lambda: now[0])
    for name in NAMES:
        record(name, crop="center")
    healthy = shown()
    fault(cache)
    assert not any(url.startswith(CDN) for url in shown())
    mend(cache)
    assert not any(url.startswith(CDN) for url in shown())  # it is not asked for some seconds
    now[0] += BREAKER_SECONDS
    assert shown() == healthy


@pytest.mark.parametrize(("cache", "fault"), FAULTS, indirect=["cache"])
def test_the_server_makes_thumbnails(
    cache: Cache, fault: Callable[[Cache], None], settings: Any, server: Server, media: Path, photo: str
) -> None:
    url = get_thumbnail(photo, "300x200", crop="center").url
    expect_no_answer(fault, settings)
    fault(cache)
    for _ in range(2):  # the second one is found, in the bucket or in the cache
        answer = server.get(url)
        assert answer.status_code == 302
        assert size_of(
            (media / answer["Location"].removeprefix("https://example.com/media/")).read_bytes()
        ) == (
            300,
            200,
        )


@pytest.mark.parametrize("guessed", [False, True])
def test_a_slow_cache_is_asked_as_often_as_a_page_has_patience(
    redis_server: RedisServer,
    redis_location: str,
    settings: Any,
    media: Path,
    guessed: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each answer comes in time, and a page that asks for each thumbnail would wait for 100 of them."""
    monkeypatch.setattr(page, "_guesses", page.PrefetchHistory())
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_WAIT_SECONDS = 4
    with running_relay(redis_server.port) as relay:
        settings.THUMBNAIL_CACHE_LOCATION = f"redis://127.0.0.1:{relay.port}/0"
        for name in NAMES:
            record(name, crop="center")
        if guessed:
            shown()
        asked = Mock(wraps=get_shared_cache().connection.driver.get_many)
        monkeypatch.setattr(get_shared_cache().connection.driver, "get_many", asked)
        relay.seconds = 1.2
        urls = shown()
    assert len(set(urls)) == 100
    final = sum(url.startswith(CDN) for url in urls)
    if guessed:
        assert (final, asked.call_count, caplog.messages) == (100, 1, [])
    else:
        assert 1 <= asked.call_count <= 3
        assert final == asked.call_count
        assert len(caplog.messages) == 1


@pytest.mark.parametrize("backend", ["redis", "memcached"])
def test_one_that_is_restarted_empty_is_taken_up_again(
    backend: str, tmp_path: Path, settings: Any, server: Server, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that fails over to another machine: connections break, and what it held is lost in part."""
    running: Any = {"redis": running_redis, "memcached": running_memcached}[backend]
    settings.THUMBNAIL_CACHE_BACKEND = backend
    settings.THUMBNAIL_CACHE_NAME = "unused"
    with left_out_if_missing(), ExitStack() as stack:
        first = stack.enter_context(running(tmp_path))
        with running_relay(first.port) as relay:
            address = f"127.0.0.1:{relay.port}"
            settings.THUMBNAIL_CACHE_LOCATION = f"redis://{address}/0" if backend == "redis" else address
            shared = get_shared_cache()
            now = [shared.connection.clock()]
            monkeypatch.setattr(shared.connection, "clock", lambda: now[0])
            url = get_thumbnail(photo, "300x200").url
            assert server.get(url).status_code == 302
            assert not get_thumbnail(photo, "300x200").lazy
            first.process.kill()
            first.process.wait()
            assert get_thumbnail(photo, "300x200").lazy
            relay.target = stack.enter_context(running(tmp_path)).port
            now[0] += BREAKER_SECONDS
            assert get_thumbnail(photo, "300x200").lazy
            assert server.get(url).status_code == 302
            assert not get_thumbnail(photo, "300x200").lazy


def test_one_that_evicts(redis_location: str, settings: Any, server: Server, photo: str) -> None:
    """Whatever it has forgotten, pages are whole, and the server finds its thumbnails."""
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    for name in NAMES:
        record(name, crop="center")
    url = get_thumbnail(photo, "300x200").url
    assert server.get(url).status_code == 302
    with Redis.from_url(redis_location) as redis:
        gone = [key for key in redis.keys("shrinkmeister:*") if zlib.crc32(key) % 2]
        redis.delete(*gone)
    urls = shown()
    assert len(set(urls)) == 100
    assert 0 < sum(url.startswith(CDN) for url in urls) < 100
    assert server.get(url).status_code == 302


def test_garbage_under_every_key(
    redis_location: str, settings: Any, media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    for name in NAMES:
        record(name, crop="center")
    shared = get_shared_cache()
    names = [f"shrinkmeister:{key}" for key in shared.records.keys() or ()]
    assert len(names) == 100
    for garbage in (b"\x80\x04K\x01.", b'{"v":2,"w":300,"h":200}', b"null", b"["):
        shared.connection.driver.set_many(dict.fromkeys(names, garbage), 60)
        assert all(url.startswith("https://thumbs.example.com/") for url in shown())

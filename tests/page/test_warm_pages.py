"""A page of 100 thumbnails stays warm, in one trip to a real Redis, whatever happens to a site."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import django
import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import Client
from django.urls import path

from shrinkmeister import page
from shrinkmeister.page import PrefetchHistory
from tests.conftest import left_out_if_missing
from tests.servers.process import ask, wait_until
from tests.servers.redis import RedisServer, running_redis
from tests.servers.relay import Relay, running_relay
from tests.support.pages import CDN, Trips, record

pytestmark = pytest.mark.outside

TEMPLATE = (
    '{% load thumbnail %}{% for f in files %}{% thumbnail f "300x200" crop="center" as im %}{{ im.url }} '
    "{% endthumbnail %}{% endfor %}"
)
COUNT = 100


def names(of: str) -> list[str]:
    return [f"photos/{of}/{number}.jpg" for number in range(COUNT)]


@cache
def template() -> Template:
    return Template(TEMPLATE)


def show(request: HttpRequest, of: str) -> HttpResponse:
    return HttpResponse(template().render(Context({"files": names(of)})))


async def show_async(request: HttpRequest, of: str) -> HttpResponse:
    await asyncio.sleep(0)
    return show(request, of)


urlpatterns = [path("<of>/", show), path("async/<of>/", show_async)]


@dataclass
class Site:
    """A site whose shared cache is a Redis behind a relay.

    The relay's port is what a DNS name is elsewhere: it leads new connections to the primary of the day.
    """

    redis: RedisServer
    relay: Relay
    trips: Trips

    def get(self, url: str) -> list[str]:
        """The URLs of a page."""
        return Client().get(url).content.decode().split()

    def is_warm(self, url: str) -> bool:
        """Return whether a page is shown without a lazy thumbnail, in one trip."""
        self.trips.taken()
        urls = self.get(url)
        return self.trips.taken() == 1 and _are_final(urls)


def _are_final(urls: list[str]) -> bool:
    return len(set(urls)) == COUNT and all(url.startswith(CDN) for url in urls)


def record_all(of: str) -> None:
    for name in names(of):
        record(name, crop="center")


@pytest.fixture
def site(tmp_path: Path, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    settings.ROOT_URLCONF = "tests.page.test_warm_pages"
    settings.MIDDLEWARE = []
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    monkeypatch.setattr(page, "_guesses", PrefetchHistory())
    with left_out_if_missing(), running_redis(tmp_path) as redis, running_relay(redis.port) as relay:
        settings.THUMBNAIL_CACHE_LOCATION = f"redis://127.0.0.1:{relay.port}/0"
        yield Site(redis, relay, Trips(monkeypatch))


@pytest.fixture
def warm(site: Site) -> Site:
    """With the page /home/, which has been visited."""
    record_all("home")
    site.get("/home/")
    assert site.is_warm("/home/")
    return site


def tell(redis: RedisServer, command: str) -> None:
    assert ask(redis.port, f"{command}\r\n".encode()).startswith(b"+OK"), command


def keys_in(redis: RedisServer) -> int:
    return int(ask(redis.port, b"DBSIZE\r\n").strip(b":\r\n"))


@pytest.mark.survives("a failover of Redis")
def test_a_failover_after_which_the_old_primary_is_a_replica(warm: Site, tmp_path: Path) -> None:
    """Old connections still lead to it: it gives values, and refuses all writes."""
    with running_redis(tmp_path) as other:
        tell(other, f"REPLICAOF 127.0.0.1 {warm.redis.port}")
        wait_until(lambda: keys_in(other) == keys_in(warm.redis), "the replica to be up to date", 60)
        tell(other, "REPLICAOF NO ONE")
        tell(warm.redis, f"REPLICAOF 127.0.0.1 {other.port}")
        warm.relay.target = other.port

        assert warm.is_warm("/home/")
        before = keys_in(other)
        record("photos/new.jpg", crop="center")
        assert keys_in(other) == before + 1
        assert warm.is_warm("/home/")
        assert len(warm.relay.links) == 2


@pytest.mark.survives("connections that are lost or reset")
@pytest.mark.parametrize("happens", [Relay.lose, Relay.forget, Relay.reset])
def test_an_idle_night(warm: Site, happens: Callable[[Relay], int], settings: Any) -> None:
    """Something on the way has lost the connection, answers it with a reset, or has reset it."""
    settings.THUMBNAIL_CACHE_WAIT_SECONDS = 2  # for which a lost connection is waited for
    assert warm.is_warm("/home/")
    connections = len(warm.relay.links)
    assert happens(warm.relay) > 0
    assert warm.is_warm("/home/")
    assert len(warm.relay.links) == connections + 1


@pytest.mark.survives("a Redis that takes no writes")
@pytest.mark.parametrize(
    "commands",
    [
        ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"],
        ["REPLICAOF 127.0.0.1 1"],
    ],
    ids=["full", "replica"],
)
def test_a_redis_that_takes_no_writes(
    warm: Site, commands: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A page whose visitor uploads something is refused a write, and goes on reading."""
    for command in commands:
        tell(warm.redis, command)
    record("photos/new.jpg", crop="center")
    assert len(caplog.records) == 1
    assert warm.is_warm("/home/")


def test_a_thousand_visits_with_click_ids(warm: Site) -> None:
    record_all("other")
    for _ in range(2):
        warm.get("/other/")
    cold = [
        number for number in range(500) if not warm.is_warm(f"/home/?gclid={number}&utm_source=newsletter")
    ]
    cold += [number for number in range(500) if not warm.is_warm(f"/home/?fbclid={number}")]
    assert cold == []
    assert warm.is_warm("/other/")


@pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")
def test_asgi_without_a_middleware(warm: Site) -> None:
    """Whole pages of different URLs, at once."""
    record_all("other")
    application = ASGIHandler()

    async def get(url: str) -> list[str]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": url,
            "raw_path": url.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"testserver")],
            "server": ("testserver", 80),
        }
        communicator: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
        await communicator.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await communicator.receive_output(60)
        assert start["status"] == 200
        body: bytes = b""
        while True:
            message = await communicator.receive_output(60)
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await communicator.wait(60)
        return body.decode().split()

    urls = ["/home/", "/async/home/", "/other/", "/async/other/"]

    async def get_all() -> list[list[str]]:
        return await asyncio.gather(*map(get, urls))

    asyncio.run(get_all())
    warm.trips.taken()
    pages = asyncio.run(get_all())
    assert all(_are_final(one) for one in pages)
    assert warm.trips.taken() == len(urls)

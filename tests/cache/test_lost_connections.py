"""Connections that are lost or reset while they are idle: the next call makes a new one, and does its work.

Each driver of the shared cache, and the storage of thumbnails, behind a relay before a real server.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import caches

from shrinkmeister.conf import CacheConfig
from shrinkmeister.drivers import make_driver
from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError
from shrinkmeister.secret import Secret
from shrinkmeister.storage import get_thumbnail_storage, s3_client
from shrinkmeister.storage.base import StoredInfo
from shrinkmeister.storage.buckets import S3_BACKEND
from tests.conftest import left_out_if_missing
from tests.servers.memcached import running_memcached
from tests.servers.process import ask, wait_until
from tests.servers.redis import running_redis
from tests.servers.relay import Relay, running_relay
from tests.servers.s3 import S3Server

pytestmark = [pytest.mark.outside, pytest.mark.survives("connections that are lost or reset")]

# Seconds: a lost connection is waited for so long, and a machine that is busy with tests answers later.
TIMEOUT = 2
DRIVERS = {
    "redis": "redis",
    "redis by alias": "django_redis.cache.RedisCache",
    "memcached": "memcached",
    "django on redis": "django.core.cache.backends.redis.RedisCache",
    "django on django-redis": "django_redis.cache.RedisCache",
    "django on memcached": "django.core.cache.backends.memcached.PyMemcacheCache",
}


@dataclass
class Behind:
    driver: Driver
    relay: Relay
    port: int


@pytest.fixture(params=DRIVERS)
def behind(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[Behind]:
    kind: str = request.param
    running: Any = running_memcached if "memcached" in kind else running_redis
    with left_out_if_missing(), running(tmp_path) as server, running_relay(server.port) as relay:
        address = f"127.0.0.1:{relay.port}"
        location = address if "memcached" in kind else f"redis://{address}/0"
        name = ""
        if "." in DRIVERS[kind]:
            name = "thumbs"
            settings.CACHES = {"thumbs": _alias(DRIVERS[kind], location)}
            location = ""
        backend = kind.split()[0]
        cache = CacheConfig(backend, name or "unused", Secret(location), "", TIMEOUT)
        yield Behind(make_driver(cache), relay, server.port)


def _alias(backend: str, location: str) -> dict[str, Any]:
    names = ("timeout", "connect_timeout")
    if "django_redis" in backend:
        names = ("SOCKET_TIMEOUT", "SOCKET_CONNECT_TIMEOUT")
    elif "RedisCache" in backend:
        names = ("socket_timeout", "socket_connect_timeout")
    return {"BACKEND": backend, "LOCATION": location, "OPTIONS": dict.fromkeys(names, TIMEOUT)}


def get_many(driver: Driver) -> bool:
    return driver.get_many(["a", "b"]) == {"a": b"1"}


def set_many(driver: Driver) -> bool:
    driver.set_many({"b": b"2"}, 60)
    return driver.get("b") == b"2"


def add(driver: Driver) -> bool:
    return driver.add("b", b"2", 60)


def delete_many(driver: Driver) -> bool:
    driver.delete_many(["a"])
    return driver.get("a") is None


@pytest.mark.parametrize(
    ("happens", "call"),
    [
        (Relay.lose, get_many),
        (Relay.lose, add),
        *(
            (happens, call)
            for happens in (Relay.forget, Relay.reset)
            for call in (get_many, set_many, add, delete_many)
        ),
    ],
)
def test_the_next_call_does_its_work(
    behind: Behind, happens: Callable[[Relay], int], call: Callable[[Driver], object]
) -> None:
    behind.driver.set("a", b"1", 60)
    assert behind.driver.get("a") == b"1"
    connections = len(behind.relay.links)
    assert happens(behind.relay) > 0
    assert call(behind.driver)
    assert len(behind.relay.links) == connections + 1


@pytest.mark.parametrize("behind", ["memcached"], indirect=True)
@pytest.mark.parametrize("happens", [Relay.lose, Relay.forget])
def test_several_idle_connections_to_memcached(behind: Behind, happens: Callable[[Relay], int]) -> None:
    """The retry is on a new one, and not on the next one of the pool."""
    behind.driver.set("a", b"1", 60)
    (client,) = behind.driver._clients.values()  # type: ignore[attr-defined]
    pool = client.client_pool
    for one in [pool.get() for _ in range(4)]:
        one.version()
        pool.release(one)
    assert happens(behind.relay) == 4
    assert behind.driver.get("a") == b"1"
    assert len(behind.relay.links) == 5


@pytest.mark.parametrize("behind", ["redis", "redis by alias", "django on redis"], indirect=True)
def test_a_failover_whose_old_primary_stays_up(behind: Behind, tmp_path: Path) -> None:
    """Each write that is refused by the old one is made on a new connection, which leads to the new one."""
    driver, relay = behind.driver, behind.relay
    driver.set("a", b"1", 60)
    with running_redis(tmp_path) as other:
        _tell(other.port, f"REPLICAOF 127.0.0.1 {behind.port}")
        wait_until(lambda: ask(other.port, b"DBSIZE\r\n") == b":1\r\n", "the replica to be up to date", 60)
        _tell(other.port, "REPLICAOF NO ONE")
        _tell(behind.port, f"REPLICAOF 127.0.0.1 {other.port}")
        relay.target = other.port
        assert driver.get("a") is not None
        driver.set_many({"b": b"2", "c": b"3"}, 60)
        assert driver.add("d", b"4", 60)
        driver.delete_many(["a"])
        assert ask(other.port, b"DBSIZE\r\n") == b":3\r\n"


@pytest.mark.parametrize("behind", ["redis", "redis by alias"], indirect=True)
def test_a_machine_that_is_gone_is_connected_to_once(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page waits for the answer, and for the new connection; redis-py would wait for that one twice."""
    behind.driver.set("a", b"1", 60)
    assert behind.relay.lose() > 0
    tried = []

    def gone(connection: Any) -> None:
        tried.append(connection)
        raise TimeoutError  # as Python's socket raises it

    monkeypatch.setattr("redis.connection.Connection._connect", gone)
    with pytest.raises(DriverError):
        behind.driver.get("a")
    assert len(tried) == 1


@pytest.mark.parametrize("behind", ["redis"], indirect=True)
@pytest.mark.parametrize(
    "options",
    [{"retry_on_timeout": False}, {"retry_on_error": []}, {"retry": None}],
    ids=lambda options: next(iter(options)),
)
def test_a_retry_that_the_site_has_set_stays(
    behind: Behind, options: dict[str, Any], settings: Any
) -> None:
    alias = _alias("django_redis.cache.RedisCache", f"redis://127.0.0.1:{behind.relay.port}/0")
    alias["OPTIONS"]["CONNECTION_POOL_KWARGS"] = {"max_connections": 7, **options}
    settings.CACHES = {"thumbs": alias}
    driver: Any = make_driver(CacheConfig("redis", "thumbs", Secret(""), "", TIMEOUT))
    pool = driver._client.get_client().connection_pool
    assert pool.max_connections == 7
    assert options.items() <= pool.connection_kwargs.items()
    driver.set("a", b"1", 60)
    assert behind.relay.forget() > 0
    with pytest.raises(DriverError):
        driver.get("a")


@pytest.mark.parametrize("behind", ["redis"], indirect=True)
def test_options_of_the_site_beside_our_retry(behind: Behind, settings: Any) -> None:
    alias = _alias("django_redis.cache.RedisCache", f"redis://127.0.0.1:{behind.relay.port}/0")
    alias["OPTIONS"]["CONNECTION_POOL_KWARGS"] = {"max_connections": 7}
    settings.CACHES = {"thumbs": alias}
    # The site's own connections to this address are there first, and have no retry.
    with ExitStack() as stack:
        stack.callback(caches["thumbs"].close)
        caches["thumbs"].set("site", 1)
    driver: Any = make_driver(CacheConfig("redis", "thumbs", Secret(""), "", TIMEOUT))
    assert driver._client.get_client().connection_pool.max_connections == 7
    driver.set("a", b"1", 60)
    assert behind.relay.forget() > 0
    assert driver.get("a") == b"1"


class TestS3:
    @pytest.fixture
    def relay(
        self,
        s3_server: S3Server,
        s3_bucket: Callable[..., str],
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Relay]:
        """With three connections of the server, all idle: it has served three visitors at a time."""
        monkeypatch.setitem(s3_client.CLIENT_OPTIONS, "read_timeout", TIMEOUT)
        address = urlsplit(s3_server.endpoint_url)
        if s3_server.kind != "ceph":
            pytest.skip("the relay is for a server on this machine")
        assert address.port
        with running_relay(address.port) as relay:
            options = {
                **s3_server.storage_options,
                "bucket_name": s3_bucket(),
                "endpoint_url": f"http://127.0.0.1:{relay.port}",
            }
            settings.STORAGES = {"default": {"BACKEND": S3_BACKEND, "OPTIONS": options}}
            get_thumbnail_storage().save("cache/a.jpg", b"picture", "image/jpeg", StoredInfo(4, 3))
            assert self.three_at_once() == [b"picture"] * 3
            yield relay

    def three_at_once(self) -> list[bytes]:
        storage: Any = get_thumbnail_storage()
        request = {"Bucket": storage.bucket, "Key": "cache/a.jpg"}
        bodies = [storage.client.get_object(**request)["Body"] for _ in range(3)]
        return [body.read() for body in bodies]

    @pytest.mark.parametrize("happens", [Relay.lose, Relay.forget, Relay.reset])
    def test_one_request_notices(self, relay: Relay, happens: Callable[[Relay], int]) -> None:
        """The others of the pool are not tried, one after another, by the requests to come."""
        assert happens(relay) == 3
        assert self.three_at_once() == [b"picture"] * 3
        assert sum(link.used for link in relay.links) == (1 if happens is Relay.lose else 0)
        assert len(relay.links) == 6

    def test_old_connections_are_not_used(self, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that a lost one costs nothing: not one request is sent on it."""
        assert relay.lose() == 3
        now = time.time() + s3_client.CONNECTION_SECONDS
        monkeypatch.setattr(time, "time", lambda: now)
        assert get_thumbnail_storage().find("cache/a.jpg", {})
        assert get_thumbnail_storage().find("cache/b.jpg", {}) is None
        assert len(relay.links) == 4
        assert not any(link.used for link in relay.links if link.lost)


def _tell(port: int, command: str) -> None:
    assert ask(port, f"{command}\r\n".encode()).startswith(b"+OK"), command

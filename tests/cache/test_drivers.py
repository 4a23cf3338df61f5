"""The contract on real servers, and the registry."""

import functools
import importlib
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from redis import Redis

import shrinkmeister.drivers
from shrinkmeister.cache.connection import CacheConnection
from shrinkmeister.conf import CACHE_TIMEOUT, CacheConfig
from shrinkmeister.drivers import driver_class, make_driver
from shrinkmeister.drivers.base import CacheSettingError, Driver
from shrinkmeister.drivers.contract import DriverContract, new_key
from shrinkmeister.exceptions import DriverError
from shrinkmeister.secret import Secret
from tests.servers.memcached import running_memcached
from tests.servers.process import free_port, wait_until
from tests.servers.redis import running_redis

# Port 1 of the loopback: reserved, and nobody listens there.
NOBODY = "127.0.0.1:1"


# Seconds. A machine that is busy with tests is no cache that has failed.
PATIENCE = 5


def driver(backend: str, location: str = "", name: str = "", patience: float = PATIENCE) -> Driver:
    named = name or "shrinkmeister-of-its-own"
    return make_driver(CacheConfig(backend, named, Secret(location), "", patience))


class TestRedis(DriverContract):
    @pytest.fixture
    def driver(self, redis_location: str) -> Driver:
        return driver("redis", redis_location)

    @pytest.fixture
    def dead_driver(self) -> Driver:
        return driver("redis", f"redis://{NOBODY}/0")


class TestRedisByAlias(DriverContract):
    @pytest.fixture
    def driver(self, redis_location: str, settings: Any) -> Driver:
        settings.CACHES = {
            **settings.CACHES,
            "thumbs": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_location},
        }
        return driver("redis", name="thumbs")

    @pytest.fixture
    def dead_driver(self, settings: Any) -> Driver:
        settings.CACHES = {
            **settings.CACHES,
            "thumbs": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://{NOBODY}/0"},
        }
        return driver("redis", name="thumbs")


class TestMemcached(DriverContract):
    @pytest.fixture
    def driver(self, memcached_location: str) -> Driver:
        return driver("memcached", memcached_location)

    @pytest.fixture
    def dead_driver(self) -> Driver:
        return driver("memcached", NOBODY)


class TestMemcachedByAlias(DriverContract):
    @pytest.fixture
    def driver(self, memcached_location: str, settings: Any) -> Driver:
        settings.CACHES = {
            **settings.CACHES,
            "thumbs": {
                "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
                "LOCATION": [memcached_location],
            },
        }
        return driver("memcached", name="thumbs")

    @pytest.fixture
    def dead_driver(self) -> Driver:
        return driver("memcached", NOBODY)


class OfDjango(DriverContract):
    @pytest.fixture
    def dead_driver(self, settings: Any) -> Driver:
        settings.CACHES = {
            **settings.CACHES,
            "dead": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": f"redis://{NOBODY}/0",
            },
        }
        return driver("django", name="dead")


class TestDjangoInMemory(OfDjango):
    @pytest.fixture
    def driver(self) -> Driver:
        return driver("django", name="default")


class TestDjangoOnRedis(OfDjango):
    @pytest.fixture
    def driver(self, redis_location: str, settings: Any) -> Driver:
        settings.CACHES = {
            **settings.CACHES,
            "thumbs": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": redis_location,
            },
        }
        return driver("django", name="thumbs")


class TestDjangoOnFiles(OfDjango):
    # The docstring of the driver says so: FileBasedCache looks first and writes then.
    test_add_has_one_winner = None  # type: ignore[assignment]

    @pytest.fixture
    def driver(self, settings: Any, tmp_path: Path) -> Driver:
        settings.CACHES = {
            **settings.CACHES,
            "thumbs": {
                "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                "LOCATION": str(tmp_path),
            },
        }
        return driver("django", name="thumbs")


def test_a_memcached_that_is_gone_for_a_while(tmp_path: Path, memcached_location: str) -> None:
    """Its keys are not given to another server: what is deleted meanwhile would come back with it."""
    with running_memcached(tmp_path) as other:
        both = driver("memcached", f"{memcached_location},{other.location}")
        keys = [new_key() for _ in range(40)]
        for key in keys:
            both.set(key, b"1", 60)
        assert len(both.get_many(keys)) == 40
    gone = 0
    for key in keys:
        try:
            both.delete_many([key])
        except DriverError:
            gone += 1
    assert 0 < gone < 40
    with pytest.raises(DriverError):
        both.delete_many(keys)


def test_a_redis_cluster_is_not_healthy(tmp_path: Path, redis_location: str) -> None:
    """It answers to commands of one key, and to no look-up: pages would be lazy, and nobody know why."""
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with running_redis(tmp_path, *options) as server, Redis.from_url(server.url) as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        info: Any = functools.partial(client.execute_command, "CLUSTER INFO")
        wait_until(lambda: info()["cluster_state"] == "ok", "the cluster", 30)
        connection = CacheConnection(driver("redis", server.url), "thumbs:")
        with pytest.raises(DriverError, match="cluster mode disabled"):
            connection.check()


@pytest.mark.outside
@pytest.mark.parametrize("backend", ["redis", "memcached"])
def test_many_threads_and_a_dead_server(backend: str) -> None:
    """Nothing else than DriverError comes out, whatever the library keeps for itself."""
    dead = driver(backend, f"redis://{NOBODY}/0" if backend == "redis" else NOBODY)

    def ask(number: int) -> str:
        try:
            dead.get(f"key{number}")
        except DriverError:
            return "DriverError"
        return "an answer"

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(320))) == {"DriverError"}


@pytest.mark.outside
@pytest.mark.parametrize(
    ("backend", "location"),
    [
        ("redis", "127.0.0.1:6379"),
        ("redis", "http://127.0.0.1:6379"),
        ("redis", "redis://127.0.0.1:port/0"),
        ("memcached", "127.0.0.1:port"),
    ],
)
def test_an_address_that_is_none(backend: str, location: str) -> None:
    with pytest.raises(CacheSettingError, match="THUMBNAIL_CACHE_LOCATION"):
        driver(backend, location)


def test_an_alias_is_given_an_end_to_its_patience(settings: Any) -> None:
    """redis-py waits for ever unless it is told."""
    settings.CACHES = {
        **settings.CACHES,
        "thumbs": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://{NOBODY}/7"},
    }
    made: Any = driver("redis", name="thumbs", patience=CACHE_TIMEOUT)
    pool = made._client.get_client().connection_pool
    assert 0 < pool.connection_kwargs["socket_timeout"] <= 1
    assert 0 < pool.connection_kwargs["socket_connect_timeout"] <= 1


def test_redis_holds_plain_keys_and_values(redis_location: str) -> None:
    """No pickle and no prefix of Django's: any language reads them."""
    import redis

    key = new_key()
    driver("redis", redis_location).set(key, b'{"v":1}', 60)
    client = redis.Redis.from_url(redis_location)
    assert client.get(key) == b'{"v":1}'
    assert 0 < client.ttl(key) <= 60


def test_memcached_holds_plain_keys_and_values(memcached_location: str) -> None:
    from pymemcache.client.base import Client

    key = new_key()
    driver("memcached", memcached_location).set(key, b'{"v":1}', 60)
    assert Client(memcached_location).get(key) == b'{"v":1}'


class MyDriver(Driver):
    """Of a third party; never used beyond being found."""

    def __init__(self, cache: CacheConfig) -> None:
        self.location = cache.location

    def get_many(self, keys: Any) -> dict[str, bytes]:
        return {}

    def set(self, key: str, value: bytes, timeout: int) -> None: ...

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        return True

    def delete_many(self, keys: Any) -> None: ...


def test_a_driver_by_its_dotted_path() -> None:
    made = driver("tests.cache.test_drivers.MyDriver", "somewhere")
    assert type(made).__name__ == "MyDriver"
    assert made.location.reveal() == "somewhere"  # type: ignore[attr-defined]


def test_a_driver_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another package registers it: by metadata on the path, found by the real machinery."""
    metadata = tmp_path / "their_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[shrinkmeister.drivers]\ntheirs = tests.cache.test_drivers:MyDriver\n"
    )
    with pytest.raises(ImproperlyConfigured, match="theirs"):
        driver_class("theirs")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert driver_class("theirs").__name__ == "MyDriver"
    with pytest.raises(ImproperlyConfigured, match="memcached, redis, theirs"):
        driver_class("other")


@pytest.mark.parametrize(("backend", "library"), [("redis", "django_redis"), ("memcached", "pymemcache")])
def test_a_missing_library_is_named(backend: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == library:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImproperlyConfigured, match=rf'pip install "shrinkmeister\[{backend}\]"'):
        driver(backend, "somewhere:1")


@pytest.mark.parametrize("backend", ["redis", "memcached"])
def test_a_missing_location(backend: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="THUMBNAIL_CACHE_LOCATION is not set"):
        driver(backend)
    with pytest.raises(ImproperlyConfigured, match="THUMBNAIL_CACHE_NAME is 'mispelled'"):
        driver(backend, name="mispelled")


def test_django_takes_no_location() -> None:
    with pytest.raises(ImproperlyConfigured, match="THUMBNAIL_CACHE_LOCATION is set"):
        driver("django", "x", name="default")


@pytest.mark.outside
def test_unused_drivers_import_nothing() -> None:
    """A Lambda that uses Redis does not load pymemcache, and a module of a driver loads no library."""
    script = (
        "import sys; from django.conf import settings; settings.configure();"
        "import shrinkmeister.drivers.redis, shrinkmeister.drivers.memcached;"
        "import shrinkmeister.drivers.django_cache;"
        "libraries = {'redis', 'django_redis', 'pymemcache'};"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & libraries))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_registry_is_complete() -> None:
    folder = Path(shrinkmeister.drivers.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "contract"}
    assert modules == {path.split(".")[-2] for path in shrinkmeister.drivers.DRIVERS.values()}


def test_the_driver_needs_no_set_many_of_its_own() -> None:
    class Plain(Driver):
        def __init__(self) -> None:
            self.values: dict[str, bytes] = {}

        def get_many(self, keys: Any) -> dict[str, bytes]:
            return {}

        def set(self, key: str, value: bytes, timeout: int) -> None:
            self.values[key] = value

        def add(self, key: str, value: bytes, timeout: int) -> bool:
            return True

        def delete_many(self, keys: Any) -> None: ...

    driver = Plain()
    driver.set_many({"a": b"1", "b": b"2"}, 60)
    assert driver.values == {"a": b"1", "b": b"2"}
    assert driver.keys("") is None


def test_redis_lists_its_keys_page_by_page(redis_location: str) -> None:
    redis = driver("redis", redis_location)
    there = {f"many:{number}": b"1" for number in range(3000)}
    redis.set_many(there, 60)
    redis.set("of another", b"1", 60)
    assert sorted(redis.keys("many:") or ()) == sorted(there)


def test_redis_has_keys_of_others_that_are_no_text(redis_location: str) -> None:
    redis = driver("redis", redis_location)
    Redis.from_url(redis_location).set(b"\xff", b"1")
    redis.set("ours", b"1", 60)
    assert "ours" in list(redis.keys("") or ())


def test_memcached_keeps_what_would_end_later_than_it_can_tell(memcached_location: str) -> None:
    memcached = driver("memcached", memcached_location)
    memcached.set("later", b"1", 50 * 365 * 24 * 3600)
    memcached.set_many({"later-too": b"1"}, 50 * 365 * 24 * 3600)
    assert memcached.get_many(["later", "later-too"]) == {"later": b"1", "later-too": b"1"}


@pytest.mark.outside
def test_a_memcached_that_does_not_list_its_keys(tmp_path: Path) -> None:
    with running_memcached(tmp_path, "-o", "no_lru_crawler") as server:
        driver("memcached", server.location).set("key", b"1", 60)
        with pytest.raises(DriverError, match="timed out"):
            list(driver("memcached", server.location, patience=0.1).keys("k") or ())


def test_a_cache_of_django_that_does_not_store_all(settings: Any) -> None:
    settings.CACHES = {"full": {"BACKEND": "tests.cache.test_drivers.FullCache"}}
    driver = make_driver(CacheConfig("django", "full", Secret(""), ""))
    with pytest.raises(DriverError, match="did not store 1"):
        driver.set_many({"a": b"1", "b": b"2"}, 60)


class FullCache(LocMemCache):
    def set_many(self, data: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return list(data)[1:]


def test_it_has_its_own_patience_beside_others_at_that_address(settings: Any) -> None:
    """django-redis shares pools of connections by address."""
    location = f"redis://{NOBODY}/8"
    alias = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}
    settings.CACHES = {**settings.CACHES, "of the site": alias}
    site: Any = caches["of the site"]
    others = site.client.get_client().connection_pool
    assert "socket_timeout" not in others.connection_kwargs
    made: Any = driver("redis", location)
    kwargs = made._client.get_client().connection_pool.connection_kwargs
    assert kwargs["socket_timeout"] == kwargs["socket_connect_timeout"] > 0


@pytest.mark.outside
@pytest.mark.parametrize("backend", ["redis", "memcached"])
@pytest.mark.parametrize(
    "answer", [b"+OK\r\n", b"_\r\n", b"#t\r\n", b",x\r\n", b"VALUE\r\n", b"\xff" * 9 + b"\r\n"]
)
def test_what_answers_is_no_cache(backend: str, answer: bytes, settings: Any) -> None:
    """Another service on that port: it has failed, whatever the library makes of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            with suppress(OSError):  # when it is closed
                while True:
                    client, _ = listener.accept()
                    Thread(target=answer_all, args=(client,), daemon=True).start()

        def answer_all(client: socket.socket) -> None:
            with client, suppress(OSError):
                while client.recv(65536):
                    client.sendall(answer + b"\r\n")

        Thread(target=babble, daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        location = f"redis://{address}/0" if backend == "redis" else address
        # Some of these answers have no end that the library sees.
        made = driver(backend, location, patience=CACHE_TIMEOUT)
        with pytest.raises(DriverError):
            made.get_many(["a", "b"])
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("alias", [False, True])
def test_an_address_that_cannot_be_read_tells_nothing_of_its_password(settings: Any, alias: bool) -> None:
    location = "redis://:secret/word@127.0.0.1:6379/0"
    if alias:
        backend = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}
        settings.CACHES = {**settings.CACHES, "used": backend}
    else:
        settings.THUMBNAIL_CACHE_LOCATION = location
    cache = CacheConfig("redis", "used", Secret("" if alias else location), "p:")
    with pytest.raises(CacheSettingError, match="%2F") as refused:
        make_driver(cache)
    assert "secret" not in str(refused.value)

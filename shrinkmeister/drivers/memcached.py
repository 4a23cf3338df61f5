"""Memcached, through pymemcache (https://github.com/pinterest/pymemcache).

One pooled client a server, and pymemcache's rendezvous hash to choose it. Not its HashClient: that one
gives a dead server's keys to another one, so that what was deleted meanwhile is back with the server; and
it keeps its list of dead servers without a lock.

An alias of CACHES gives the servers' addresses alone: its values would pass Django's pickle.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.utils.module_loading import import_string

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.drivers.base import CacheSettingError, Driver, missing_library, required_location
from shrinkmeister.exceptions import DriverError

# Memcached takes a longer one for a point in time since 1970:
# https://github.com/memcached/memcached/blob/master/doc/protocol.txt, "Expiration times".
LONGEST_RELATIVE_TIMEOUT = 30 * 24 * 3600
# A later one is taken for one that is over: points in time have 31 bits there.
LATEST_END = 2**31 - 1


class MemcachedDriver(Driver):
    def __init__(self, cache: CacheConfig) -> None:
        try:
            from pymemcache.client.base import PooledClient, normalize_server_spec
            from pymemcache.client.rendezvous import RendezvousHash
        except ImportError as error:
            raise missing_library(cache, "pymemcache", error) from error
        if cache.name in settings.CACHES:
            backend = settings.CACHES[cache.name]["BACKEND"]
            if not issubclass(import_string(backend), BaseMemcachedCache):
                raise CacheSettingError(
                    f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, and CACHES[{cache.name!r}] is a "
                    f"{backend}.",
                    "Use a backend of django.core.cache.backends.memcached there, or another "
                    "THUMBNAIL_CACHE_NAME with THUMBNAIL_CACHE_LOCATION.",
                )
            location = settings.CACHES[cache.name].get("LOCATION", "")
        else:
            location = required_location(cache, "127.0.0.1:11211")
        servers = location.split(",") if isinstance(location, str) else list(location)
        self._clients = {
            server: PooledClient(
                normalize_server_spec(server.strip()),
                connect_timeout=cache.timeout,
                timeout=cache.timeout,
                no_delay=True,
                # Else `add` always says True, and errors of `set` are never read.
                default_noreply=False,
            )
            for server in servers
        }
        self._hash = RendezvousHash(self._clients)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for client, of_server in self._by_client(keys):
            found |= self._call(client, "get_many", of_server)
        return found

    def set(self, key: str, value: bytes, timeout: int) -> None:
        if not self._call(self._client(key), "set", key, value, expire=_expire(timeout)):
            raise DriverError(f"Memcached: did not store {key}")

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        return bool(self._call(self._client(key), "add", key, value, expire=_expire(timeout)))

    def set_many(self, values: Mapping[str, bytes], timeout: int) -> None:
        for client, of_server in self._by_client(values):
            written = {key: values[key] for key in of_server}
            if failed := self._call(client, "set_many", written, expire=_expire(timeout)):
                raise DriverError(f"Memcached: did not store {len(failed)} values")

    def delete_many(self, keys: Iterable[str]) -> None:
        for client, of_server in self._by_client(keys):
            self._call(client, "delete_many", of_server)

    def keys(self, prefix: str) -> Iterator[str]:
        # https://github.com/memcached/memcached/blob/master/doc/protocol.txt, "LRU_Crawler". One that does
        # not list its keys says so in a line of another end, which is waited for until the time is over.
        for client in self._clients.values():
            answer = self._call(client, "raw_command", "lru_crawler metadump hash", "END\r\n")
            for line in answer.decode(errors="replace").splitlines():
                field, _, name = line.partition(" ")[0].partition("=")
                if field == "key" and (key := unquote(name)).startswith(prefix):
                    yield key

    def _client(self, key: str) -> Any:
        return self._clients[self._hash.get_node(key)]

    def _by_client(self, keys: Iterable[str]) -> Iterable[tuple[Any, list[str]]]:
        grouped: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            grouped[self._hash.get_node(key)].append(key)
        return [(self._clients[server], of_server) for server, of_server in grouped.items()]

    def _call(self, client: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        from pymemcache.exceptions import MemcacheUnexpectedCloseError

        call = partial(getattr(client, method), *args, **kwargs)
        try:
            try:
                return call()
            except (OSError, MemcacheUnexpectedCloseError):
                # Idle connections may be lost without notice, all at a time. So the retry is on a new one:
                # pymemcache's RetryingClient would take the next one of the pool.
                pool = client.client_pool
                while pool.free:
                    pool.destroy(pool.get())
                return call()
        # Of answers that are none, the library raises anything: ValueError, KeyError, RecursionError.
        except Exception as error:
            failed = caused(DriverError(f"Memcached: {described(error)}"), error)
        raise failed


def _expire(timeout: int) -> int:
    if timeout <= LONGEST_RELATIVE_TIMEOUT:
        return timeout
    end = int(time.time()) + timeout
    return end if end <= LATEST_END else 0  # never

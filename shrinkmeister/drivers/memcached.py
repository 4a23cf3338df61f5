"""Memcached, through pymemcache (https://github.com/pinterest/pymemcache).

The driver has a pooled client per server, and chooses one by pymemcache's rendezvous hash. pymemcache's own
HashClient moves a dead server's keys to another one, so that values deleted meanwhile come back with the
server. It also keeps its list of dead servers without a lock.

An alias of CACHES gives only the servers' addresses, since Django's cache would pickle the values.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from django.core.cache.backends.memcached import BaseMemcachedCache

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.drivers.base import Driver, entry_of_caches, missing_library
from shrinkmeister.exceptions import DriverError

# Memcached reads a longer one as a Unix time:
# https://github.com/memcached/memcached/blob/master/doc/protocol.txt, "Expiration times".
LONGEST_RELATIVE_TIMEOUT = 30 * 24 * 3600
# Memcached's times have 31 bits: it reads a later one as expired.
LATEST_END = 2**31 - 1


class MemcachedDriver(Driver):
    def __init__(self, cache: CacheConfig) -> None:
        try:
            from pymemcache.client.base import PooledClient, normalize_server_spec
            from pymemcache.client.rendezvous import RendezvousHash
        except ImportError as error:
            raise missing_library(cache, "pymemcache", error) from error
        location = entry_of_caches(
            cache,
            BaseMemcachedCache,
            "127.0.0.1:11211",
            "Use a backend of django.core.cache.backends.memcached there, or another THUMBNAIL_CACHE_NAME "
            "with THUMBNAIL_CACHE_LOCATION.",
        ).get("LOCATION", "")
        servers = location.split(",") if isinstance(location, str) else list(location)
        self._clients = {
            server: PooledClient(
                normalize_server_spec(server.strip()),
                connect_timeout=cache.timeout,
                timeout=cache.timeout,
                no_delay=True,
                # Otherwise `add` always returns True, and errors of `set` are never read.
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
        # https://github.com/memcached/memcached/blob/master/doc/protocol.txt, "LRU_Crawler". A server that
        # cannot list its keys ends its answer with another line, so that the call times out.
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
        # For invalid answers, the library raises any error: ValueError, KeyError, RecursionError.
        with errors_as(lambda error: DriverError(f"Memcached: {described(error)}")):
            try:
                return call()
            except (OSError, MemcacheUnexpectedCloseError):
                # Idle connections may be lost without notice, all at the same time. So the retry uses a
                # new one. pymemcache's RetryingClient would use the next one of the pool.
                pool = client.client_pool
                while pool.free:
                    pool.destroy(pool.get())
                return call()


def _expire(timeout: int) -> int:
    if timeout <= LONGEST_RELATIVE_TIMEOUT:
        return timeout
    end = int(time.time()) + timeout
    return end if end <= LATEST_END else 0  # never

"""Redis, through django-redis (https://github.com/jazzband/django-redis).

The driver uses the raw client of django-redis, which does not serialize values. The serializer is pickle by
default, and reading a pickle from a shared Redis runs its writer's code. So values are plain bytes under
plain Redis keys, which any language can read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from operator import methodcaller
from typing import Any

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.drivers.base import Driver, entry_of_caches, missing_library
from shrinkmeister.exceptions import DriverError

# redis-py's options in django-redis' CONNECTION_POOL_KWARGS. If a site sets one, the driver adds none.
RETRY_OPTIONS = {"retry", "retry_on_error", "retry_on_timeout"}

# A page reads all of its keys with one command, and so from one node.
CLUSTER = ": a cluster cannot be the shared cache. Use Redis with cluster mode disabled, or Memcached"


class RedisDriver(Driver):
    def __init__(self, cache: CacheConfig) -> None:
        try:
            from django_redis.cache import RedisCache
        except ImportError as error:
            raise missing_library(cache, "django-redis", error) from error
        entry = entry_of_caches(
            cache,
            RedisCache,
            "redis://127.0.0.1:6379/0",
            "Use the backend 'django_redis.cache.RedisCache' there, or THUMBNAIL_CACHE_BACKEND = 'django', "
            "or an unused THUMBNAIL_CACHE_NAME with THUMBNAIL_CACHE_LOCATION.",
        )
        # Built as Django does it, with timeouts and a retry.
        options = _with_defaults(entry.get("OPTIONS", {}), cache)
        shared = entry.pop("BACKEND")(entry.pop("LOCATION", ""), {**entry, "OPTIONS": options})
        # Creates the client, which parses the address, and connects when it is used.
        self._client = shared.client
        # django-redis shares a pool of connections among all caches with one address, with the options of
        # the first one. The site's own cache would take away our timeouts and retry.
        self._client.connection_factory._pools = {}
        self._client.get_client(write=True)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        keys = list(keys)
        values = self._call(lambda client: client.mget(keys), write=False) if keys else []
        return {k: v for k, v in zip(keys, values, strict=True) if v is not None}

    def set(self, key: str, value: bytes, timeout: int) -> None:
        self._call(lambda client: client.set(key, value, ex=timeout))

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        return bool(self._call(lambda client: client.set(key, value, ex=timeout, nx=True)))

    def set_many(self, values: Mapping[str, bytes], timeout: int) -> None:
        def pipelined(client: Any) -> None:
            with client.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    pipeline.set(key, value, ex=timeout)
                pipeline.execute()

        self._call(pipelined)

    def delete_many(self, keys: Iterable[str]) -> None:
        if keys := list(keys):
            self._call(lambda client: client.delete(*keys))

    def keys(self, prefix: str) -> Iterator[str]:
        pattern = re.sub(r"([*?\[\]\\^])", r"\\\1", prefix) + "*"
        cursor = 0
        while True:
            cursor, found = self._call(methodcaller("scan", cursor, pattern, 1000))
            yield from (key.decode(errors="replace") for key in found)
            if not cursor:
                return

    def _call(self, command: Any, write: bool = True) -> Any:
        # For invalid answers, the library raises any error: ValueError, KeyError, RecursionError.
        with errors_as(_driver_error):
            return command(self._client.get_client(write=write))


def _driver_error(error: Exception) -> DriverError:
    from redis.exceptions import ClusterCrossSlotError

    hint = CLUSTER if isinstance(error, ClusterCrossSlotError) else ""
    return DriverError(f"Redis: {described(error)}{hint}")


def _with_defaults(options: Mapping[str, Any], cache: CacheConfig) -> dict[str, Any]:
    """Return OPTIONS of django-redis with our timeouts and retry, unless the site has set its own."""
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError
    from redis.retry import Retry

    timeouts = {"SOCKET_CONNECT_TIMEOUT": cache.timeout, "SOCKET_TIMEOUT": cache.timeout}
    connections = options.get("CONNECTION_POOL_KWARGS", {})
    if not RETRY_OPTIONS & connections.keys():
        # One retry, on a new connection. An idle connection may be lost without notice. After a failover
        # it may lead to the former primary, which is a replica now and refuses writes. Only redis-py's
        # errors: it retries Python's errors within each retry, and a page would wait three times.
        retry = {
            "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError, TimeoutError)),
            "retry_on_error": [ReadOnlyError, ConnectionError],
        }
        connections = {**retry, **connections}
    return {**timeouts, **options, "CONNECTION_POOL_KWARGS": connections}

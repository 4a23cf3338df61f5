"""Any cache of Django's CACHES.

Such a cache writes our values as it writes all others, most of them with pickle. Use it where client
and server trust whoever can write there, as with files of one machine; Redis and Memcached have
drivers of their own. `add` is as atomic as the cache's own: that of FileBasedCache is not, so that two
servers may now and then make one thumbnail twice.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.cache import caches

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.drivers.base import CacheSettingError, Driver
from shrinkmeister.exceptions import DriverError


class DjangoCacheDriver(Driver):
    def __init__(self, cache: CacheConfig) -> None:
        if cache.name not in settings.CACHES:
            raise CacheSettingError(
                f"THUMBNAIL_CACHE_BACKEND is 'django', THUMBNAIL_CACHE_NAME is {cache.name!r}, and CACHES "
                f"has no such alias.",
                f"Use one of {sorted(settings.CACHES)}, or add the alias.",
            )
        if cache.location:
            raise CacheSettingError(
                "THUMBNAIL_CACHE_BACKEND is 'django', which takes its cache from CACHES, and "
                "THUMBNAIL_CACHE_LOCATION is set too.",
                "Remove THUMBNAIL_CACHE_LOCATION.",
            )
        self._alias = cache.name

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = self._call("get_many", list(keys))
        return {key: value for key, value in found.items() if isinstance(value, bytes)}

    def set(self, key: str, value: bytes, timeout: int) -> None:
        self._call("set", key, value, timeout)

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        return bool(self._call("add", key, value, timeout))

    def set_many(self, values: Mapping[str, bytes], timeout: int) -> None:
        # django-redis answers None.
        if failed := self._call("set_many", dict(values), timeout):
            raise DriverError(f"CACHES[{self._alias!r}]: did not store {len(failed)} values")

    def delete_many(self, keys: Iterable[str]) -> None:
        self._call("delete_many", list(keys))

    def _call(self, method: str, *args: Any) -> Any:
        # Caches are looked up by alias each time: Django keeps one a thread.
        try:
            try:
                return getattr(caches[self._alias], method)(*args)
            except Exception:
                # Once more, with a new cache: most have connections of their own, which may have been lost
                # while they were idle. pymemcache's HashClient would answer nothing for a second.
                with suppress(AttributeError):  # where making the cache has failed
                    del caches[self._alias]
                return getattr(caches[self._alias], method)(*args)
        # A backend raises whatever its library raises; all of it means that the cache failed.
        except Exception as error:
            failed = caused(DriverError(f"CACHES[{self._alias!r}]: {described(error)}"), error)
        raise failed

"""Any cache of Django's CACHES.

Most of these caches pickle their values, and reading a pickle runs its writer's code. Use this driver only
if every writer of the cache is trusted, such as for files on one machine. `add` is only as atomic as the
cache's own: with FileBasedCache, two servers may sometimes make the same thumbnail.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.cache import caches

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.drivers.base import CacheSettingError, Driver
from shrinkmeister.exceptions import DriverError


class DjangoCacheDriver(Driver):
    def __init__(self, cache: CacheConfig) -> None:
        if cache.name not in settings.CACHES:
            raise CacheSettingError(
                f"THUMBNAIL_CACHE_BACKEND is 'django', and THUMBNAIL_CACHE_NAME is {cache.name!r}, which "
                f"is not an alias of CACHES.",
                f"Use one of {sorted(settings.CACHES)}, or add the alias.",
            )
        if cache.location:
            raise CacheSettingError(
                "THUMBNAIL_CACHE_BACKEND is 'django', which uses a cache of CACHES, but "
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
        # django-redis returns None.
        if failed := self._call("set_many", dict(values), timeout):
            raise DriverError(f"CACHES[{self._alias!r}]: did not store {len(failed)} values")

    def delete_many(self, keys: Iterable[str]) -> None:
        self._call("delete_many", list(keys))

    def _call(self, method: str, *args: Any) -> Any:
        # Each backend raises the errors of its library. All of them mean that the cache failed.
        with errors_as(lambda error: DriverError(f"CACHES[{self._alias!r}]: {described(error)}")):
            # The cache is looked up each time, since Django keeps one per thread.
            try:
                return getattr(caches[self._alias], method)(*args)
            except Exception:
                # Retry once with a new cache, since an idle connection may have been lost. The former
                # cache may stay broken: pymemcache's HashClient returns no values for a second.
                with suppress(AttributeError):  # if creating the cache has failed
                    del caches[self._alias]
                return getattr(caches[self._alias], method)(*args)

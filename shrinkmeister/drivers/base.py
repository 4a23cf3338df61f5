"""The interface of drivers. A driver connects the shared cache to one library, in one short file."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from shrinkmeister.conf import CacheConfig, SettingError


class CacheSettingError(SettingError):
    """The settings of the shared cache do not fit the driver, or contradict each other."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__("shrinkmeister.E012", message, hint)


class Driver(ABC):
    """A store of bytes under text keys. Values expire.

    Keys are at most 235 printable ASCII characters without spaces. Timeouts are whole seconds above 0,
    and may be years. Every method is thread-safe, and raises DriverError within about a second if the cache
    fails. The constructor imports the library, but does not connect. It raises CacheSettingError if it
    cannot use the settings.
    """

    @abstractmethod
    def __init__(self, cache: CacheConfig) -> None: ...

    def get(self, key: str) -> bytes | None:
        return self.get_many([key]).get(key)

    @abstractmethod
    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of the keys that exist, in one round trip per server."""

    @abstractmethod
    def set(self, key: str, value: bytes, timeout: int) -> None:
        """Write the value, and replace an older one. The value expires after `timeout` seconds."""

    @abstractmethod
    def add(self, key: str, value: bytes, timeout: int) -> bool:
        """Write the value if the key does not exist, and return whether it was written. This is atomic."""

    def set_many(self, values: Mapping[str, bytes], timeout: int) -> None:
        """Write hundreds of values as `set` does. Use one round trip per server if the library can."""
        for key, value in values.items():
            self.set(key, value, timeout)

    @abstractmethod
    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete the keys. A missing key is not an error."""

    def keys(self, prefix: str) -> Iterator[str] | None:
        """Return the keys that begin with `prefix`, in any order; None if the cache cannot list its keys.

        A key that is written or deleted meanwhile may be missing or included.
        """
        return None


def entry_of_caches(cache: CacheConfig, kind: type, example: str, hint: str) -> dict[str, Any]:
    """Return the entry of CACHES that is the shared cache, or one with THUMBNAIL_CACHE_LOCATION.

    Its BACKEND is a class: `kind` or a subclass. hint: what to do about another one
    """
    entry = settings.CACHES.get(cache.name)
    if entry is None and not cache.location:
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_LOCATION is not set, and THUMBNAIL_CACHE_NAME is {cache.name!r}, which is "
            f"not an alias of CACHES.",
            f"Write the address of the cache for the driver {cache.backend!r}, for instance {example!r}, "
            f"or an alias of CACHES in THUMBNAIL_CACHE_NAME.",
        )
    if entry is None:
        return {"BACKEND": kind, "LOCATION": cache.location.reveal()}
    backend = import_string(entry["BACKEND"])
    if not issubclass(backend, kind):
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, and CACHES[{cache.name!r}] is a "
            f"{entry['BACKEND']}.",
            hint,
        )
    return {**entry, "BACKEND": backend}


def missing_library(cache: CacheConfig, library: str, error: ImportError) -> CacheSettingError:
    return CacheSettingError(
        f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, which needs {library}: {error}.",
        f'Install it with `pip install "shrinkmeister[{cache.backend}]"`.',
    )

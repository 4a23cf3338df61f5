"""The interface of drivers. A driver connects the shared cache to one library, in one short file."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from shrinkmeister.conf import CacheConfig, SettingError


class CacheSettingError(SettingError):
    """The settings of the shared cache do not fit the driver, or contradict each other."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__("shrinkmeister.E012", message, hint)


class Driver(ABC):
    """Bytes under text keys, which expire.

    Keys are at most 235 printable ASCII characters without spaces. Timeouts are whole seconds above 0,
    and may be years. Every method is thread-safe, and raises DriverError within about a second if the cache
    fails. The constructor imports the library and does not connect. It raises CacheSettingError for
    settings that it cannot use.
    """

    @abstractmethod
    def __init__(self, cache: CacheConfig) -> None: ...

    def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        return self.get_many([key]).get(key)

    @abstractmethod
    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one, in one round trip per server."""

    @abstractmethod
    def set(self, key: str, value: bytes, timeout: int) -> None:
        """Write the value, replacing an older one. It expires after `timeout` seconds."""

    @abstractmethod
    def add(self, key: str, value: bytes, timeout: int) -> bool:
        """Write the value if the key has none, and return whether it was written. Atomic."""

    def set_many(self, values: Mapping[str, bytes], timeout: int) -> None:
        """Write hundreds of values as `set` does, in one round trip per server if the library can."""
        for key, value in values.items():
            self.set(key, value, timeout)

    @abstractmethod
    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete the keys. A missing key is not an error."""

    def keys(self, prefix: str) -> Iterator[str] | None:
        """Return the keys that begin with `prefix`, in any order; None if the cache cannot list its keys.

        Keys that are written or deleted meanwhile may be missing or included.
        """
        return None


def required_location(cache: CacheConfig, example: str) -> str:
    """Return `THUMBNAIL_CACHE_LOCATION`, for a driver that creates its own client."""
    if cache.location:
        return cache.location.reveal()
    if cache.name_given:
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_NAME is {cache.name!r}, which is not an alias of CACHES.",
            f"Add it to CACHES, or set THUMBNAIL_CACHE_LOCATION, for instance to {example!r}.",
        )
    raise CacheSettingError(
        "THUMBNAIL_CACHE_LOCATION is not set.",
        f"Write the address of the cache for the driver {cache.backend!r}, for instance {example!r}, or "
        f"an alias of CACHES in THUMBNAIL_CACHE_NAME.",
    )


def missing_library(cache: CacheConfig, library: str, error: ImportError) -> CacheSettingError:
    return CacheSettingError(
        f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, which needs {library}: {error}.",
        f"Install it with `pip install shrinkmeister[{cache.backend}]`.",
    )

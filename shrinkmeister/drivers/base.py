"""A driver is where the shared cache lives: one library, one short file.

A third party's driver subclasses Driver, runs `shrinkmeister.drivers.contract.DriverContract` as its
tests, and is named by its dotted path or by an entry point in the group "shrinkmeister.drivers".
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from shrinkmeister.conf import CacheConfig, SettingError


class CacheSettingError(SettingError):
    """The settings of the shared cache do not fit a driver, or one another."""

    code = "cache-setting"

    def __init__(self, message: str, hint: str) -> None:
        super().__init__("shrinkmeister.E012", message, hint)


class Driver(ABC):
    """Bytes under text keys, with an end.

    Keys are at most 235 printable ASCII characters without spaces. Timeouts are whole seconds above 0;
    any length works. Every method may be called from many threads, and raises DriverError, within
    about a second, when the cache does not do it. The constructor imports the library and connects to
    nothing; it raises CacheSettingError where it cannot work.
    """

    @abstractmethod
    def __init__(self, cache: CacheConfig) -> None: ...

    def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        return self.get_many([key]).get(key)

    @abstractmethod
    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those keys that have one, in one round trip a server."""

    @abstractmethod
    def set(self, key: str, value: bytes, timeout: int) -> None:
        """Writes the value, over an older one too; it is gone after `timeout` seconds."""

    @abstractmethod
    def add(self, key: str, value: bytes, timeout: int) -> bool:
        """Writes the value if there is none, and says whether it did. Atomic: of many, one wins."""

    def set_many(self, values: Mapping[str, bytes], timeout: int) -> None:
        """Writes some hundreds of values as `set` does; in one round trip a server, if the library can."""
        for key, value in values.items():
            self.set(key, value, timeout)

    @abstractmethod
    def delete_many(self, keys: Iterable[str]) -> None:
        """Removes the keys; those that are not there are no error."""

    def keys(self, prefix: str) -> Iterator[str] | None:
        """The keys that begin with `prefix`, in no order; None where the cache cannot list its keys.

        Those that come or go meanwhile may be among them or not.
        """
        return None


def required_location(cache: CacheConfig, example: str) -> str:
    """`THUMBNAIL_CACHE_LOCATION`, for a driver that builds its own cache."""
    if cache.location:
        return cache.location.reveal()
    if cache.name_given:
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_NAME is {cache.name!r}, and CACHES has no such alias.",
            f"Add it to CACHES, or set THUMBNAIL_CACHE_LOCATION, for instance to {example!r}.",
        )
    raise CacheSettingError(
        "THUMBNAIL_CACHE_LOCATION is not set.",
        f"Say where the shared cache of the driver {cache.backend!r} is, for instance {example!r}, or "
        f"name an alias of CACHES in THUMBNAIL_CACHE_NAME.",
    )


def missing_library(cache: CacheConfig, library: str, error: ImportError) -> CacheSettingError:
    return CacheSettingError(
        f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, which needs {library}: {error}.",
        f"Install it with `pip install shrinkmeister[{cache.backend}]`.",
    )

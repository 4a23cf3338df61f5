"""The registry of drivers: `THUMBNAIL_CACHE_BACKEND` -> class.

A driver connects the shared cache to one library. To add one:

1. Subclass `Driver` in a file of its own here, named like the library: `shrinkmeister/drivers/redis.py`.
2. Add one line to DRIVERS.
3. Subclass `shrinkmeister.drivers.contract.DriverContract` in the tests, with a fixture for the driver.

Another package needs no line here: it registers its class in the entry point group "shrinkmeister.drivers",
or sites write the class's dotted path.
"""

from importlib.metadata import entry_points

from django.utils.module_loading import import_string

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import described, errors_as
from shrinkmeister.drivers.base import CacheSettingError, Driver

DRIVERS = {
    "redis": "shrinkmeister.drivers.redis.RedisDriver",
    "memcached": "shrinkmeister.drivers.memcached.MemcachedDriver",
    "django": "shrinkmeister.drivers.django_cache.DjangoCacheDriver",
}
ENTRY_POINTS = "shrinkmeister.drivers"


def driver_class(name: str) -> type[Driver]:
    """Return the class of a driver. Raises CacheSettingError for an unknown name."""
    try:
        if name in DRIVERS:
            found = import_string(DRIVERS[name])
        elif registered := entry_points(group=ENTRY_POINTS, name=name):
            found = next(iter(registered)).load()
        else:
            found = import_string(name)
    except (ImportError, AttributeError) as error:
        names = sorted({*DRIVERS, *entry_points(group=ENTRY_POINTS).names})
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_BACKEND is {name!r}, which is not an installed driver: {error}.",
            f"Use one of {', '.join(names)}, or the dotted path of a class.",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_BACKEND is {name!r}, which is not a driver.",
            "Name a subclass of shrinkmeister.drivers.base.Driver.",
        )
    return found


def make_driver(cache: CacheConfig) -> Driver:
    """Return a driver, which connects when it is used. Raises CacheSettingError for wrong settings."""
    kind = driver_class(cache.backend)

    # Each library raises its own errors for a wrong address or option.
    def refused(error: Exception) -> CacheSettingError | None:
        if isinstance(error, CacheSettingError):
            return None
        # Django raises an error of its own for a backend in CACHES that cannot be imported.
        missing = next((one for one in (error, error.__cause__) if isinstance(one, ImportError)), None)
        if missing:
            return CacheSettingError(
                f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, without a package: {described(missing)}",
                f"Install the package that has the module {missing.name!r}: with pip, where this runs.",
            )
        return CacheSettingError(
            f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, and its driver cannot be built with "
            f"THUMBNAIL_CACHE_NAME {cache.name!r} and THUMBNAIL_CACHE_LOCATION: {described(error)}",
            "Write the location in the driver's syntax, such as 'redis://host:6379/0' or 'host:11211'. In "
            "a password, write '/', '@', '#' and '?' as %2F, %40, %23 and %3F.",
        )

    with errors_as(refused):
        return kind(cache)

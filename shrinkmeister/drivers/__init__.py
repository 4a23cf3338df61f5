"""The registry of drivers: `THUMBNAIL_CACHE_BACKEND` -> class.

A name of DRIVERS, a name that an installed package registers in the entry point group
"shrinkmeister.drivers", or the dotted path of a class.
"""

from importlib.metadata import entry_points

from django.utils.module_loading import import_string

from shrinkmeister.conf import CacheConfig
from shrinkmeister.conf.credentials import caused, described
from shrinkmeister.drivers.base import CacheSettingError, Driver

DRIVERS = {
    "redis": "shrinkmeister.drivers.redis.RedisDriver",
    "memcached": "shrinkmeister.drivers.memcached.MemcachedDriver",
    "django": "shrinkmeister.drivers.django_cache.DjangoCacheDriver",
}
ENTRY_POINTS = "shrinkmeister.drivers"


def driver_class(name: str) -> type[Driver]:
    """Raises CacheSettingError where there is no such driver."""
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
            f"THUMBNAIL_CACHE_BACKEND is {name!r}, and there is no such driver: {error}.",
            f"Use one of {', '.join(names)}, or the dotted path of a class.",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise CacheSettingError(
            f"THUMBNAIL_CACHE_BACKEND is {name!r}, which is not a driver.",
            "Name a subclass of shrinkmeister.drivers.base.Driver.",
        )
    return found


def make_driver(cache: CacheConfig) -> Driver:
    """A driver for the shared cache; nothing is connected yet.

    Raises CacheSettingError where the driver cannot work as it is configured.
    """
    made = driver_class(cache.backend)
    try:
        return made(cache)
    except CacheSettingError:
        raise
    # A library refuses an address or an option with an error of its own.
    except Exception as error:
        refused = caused(
            CacheSettingError(
                f"THUMBNAIL_CACHE_BACKEND is {cache.backend!r}, and its driver cannot be built with "
                f"THUMBNAIL_CACHE_NAME {cache.name!r} and THUMBNAIL_CACHE_LOCATION: {described(error)}",
                "Write the location as that driver takes it, such as 'redis://host:6379/0' or "
                "'host:11211'. In a password, '/', '@', '#' and '?' are %2F, %40, %23 and %3F.",
            ),
            error,
        )
    raise refused

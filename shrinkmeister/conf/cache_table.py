"""The rows of the shared cache in the site's table of settings: each field of CacheConfig is one."""

from dataclasses import dataclass

from shrinkmeister.conf import values
from shrinkmeister.conf.row import both, equal
from shrinkmeister.environment import NUMBER, SECRET, TEXT
from shrinkmeister.secret import Secret

# Seconds for which a page waits for the shared cache. After that, pages do not ask it for a while, and are
# lazy.
CACHE_TIMEOUT = 0.08


@dataclass(frozen=True)
class CacheConfig:
    """The settings of the shared cache.

    name      an alias of CACHES. If CACHES contains it, this cache is the shared cache
    location  one or several addresses, separated by commas
    timeout   how many seconds to wait for a response, and again as many for a connection
    """

    backend: str = equal(
        TEXT,
        "The driver of the shared cache: `redis`, `memcached`, `django`, a name that an installed package "
        "registers, or the dotted path of [your own](../how-to/shared-cache.md#a-driver-of-your-own).",
        "redis",
        differs="Site and server use different caches, and pages stay lazy.",
    )
    name: str = equal(
        TEXT,
        "An alias of `CACHES`. If `CACHES` contains it, this is the shared cache, and "
        "THUMBNAIL_CACHE_LOCATION is ignored. The other side may use an alias of another name, or "
        "THUMBNAIL_CACHE_LOCATION.",
        "shrinkmeister",
        read=values.cache_name,
        id="E009",
        hint="Write an alias of CACHES, or remove the setting.",
    )
    location: Secret = equal(  # noqa: RUF009 - it returns a field
        SECRET,
        "The address of the shared cache: `redis://host:6379/0` or `host:11211`. Separate several "
        "addresses by commas. With Memcached, list the same servers on both sides, in the same spelling. "
        "With Redis, a site may add replicas after the primary.",
        secret=True,
        read=values.cache_location,
        id="E009",
        hint="Write an address, such as 'redis://host:6379/0'.",
    )
    key_prefix: str = equal(
        TEXT,
        "The text at the beginning of each key in the shared cache.",
        "shrinkmeister:",
        differs="Neither side finds what the other one writes to the shared cache.",
        read=values.matching(values.KEY_PREFIX, default=False),
        id="E008",
        hint="Use at most 200 ASCII characters without spaces.",
    )
    timeout: float = both(
        NUMBER,
        "Seconds to wait for the shared cache. If a connection was lost, the wait can be twice as long. "
        "After a failure, the process does not use the cache for 5 seconds. Meanwhile pages show lazy "
        "URLs, and the server checks the bucket.",
        CACHE_TIMEOUT,
        server_default=0.5,
        name="THUMBNAIL_CACHE_WAIT_SECONDS",
        optional=True,
        read=values.number(0, 60, int, float),
        id="E023",
        hint="Write seconds above 0 and up to 60, or remove the setting for its default.",
    )

"""The shared cache of the tests, in which site and server are one process."""

from django.core.cache.backends.locmem import LocMemCache


class SharedMemoryCache(LocMemCache):
    """Stands for a cache that site and server share: a LocMemCache itself is a warning of the checks."""

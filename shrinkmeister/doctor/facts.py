"""Facts that each side states about itself, for `shrinkmeister doctor` to compare."""

import platform
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from typing import Any

from django.conf import settings

import shrinkmeister
from shrinkmeister.conf import Config
from shrinkmeister.conf.config import SITE_SETTINGS
from shrinkmeister.drivers import DRIVERS

PACKAGES = ("Django", "sorl-thumbnail", "Pillow", "pyvips")
NAMES = {path: name for name, path in DRIVERS.items()}
CACHE_SETTINGS = ("THUMBNAIL_CACHE_BACKEND", "THUMBNAIL_CACHE_KEY_PREFIX")
COMPARED = tuple(row for row in SITE_SETTINGS if row.differs)

# What follows if site and server have different values. The check `cache` compares the cache's settings.
CONSEQUENCES = {row.name: row.differs for row in COMPARED if row.name not in CACHE_SETTINGS}


def common_settings(config: Config) -> dict[str, Any]:
    """Return the settings that site and server must have equal, as values of JSON.

    The address of the shared cache is not among them: it may contain a password, and have two names.
    """
    found = {row.name: attrgetter(row.attribute)(config) for row in COMPARED}
    backend = config.cache.backend
    return found | {
        "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": list(config.resolutions),
        "THUMBNAIL_CACHE_BACKEND": NAMES.get(backend, backend),
    }


def cache_kind(config: Config) -> str:
    """Return the driver, and the class of its alias in CACHES: "django (...LocMemCache)"."""
    alias = settings.CACHES.get(config.cache.name)
    return f"{config.cache.backend} ({alias['BACKEND']})" if alias else config.cache.backend


def versions() -> dict[str, str]:
    """Return the versions of Shrinkmeister, Python and the installed PACKAGES."""
    found = {"shrinkmeister": shrinkmeister.__version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

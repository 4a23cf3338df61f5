"""What both sides say about themselves, for `shrinkmeister doctor` to compare."""

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
COMPARED = tuple(row for row in SITE_SETTINGS if row.differs)


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
    """The driver, and the class of its cache if that is one of CACHES: "django (...LocMemCache)"."""
    alias = settings.CACHES.get(config.cache.name)
    return f"{config.cache.backend} ({alias['BACKEND']})" if alias else config.cache.backend


def versions() -> dict[str, str]:
    """By name; without those that are not installed."""
    found = {"shrinkmeister": shrinkmeister.__version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

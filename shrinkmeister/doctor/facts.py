"""What both sides say about themselves, for `shrinkmeister doctor` to compare."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.conf import settings

import shrinkmeister
from shrinkmeister.conf import Config
from shrinkmeister.drivers import DRIVERS

PACKAGES = ("Django", "sorl-thumbnail", "Pillow", "pyvips")
NAMES = {path: name for name, path in DRIVERS.items()}


def common_settings(config: Config) -> dict[str, Any]:
    """Those that site and server have to have alike, as JSON has them.

    Not where the shared cache is: an address may hold a password, and have two names.
    """
    return {
        "THUMBNAIL_BUCKET": config.bucket,
        "THUMBNAIL_STORAGE": config.storage,
        "THUMBNAIL_PREFIX": config.prefix,
        "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": list(config.resolutions),
        "THUMBNAIL_CACHE_BACKEND": NAMES.get(config.cache.backend, config.cache.backend),
        "THUMBNAIL_CACHE_KEY_PREFIX": config.cache.key_prefix,
        "THUMBNAIL_TTL": config.ttl,
        "THUMBNAIL_CHECK_TTL": config.check_ttl,
        "THUMBNAIL_EXPIRE_DAYS": config.expire_days,
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

"""Facts that each side states about itself, for `shrinkmeister doctor` to compare."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.conf import settings

import shrinkmeister
from shrinkmeister.conf import Config
from shrinkmeister.drivers import DRIVERS

PACKAGES = ("Django", "sorl-thumbnail", "Pillow", "pyvips")
NAMES = {path: name for name, path in DRIVERS.items()}

# What follows if site and server have different values. The check `cache` compares the cache's settings.
CONSEQUENCES = {
    "THUMBNAIL_BUCKET": "The site signs URLs, deletes and prunes in another bucket than the server uses.",
    "THUMBNAIL_STORAGE": "The site deletes and prunes in another storage than the server uses.",
    "THUMBNAIL_PREFIX": "The site deletes, prunes and signs URLs under other names than the server uses.",
    "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": "The server answers 404 for a resolution that only the site "
    "lists, and pages stay lazy.",
    "THUMBNAIL_TTL": "In the eager mode, the site's records live for another time than the server's.",
    "THUMBNAIL_CHECK_TTL": "If the site's is shorter, pages stay lazy for records that the server trusts. "
    "If it is longer, lost thumbnails stay broken for longer.",
    "THUMBNAIL_EXPIRE_DAYS": "Pages show thumbnails that the bucket has deleted, or the server makes them "
    "again too early.",
}


def common_settings(config: Config) -> dict[str, Any]:
    """Return the settings that site and server need equal, as JSON values.

    The address of the shared cache is not among them: it may contain a password, and one cache can have two
    addresses.
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

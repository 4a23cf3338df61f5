"""System checks of the settings that site and server share. They load nothing that a page needs."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults

from shrinkmeister.conf.reader import SettingsReader
from shrinkmeister.conf.table import Config, SettingError
from shrinkmeister.drivers import driver_class, make_driver
from shrinkmeister.drivers.django_cache import DjangoCacheDriver
from shrinkmeister.storage.buckets import (
    MOST_SIGNED_SECONDS,
    S3_BACKEND,
    is_s3,
    missing_s3_package,
    open_thumbnail_storage,
    opens_storage,
    signs_for_too_long,
)

# Settings that only some versions of sorl have. Sites keep them when they change versions.
SORLS_OTHER_SETTINGS = {
    *("THUMBNAIL_COMMAND_TIMEOUT", "THUMBNAIL_DYNAMODB_NAME", "THUMBNAIL_FAST_URL"),
    *("THUMBNAIL_FORCE_OVERWRITE", "THUMBNAIL_LAZY_FILL_EMPTY", "THUMBNAIL_REDIS_SSL"),
    *("THUMBNAIL_REDIS_TIMEOUT", "THUMBNAIL_REDIS_URL", "THUMBNAIL_REMOVE_URL_ARGS"),
    *("THUMBNAIL_VIPSHEADER", "THUMBNAIL_VIPSTHUMBNAIL", "THUMBNAIL_VIPS_CACHE_MAX"),
}

# What a site cannot do without.
REQUIRED = ("THUMBNAIL_SECRET_KEY", "THUMBNAIL_SERVER_URL")
# Caches of Django that no other process reads, and why.
UNSHARED_CACHES = {
    "django.core.cache.backends.dummy.DummyCache": "which keeps nothing",
    "django.core.cache.backends.locmem.LocMemCache": "of which each process has its own",
}


def check_settings() -> list[CheckMessage]:
    """Report what is wrong with the settings that site and server share."""
    reader = SettingsReader()
    config = reader.config()
    problems = list(reader.problems)
    try:
        make_driver(config.cache)
    except SettingError as error:
        problems.append(error)
    return [*map(as_error, problems), *reader.warnings]


def is_valid(messages: Iterable[CheckMessage]) -> bool:
    return not any(message.is_serious() for message in messages)


def check_cache(config: Config) -> Iterator[CheckMessage]:
    """Warn of a shared cache that site and server cannot share.

    The eager mode works with one: tests use DummyCache to know nothing of one another.
    """
    if config.eager or not issubclass(driver_class(config.cache.backend), DjangoCacheDriver):
        return
    backend = settings.CACHES[config.cache.name]["BACKEND"]
    if reason := UNSHARED_CACHES.get(backend):
        name = backend.rpartition(".")[2]
        yield Warning(
            f"CACHES[{config.cache.name!r}], to which THUMBNAIL_CACHE_NAME leads, is a {name}, {reason}: "
            "pages stay lazy.",
            "Use Redis or Memcached on both sides (THUMBNAIL_CACHE_LOCATION = 'redis://host:6379/0'), or a "
            "FileBasedCache if both are on one machine.",
            id="shrinkmeister.W016",
        )


def check_aliases(config: Config) -> Iterator[CheckMessage]:
    """Report aliases in THUMBNAIL_SOURCES that this process cannot open."""
    for scheme, alias, _ in config.sources:
        if scheme == "storage" and alias not in settings.STORAGES:
            yield Error(
                f"THUMBNAIL_SOURCES contains 'storage://{alias}', but STORAGES has no alias {alias!r}.",
                "Add the alias to STORAGES as the other side has it, or remove it from THUMBNAIL_SOURCES.",
                id="shrinkmeister.E113",
            )


def check_expiry(config: Config) -> Iterator[CheckMessage]:
    """Warn of signed URLs that are to work for longer than S3 allows."""
    parameters = settings.STORAGES.get(config.storage, {})
    long = getattr(settings, "AWS_QUERYSTRING_EXPIRE", 0)
    if max(long, parameters.get("OPTIONS", {}).get("querystring_expire", 0)) <= MOST_SIGNED_SECONDS:
        return
    try:
        storage = open_thumbnail_storage()
        if not is_s3(storage):
            if not config.bucket or missing_s3_package(config.bucket):
                return
            storage = opens_storage(import_string(S3_BACKEND))()
    except SettingError:
        return  # this machine cannot open the storage; the code that needs it reports the error
    if signs_for_too_long(storage):
        yield Warning(
            f"AWS_QUERYSTRING_EXPIRE (querystring_expire) is {storage.querystring_expire}, but signed "
            f"URLs of S3 work for at most {MOST_SIGNED_SECONDS} seconds, 7 days.",
            f"Write at most {MOST_SIGNED_SECONDS}. Pages that a cache keeps for more than half of that "
            "show broken thumbnails.",
            id="shrinkmeister.W014",
        )


def as_error(error: SettingError) -> CheckMessage:
    return Error(error.message, error.hint, id=error.id)


def known_to_sorl() -> set[str]:
    """Return the names that the installed sorl reads, or that an older or newer one does."""
    return {name for name in dir(sorl_defaults) if name.startswith("THUMBNAIL_")} | SORLS_OTHER_SETTINGS


def misspelled(names: Iterable[str], known: Iterable[str]) -> list[CheckMessage]:
    """Warn of names that are nearly a known one. A site may have other THUMBNAIL_ settings of its own."""
    names, known = sorted(names), sorted(known_to_sorl().union(known))
    missing = [name for name in REQUIRED if name not in names]
    return [
        Warning(
            f"{name} is not a setting of sorl-thumbnail or Shrinkmeister.",
            f"Did you mean {meant}?",
            id="shrinkmeister.W002",
        )
        for name in names
        if name not in known and (meant := _shortened(name, missing) or _similar(name, known))
    ]


def _similar(name: str, known: list[str]) -> str | None:
    # All names begin with the same word, which would make any two of them similar: THUMBNAIL_URL and _BLUR.
    prefix, _, ending = name.partition("_")
    endings = [one.removeprefix(f"{prefix}_") for one in known if one.startswith(f"{prefix}_")]
    found = get_close_matches(ending, endings, n=1, cutoff=0.8)
    return f"{prefix}_{found[0]}" if found else None


def _shortened(name: str, missing: list[str]) -> str | None:
    """Return the missing setting whose name has more words: THUMBNAIL_SERVER_URL for THUMBNAIL_URL."""
    words = set(name.split("_"))
    return next((one for one in missing if words < set(one.split("_"))), None)

"""System checks: what is wrong with the settings is said by `manage.py check`, before a page is."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.files.storage import default_storage
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.adoption.former import check_adopted_backend
from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.conf import (
    MISSING_SERVER_URL,
    OUR_SETTINGS,
    Config,
    Problem,
    SettingError,
    SettingsReader,
    get_config,
)
from shrinkmeister.drivers import make_driver
from shrinkmeister.eager import server_problems, server_settings
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.sorl_patches.texts import check_text_sources
from shrinkmeister.sources import is_elsewhere, place_of
from shrinkmeister.storage.buckets import MOST_SIGNED_SECONDS, S3_BACKEND, is_s3, signs_for_too_long
from shrinkmeister.storage.image_fields import field_storages
from shrinkmeister.storage.thumbnail_storage import open_thumbnail_storage, opens_storage

BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"
# Settings that not every sorl has in its defaults. Sites keep them when they change versions.
SORLS_OTHER_SETTINGS = frozenset(
    {
        "THUMBNAIL_COMMAND_TIMEOUT",
        "THUMBNAIL_DYNAMODB_NAME",
        "THUMBNAIL_FAST_URL",
        "THUMBNAIL_FORCE_OVERWRITE",
        "THUMBNAIL_LAZY_FILL_EMPTY",
        "THUMBNAIL_REDIS_SSL",
        "THUMBNAIL_REDIS_TIMEOUT",
        "THUMBNAIL_REDIS_URL",
        "THUMBNAIL_REMOVE_URL_ARGS",
        "THUMBNAIL_VIPSHEADER",
        "THUMBNAIL_VIPSTHUMBNAIL",
        "THUMBNAIL_VIPS_CACHE_MAX",
    }
)
# Ids of what the doctor asks the server about.
ABOUT_PLACES = ("shrinkmeister.W013", "shrinkmeister.W015")


def check_client(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    path = sorl_settings.THUMBNAIL_BACKEND
    try:
        backend = import_string(path)
    except ImportError as error:
        message = f"THUMBNAIL_BACKEND is {path!r}, which cannot be loaded: {error}."
        return [Error(message, f"Write {BACKEND!r}.", id="shrinkmeister.E020")]
    if not (isinstance(backend, type) and issubclass(backend, ShrinkmeisterBackend)):
        # Whoever has swapped back may have taken our settings away.
        message = f"shrinkmeister is in INSTALLED_APPS, and not in use: THUMBNAIL_BACKEND is {path!r}."
        return [Warning(message, f"Set THUMBNAIL_BACKEND = {BACKEND!r}.", id="shrinkmeister.W001")]
    messages = check_settings()
    # Warnings do not keep the eager mode from working, and it needs no THUMBNAIL_SERVER_URL.
    valid = not any(message.is_serious() for message in messages)
    messages += map(said, server_problems(get_config() if valid else None))
    eager = getattr(settings, "THUMBNAIL_EAGER", False) is True
    if getattr(settings, "THUMBNAIL_SERVER_URL", None) is None and not eager:
        messages.append(said(MISSING_SERVER_URL))
    if not messages:
        try:
            check_adopted_backend()
            check_text_sources()
        except SettingError as error:
            messages.append(said(error.problem))
        else:
            messages += [*check_fields(get_config()), *check_expiry(get_config())]
    names = {name for name in dir(settings) if name.startswith("THUMBNAIL_")}
    return messages + misspelled(names, known_to_sorl() | OUR_SETTINGS | server_settings())


def check_settings() -> list[CheckMessage]:
    """What client and server have in common."""
    reader = SettingsReader()
    config = reader.config()
    problems = list(reader.problems)
    try:
        make_driver(config.cache)
    except SettingError as error:
        problems.append(error.problem)
    return [
        *(said(problem) for problem in problems),
        *(Warning(one.message, one.hint, id=one.id) for one in reader.warnings),
    ]


def check_fields(config: Config) -> Iterator[CheckMessage]:
    """Warn of image fields whose files the server does not find by a bucket's name."""
    for one in field_storages():
        if one.storage is default_storage and config.storage == DEFAULT_STORAGE_ALIAS:
            continue  # not opened here, which would import boto3 for each command
        try:
            alias = place_of(one.storage, "a.jpg").container
        except SourceNotAllowedError:
            yield Warning(
                f"{one.field} has a storage that STORAGES does not name: the thumbnail server cannot find "
                "its files.",
                "Add that storage to STORAGES under an alias, on the site and on the server, and give the "
                "field storages[alias].",
                id="shrinkmeister.W015",
            )
            continue
        except SettingError:
            continue  # commands run on machines that cannot open it; what opens it reports it
        listed = any((scheme, name) == ("storage", alias) for scheme, name, _ in config.sources)
        if is_elsewhere(one.storage) and not listed:
            yield Warning(
                f"{one.field} is in STORAGES[{alias!r}], which has another endpoint or account than "
                f"STORAGES[{config.storage!r}].",
                f"The server needs the alias {alias!r} in STORAGES, and 'storage://{alias}' in "
                "THUMBNAIL_SOURCES. Then list that in THUMBNAIL_SOURCES of the site too. If the server's "
                "own endpoint and account are those of that alias, set THUMBNAIL_STORAGE to it instead.",
                id="shrinkmeister.W013",
            )


def check_expiry(config: Config) -> Iterator[CheckMessage]:
    """Warn of signed URLs that are to work for longer than S3 allows; for site and server."""
    parameters = settings.STORAGES.get(config.storage, {})
    long = getattr(settings, "AWS_QUERYSTRING_EXPIRE", 0)
    if max(long, parameters.get("OPTIONS", {}).get("querystring_expire", 0)) <= MOST_SIGNED_SECONDS:
        return
    try:
        storage = open_thumbnail_storage(config)
        if not is_s3(storage):
            if not config.bucket or find_spec("storages") is None:
                return
            storage = opens_storage(import_string(S3_BACKEND))()
    except SettingError:
        return  # commands run on machines that cannot open it; what opens it reports it
    if signs_for_too_long(storage):
        yield Warning(
            f"AWS_QUERYSTRING_EXPIRE (querystring_expire) is {storage.querystring_expire}. S3 takes signed "
            f"URLs for {MOST_SIGNED_SECONDS} seconds at most, 7 days: those of thumbnails end then.",
            f"Write {MOST_SIGNED_SECONDS} at most. Pages that a cache keeps for more than half of it show "
            "broken thumbnails.",
            id="shrinkmeister.W014",
        )


def said(problem: Problem) -> CheckMessage:
    return Error(problem.message, problem.hint, id=problem.id)


def known_to_sorl() -> set[str]:
    """Return the names that some sorl reads: the installed one, an older or a newer one."""
    return {name for name in dir(sorl_defaults) if name.startswith("THUMBNAIL_")} | SORLS_OTHER_SETTINGS


def misspelled(names: Iterable[str], known: Iterable[str]) -> list[CheckMessage]:
    """A site may have THUMBNAIL_ names of its own; one that is nearly ours is a slip."""
    known = sorted(known)
    return [
        Warning(
            f"{name} is not a setting of sorl-thumbnail or Shrinkmeister.",
            f"Did you mean {matches[0]}?",
            id="shrinkmeister.W002",
        )
        for name in sorted(names)
        if name not in known and (matches := get_close_matches(name, known, n=1, cutoff=0.85))
    ]

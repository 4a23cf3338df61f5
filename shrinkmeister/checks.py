"""Check the site's settings, so that `manage.py check` reports errors before a page fails with them."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.files.storage import default_storage
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.adoption.former import get_namer
from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.conf.table import MISSING_SERVER_URL, OUR_SETTINGS
from shrinkmeister.eager import server_problems, server_settings, server_warnings
from shrinkmeister.eager_urls import check_signature
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.setting_checks import (
    as_error,
    check_aliases,
    check_cache,
    check_expiry,
    check_settings,
    is_valid,
    misspelled,
)
from shrinkmeister.sorl_patches.texts import check_text_sources
from shrinkmeister.sources import field_storages, is_elsewhere, place_of
from shrinkmeister.storage.buckets import missing_s3_package

BACKEND = "shrinkmeister.backend.ShrinkmeisterBackend"
# The doctor leaves these warnings out, because it asks the server for the same.
ABOUT_PLACES = ("shrinkmeister.W013", "shrinkmeister.W015")


def check_client(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    path = sorl_settings.THUMBNAIL_BACKEND
    try:
        backend = import_string(path)
    except ImportError as error:
        message = f"THUMBNAIL_BACKEND is {path!r}, which cannot be loaded: {error}."
        return [Error(message, f"Write {BACKEND!r}.", id="shrinkmeister.E020")]
    if not (isinstance(backend, type) and issubclass(backend, ShrinkmeisterBackend)):
        # A site that went back to sorl's own backend may lack other settings, so they are not checked.
        message = f"shrinkmeister is in INSTALLED_APPS but not in use: THUMBNAIL_BACKEND is {path!r}."
        return [Warning(message, f"Set THUMBNAIL_BACKEND = {BACKEND!r}.", id="shrinkmeister.W001")]
    messages = check_settings()
    # Eager mode works without THUMBNAIL_SERVER_URL.
    messages += map(as_error, server_problems(get_config() if is_valid(messages) else None))
    eager = getattr(settings, "THUMBNAIL_EAGER", False) is True
    if getattr(settings, "THUMBNAIL_SERVER_URL", None) is None and not eager:
        messages.append(as_error(SettingError(*MISSING_SERVER_URL)))
    if is_valid(messages):
        try:
            get_namer()
            check_text_sources()
        except SettingError as error:
            messages.append(as_error(error))
        else:
            messages += check_use(get_config())
    names = {name for name in dir(settings) if name.startswith("THUMBNAIL_")}
    return messages + misspelled(names, OUR_SETTINGS | server_settings())


def check_use(config: Config) -> Iterator[CheckMessage]:
    """Report valid settings that do not work together, or not with what is installed."""
    yield from check_apps()
    yield from check_fields(config)
    yield from check_aliases(config)
    yield from check_cache(config)
    yield from check_expiry(config)
    yield from check_address(config)
    if config.bucket and (config.cleanup or config.eager) and (error := missing_s3_package(config.bucket)):
        yield as_error(error)
    else:
        yield from check_signature(config)
    yield from server_warnings(config)


def check_apps() -> Iterator[CheckMessage]:
    if not apps.is_installed("sorl.thumbnail"):
        yield Warning(
            "INSTALLED_APPS contains 'shrinkmeister', but not 'sorl.thumbnail', which has the template tag "
            "and the table of sorl's key-value store.",
            "Add 'sorl.thumbnail' to INSTALLED_APPS.",
            id="shrinkmeister.W017",
        )


def check_address(config: Config) -> Iterator[CheckMessage]:
    """Warn of thumbnails that browsers refuse to load into pages that come by HTTPS."""
    url = urlsplit(config.server_url or "")
    # Browsers trust the machine that they run on.
    is_refused = url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1")
    if is_refused and getattr(settings, "SECURE_SSL_REDIRECT", False):
        yield Warning(
            f"THUMBNAIL_SERVER_URL is {config.server_url!r}, but the site's pages come by HTTPS "
            "(SECURE_SSL_REDIRECT): browsers do not load pictures by HTTP there.",
            "Give the thumbnail server a certificate, and write its URL with https://.",
            id="shrinkmeister.W019",
        )


def check_fields(config: Config) -> Iterator[CheckMessage]:
    """Warn about image fields in storages that the server cannot read with these settings."""
    for one in field_storages():
        if one.storage is default_storage and config.storage == DEFAULT_STORAGE_ALIAS:
            continue  # opening this storage would import boto3 for each command
        try:
            alias = place_of(one.storage, "a.jpg").container
        except SourceNotAllowedError:
            yield Warning(
                f"The storage of {one.field} is not in STORAGES, so the server cannot find its files.",
                "Add it to STORAGES of site and server under an alias. Give the field storages[alias].",
                id="shrinkmeister.W015",
            )
            continue
        except SettingError:
            continue  # this machine cannot open the storage; the code that needs it reports the error
        listed = any((scheme, name) == ("storage", alias) for scheme, name, _ in config.sources)
        if is_elsewhere(one.storage) and not listed:
            yield Warning(
                f"The files of {one.field} are in STORAGES[{alias!r}], which has another endpoint or "
                f"account than STORAGES[{config.storage!r}], where the thumbnails are.",
                f"Add the alias {alias!r} to the server's STORAGES, and 'storage://{alias}' to "
                "THUMBNAIL_SOURCES of site and server. If the server already uses the endpoint and account "
                f"of {alias!r}, set THUMBNAIL_STORAGE to {alias!r} instead.",
                id="shrinkmeister.W013",
            )

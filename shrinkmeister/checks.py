"""Check the site's settings, so that `manage.py check` reports errors before a page fails with them."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import DEFAULT_STORAGE_ALIAS, settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.files.storage import default_storage
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.adoption.former import get_namer
from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.conf.table import MISSING_SERVER_URL, OUR_SETTINGS
from shrinkmeister.eager import server_problems, server_settings
from shrinkmeister.exceptions import SourceNotAllowedError
from shrinkmeister.setting_checks import as_error, check_expiry, check_settings, misspelled
from shrinkmeister.sorl_patches.texts import check_text_sources
from shrinkmeister.sources import field_storages, is_elsewhere, place_of

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
    # Eager mode works in spite of warnings, and without THUMBNAIL_SERVER_URL.
    valid = not any(message.is_serious() for message in messages)
    messages += map(as_error, server_problems(get_config() if valid else None))
    eager = getattr(settings, "THUMBNAIL_EAGER", False) is True
    if getattr(settings, "THUMBNAIL_SERVER_URL", None) is None and not eager:
        messages.append(as_error(SettingError(*MISSING_SERVER_URL)))
    if not messages:
        try:
            get_namer()
            check_text_sources()
        except SettingError as error:
            messages.append(as_error(error))
        else:
            messages += [*check_fields(get_config()), *check_expiry(get_config())]
    names = {name for name in dir(settings) if name.startswith("THUMBNAIL_")}
    return messages + misspelled(names, OUR_SETTINGS | server_settings())


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

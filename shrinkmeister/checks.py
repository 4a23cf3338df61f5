"""System checks of the site: `manage.py check` reports wrong settings before a page fails with them."""

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
# The doctor asks the server about what these report.
ABOUT_PLACES = ("shrinkmeister.W013", "shrinkmeister.W015")


def check_client(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    path = sorl_settings.THUMBNAIL_BACKEND
    try:
        backend = import_string(path)
    except ImportError as error:
        message = f"THUMBNAIL_BACKEND is {path!r}, which cannot be loaded: {error}."
        return [Error(message, f"Write {BACKEND!r}.", id="shrinkmeister.E020")]
    if not (isinstance(backend, type) and issubclass(backend, ShrinkmeisterBackend)):
        # A site that has gone back to sorl's own backend may have removed our settings.
        message = f"shrinkmeister is in INSTALLED_APPS but not in use: THUMBNAIL_BACKEND is {path!r}."
        return [Warning(message, f"Set THUMBNAIL_BACKEND = {BACKEND!r}.", id="shrinkmeister.W001")]
    messages = check_settings()
    # The eager mode works in spite of warnings, and needs no THUMBNAIL_SERVER_URL.
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
    """Warn of image fields whose files the server does not find by the name of a bucket."""
    for one in field_storages():
        if one.storage is default_storage and config.storage == DEFAULT_STORAGE_ALIAS:
            continue  # opening it would import boto3 for each command
        try:
            alias = place_of(one.storage, "a.jpg").container
        except SourceNotAllowedError:
            yield Warning(
                f"The storage of {one.field} is not in STORAGES, so the server cannot find its files.",
                "Add it to STORAGES of site and server under an alias, and give the field storages[alias].",
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
                f"Give the server the alias {alias!r} in STORAGES, and list 'storage://{alias}' in "
                "THUMBNAIL_SOURCES of site and server. If the server's own endpoint and account are those "
                "of that alias, set THUMBNAIL_STORAGE to it instead.",
                id="shrinkmeister.W013",
            )

"""System checks of the server: `python -m shrinkmeister_server check`."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.files.storage import FileSystemStorage, storages

from shrinkmeister.conf import Config, SettingError, get_config
from shrinkmeister.conf.credentials import described
from shrinkmeister.protocol.spec import URL_SCHEMES
from shrinkmeister.setting_checks import (
    as_error,
    check_aliases,
    check_cache,
    check_expiry,
    check_settings,
    is_valid,
    misspelled,
)
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.buckets import alias_storage, is_s3, opens_storage
from shrinkmeister_server.conf import VARIABLES, check_lock, get_server_config, setting_problems
from shrinkmeister_server.engines import automatic
from shrinkmeister_server.rendering.render import get_engine
from shrinkmeister_server.served import absolute_url

# Fixes by the class of an error. botocore's own texts name parameters, and not settings.
FIXES = {
    "InvalidRegionError": "Write the region of the bucket in AWS_S3_REGION_NAME.",
    "NoCredentialsError": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
    "PartialCredentialsError": "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    "ProfileNotFound": "Name a profile of ~/.aws/config in AWS_PROFILE, or unset the variable.",
    "UnknownSignatureVersionError": "Remove AWS_S3_SIGNATURE_VERSION, or write s3v4.",
    "UnsupportedSignatureVersionError": "Remove AWS_S3_SIGNATURE_VERSION, or write s3v4.",
}
FIX = (
    "Compare STORAGES, THUMBNAIL_STORAGE and the AWS_ variables with the options of the storage's library."
)


def check_server(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    messages = [*check_settings(), *map(as_error, setting_problems())]
    if is_valid(messages):
        config = get_config()
        messages += _try("THUMBNAIL_ENGINE", get_engine)
        messages += _try("The storage of thumbnails", lambda: absolute_url("health"))
        if is_valid(messages):
            messages += [*check_expiry(config), *_check_folder(config)]
        messages += [*check_aliases(config), *_check_storages(config), *check_cache(config), *check_lock()]
        messages += _check_private_hosts(config)
        if is_valid(messages):
            messages += _check_libvips()
    folder = getattr(settings, "PROMETHEUS_MULTIPROC_DIR", None)
    if folder and not os.path.isdir(folder):
        messages.append(
            Error(
                f"PROMETHEUS_MULTIPROC_DIR is {folder!r}, which is not a folder.",
                "Make it before each start of the server, and empty it.",
                id="shrinkmeister.E104",
            )
        )
    unread = getattr(settings, "UNREAD_VARIABLES", [])
    return messages + misspelled(unread, (row.name for row in VARIABLES))


def _check_libvips() -> Iterator[CheckMessage]:
    if type(get_engine()) is automatic.Engine and not automatic.get_vips_engine():
        yield Info(
            "Pillow makes all thumbnails, because libvips is missing or older than 8.15. libvips is faster "
            "for PNG and WebP, and needs less memory.",
            'Install it with `pip install "shrinkmeister[vips]"`. If the system has the headers of an '
            "older libvips, also run `pip install --force-reinstall --no-deps pyvips-binary`.",
            id="shrinkmeister.I101",
        )


def _check_private_hosts(config: Config) -> Iterator[CheckMessage]:
    hosts = {container for scheme, container, _ in config.sources if scheme in URL_SCHEMES}
    for host in get_server_config().private_hosts:
        if host not in hosts:
            yield Warning(
                f"THUMBNAIL_PRIVATE_HOSTS contains {host!r}, which is not a host of THUMBNAIL_SOURCES.",
                "Write host and port as in THUMBNAIL_SOURCES, but without the scheme: 'images.intranet'.",
                id="shrinkmeister.W102",
            )


def _try(subject: str, make: Callable[[], object]) -> Iterator[CheckMessage]:
    """Report what makes a part of the server fail."""
    try:
        make()
    except SettingError as error:
        yield as_error(error)
    # Libraries raise errors of their own for the options of a storage or an engine.
    except Exception as error:
        # A StorageError leaves out the text of its cause, which may name a source. Here it names none.
        cause = error.__cause__ or error
        kind = type(cause).__name__
        text = described(cause)
        yield Error(
            f"{subject} does not work: {kind if text == kind else f'{kind}: {text}'}",
            FIXES.get(kind, FIX),
            id="shrinkmeister.E103",
        )


def _check_storages(config: Config) -> Iterator[CheckMessage]:
    aliases = (alias for scheme, alias, _ in config.sources if scheme == "storage")
    for alias in dict.fromkeys(aliases):
        if alias in settings.STORAGES:
            yield from _try(f"STORAGES[{alias!r}]", partial(_open, alias))


@opens_storage
def _open(alias: str) -> None:
    if is_s3(storages[alias]):
        # Only this makes the client, which checks endpoint and region.
        _ = alias_storage(alias).connection


def _check_folder(config: Config) -> Iterator[CheckMessage]:
    """Warn of a folder that this process cannot write to. Another user may run the server."""
    storage = get_thumbnail_storage().storage
    if not isinstance(storage, FileSystemStorage):
        return
    folder = storage.path(config.prefix)
    while not os.path.exists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)  # the server makes what is missing below it
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Warning(
            f"This user cannot write to {folder!r}, the folder of the thumbnails.",
            "Give the user of the server that right. With systemd, list the folder in ReadWritePaths.",
            id="shrinkmeister.W103",
        )

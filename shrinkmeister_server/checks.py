"""System checks of the server: `python -m shrinkmeister_server check`."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from sorl.thumbnail.conf import settings as sorl_settings

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
from shrinkmeister_server.conf import VARIABLES, check_lock, get_server_config, setting_problems
from shrinkmeister_server.rendering.render import get_engine
from shrinkmeister_server.served import absolute_url


def check_server(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    messages = [*check_settings(), *map(as_error, setting_problems())]
    if is_valid(messages):
        for make in (get_engine, lambda: absolute_url("health")):
            try:
                make()
            except SettingError as error:
                messages.append(as_error(error))
            # Libraries raise errors of their own for the options of a storage or an engine.
            except Exception as error:
                messages.append(
                    Error(
                        f"THUMBNAIL_ENGINE, STORAGES or an AWS_ variable does not work: {described(error)}",
                        "Compare them with the documentation, and with the options of django-storages.",
                        id="shrinkmeister.E103",
                    )
                )
        config = get_config()
        if is_valid(messages):
            messages += check_expiry(config)
        messages += [*check_aliases(config), *check_cache(config), *check_lock()]
        messages += _check_private_hosts(config)
        if sorl_settings.THUMBNAIL_ENGINE == "shrinkmeister_server.engines.pillow.Engine" and _has_vips():
            messages.append(
                Info(
                    "libvips is installed. For PNG and WebP it is faster than Pillow, with less memory.",
                    "Set THUMBNAIL_ENGINE=shrinkmeister_server.engines.vips.Engine.",
                    id="shrinkmeister.I101",
                )
            )
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


def _check_private_hosts(config: Config) -> Iterator[CheckMessage]:
    hosts = {container for scheme, container, _ in config.sources if scheme in URL_SCHEMES}
    for host in get_server_config().private_hosts:
        if host not in hosts:
            yield Warning(
                f"THUMBNAIL_PRIVATE_HOSTS contains {host!r}, which is not a host of THUMBNAIL_SOURCES.",
                "Write host and port as in THUMBNAIL_SOURCES, but without the scheme: 'images.intranet'.",
                id="shrinkmeister.W102",
            )


def _has_vips() -> bool:
    try:
        import shrinkmeister_server.engines.vips  # noqa: F401 - only to find out whether this works
    except (ImportError, OSError):  # OSError: the library that it binds is missing
        return False
    return True

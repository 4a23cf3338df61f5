"""The server's own table of settings; shrinkmeister/conf/table.py has the settings of both sides.

Each field of ServerConfig is a row, and OTHER_SETTINGS has rows that it has no field for. To add a setting,
add a row here and use it. A site with THUMBNAIL_EAGER has ServerConfig's settings too, as values or as the
texts of its own environment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from shrinkmeister.conf import SettingError, reset_on_setting_change
from shrinkmeister.conf.row import SERVER, SITE, Setting, setting, settings_of
from shrinkmeister.conf.table import SITE_SETTINGS
from shrinkmeister.environment import (
    FLAG,
    HEADER_AND_VALUE,
    HOSTS,
    NAMES,
    ORIGINS,
    TEXT,
    Form,
    choice,
    whole,
)


def _row(form: Form, default: Any, about: str) -> Any:
    def read(value: Any) -> Any:
        # A site's empty text or list counts as unset, as an empty variable does.
        if value in (None, "", [], ()):
            return None
        try:
            return form.cast(value)
        except (OverflowError, TypeError, ValueError):
            raise ValueError from None

    hint = f"Write {form.words}, or remove the setting for its default."
    return setting(SERVER, form, about, default, read=read, id="E105", hint=hint)


def _seconds(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not 0 < number < float("inf"):
        raise ValueError(value)
    return number


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port


LEVELS = choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class ServerConfig:
    max_source_bytes: int = _row(whole(1), 40_000_000, "Bytes of the largest source that is read.")
    source_seconds: float = _row(
        Form(_seconds, "a number of seconds above 0"),
        20,
        "Seconds for reading a source: one by URL from connecting to its last byte, one in a bucket from "
        "its first byte on.",
    )
    private_hosts: Sequence[str] = _row(
        NAMES,
        [],
        "Hosts of THUMBNAIL_SOURCES, as `images.intranet` or `10.0.0.5:8080`, that may have private or "
        "loopback addresses. A site needs this with THUMBNAIL_EAGER.",
    )
    max_pixels: int = _row(
        whole(1),
        50_000_000,
        "Pixels of the largest source that is decoded, and of the largest picture that is held for a "
        "thumbnail. All frames of an animation that stays one are counted.",
    )
    max_side: int = _row(
        whole(1), 8_192, "Pixels of the longest side of a thumbnail or alternative resolution."
    )
    max_frames: int = _row(
        whole(1),
        100,
        "Frames of the longest animation that stays one (GIF from GIF). Stills have no such limit.",
    )
    max_seconds: int = _row(
        whole(1),
        20,
        "Seconds for decoding, scaling and encoding one source. With THUMBNAIL_SOURCE_SECONDS, fewer than "
        "THUMBNAIL_LOCK_SECONDS. Some steps [cannot be stopped](limits.md).",
    )
    max_making: int = _row(
        whole(1), 4, "Thumbnails that a process makes at once. Each may hold a decoded source."
    )
    max_waiting: int = _row(
        whole(), 32, "Requests of a process that wait for a thumbnail. Others are answered with 503."
    )
    lock_seconds: int = _row(
        whole(1), 60, "Seconds after which another server may make a thumbnail that is not finished."
    )
    wait_seconds: int = _row(
        whole(), 15, "Seconds for which a request waits for another server's thumbnail."
    )
    redirect_max_age: int = _row(whole(), 300, "Seconds for which browsers and CDNs may keep a redirect.")
    error_ttl: int = _row(
        whole(),
        60,
        "Seconds for which a missing or bad source is not read again, unless it changes. At most 3600; "
        "0 turns this off.",
    )
    max_batch: int = _row(
        whole(),
        100,
        "Thumbnails that an app may ask for [in one request](http.md#several-thumbnails); 0 for none.",
    )
    batch_seconds: int = _row(
        whole(), 10, "Seconds for which such a request makes thumbnails. The URLs of the rest make them."
    )
    cors_origins: Sequence[str] = _row(
        ORIGINS,
        [],
        "Origins whose pages may read thumbnails (canvas, WebGL, `fetch`) and ask for JSON, as "
        "`https://www.example.com`, or `*` for all. The bucket needs "
        "[a rule of its own](http.md#headers).",
    )
    metrics: bool = False  # THUMBNAIL_METRICS, whose row is in Config


SETTINGS = {row.name: row for row in settings_of(ServerConfig)}
OTHER_SETTINGS = tuple(
    Setting(SERVER, form, about, default, name=name)
    for name, form, default, about in (
        (
            "THUMBNAIL_ENGINE",
            TEXT,
            "shrinkmeister_server.engines.pillow.Engine",
            "sorl's: the dotted path of an engine. `shrinkmeister_server.engines.vips.Engine` needs "
            "`[vips]`.",
        ),
        ("AWS_DEFAULT_ACL", TEXT, None, "django-storages': the ACL of new objects."),
        ("ALLOWED_HOST", HOSTS, None, "Comma-separated host names at which the server answers. Required."),
        (
            "PORT",
            Form(_port, "a port from 1 to 65535"),
            None,
            "`serve` listens at 0.0.0.0 with this port, or without it at 127.0.0.1:8000.",
        ),
        ("DEBUG", FLAG, False, "Django's."),
        (
            "LOG_LEVEL",
            Form(lambda text: LEVELS.cast(text.upper()), LEVELS.words),
            "INFO",
            "The level of [the log](logs-and-metrics.md): `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`.",
        ),
        ("LOG_FORMAT", choice("text", "json", "emf"), "text", "`text`, `json`, or `emf` for CloudWatch."),
        ("PROMETHEUS_MULTIPROC_DIR", TEXT, None, "prometheus_client's: a folder for all processes."),
        ("SECURE_SSL_REDIRECT", FLAG, False, "Django's, if no proxy redirects to HTTPS."),
        ("SECURE_HSTS_SECONDS", whole(), 0, "Django's, if no proxy sends the header."),
        ("SECURE_PROXY_SSL_HEADER", HEADER_AND_VALUE, None, "Django's, as `HTTP_X_FORWARDED_PROTO,https`."),
    )
)
# All environment variables of the server.
VARIABLES = (*(row for row in SITE_SETTINGS if row.who is not SITE), *SETTINGS.values(), *OTHER_SETTINGS)


@reset_on_setting_change
def get_server_config() -> ServerConfig:
    """Return the server's settings. One that is None or absent has its default. Raises SettingError."""
    values, problems = _read()
    if problems:
        raise problems[0]
    return ServerConfig(**values, metrics=getattr(settings, "THUMBNAIL_METRICS", False) is True)


def setting_problems() -> list[SettingError]:
    return _read()[1]


def check_lock() -> Iterator[CheckMessage]:
    """Warn of a lock that ends while its thumbnail is still being made."""
    config = get_server_config()
    seconds = config.source_seconds + config.max_seconds
    if seconds >= config.lock_seconds:
        yield Warning(
            f"THUMBNAIL_LOCK_SECONDS is {config.lock_seconds}, but THUMBNAIL_SOURCE_SECONDS "
            f"({config.source_seconds:g}) and THUMBNAIL_MAX_SECONDS ({config.max_seconds}) allow "
            f"{seconds:g} for one thumbnail: a second server starts to make it, too.",
            f"Raise THUMBNAIL_LOCK_SECONDS above {seconds:g}, or lower one of the others.",
            id="shrinkmeister.W101",
        )


def _read() -> tuple[dict[str, Any], list[SettingError]]:
    from shrinkmeister.conf.reader import SettingsReader

    reader = SettingsReader()
    return reader.read(SETTINGS.values()), reader.problems

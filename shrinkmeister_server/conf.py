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
    max_source_bytes: int = _row(whole(1), 40_000_000, "Bytes of the largest source that the server reads.")
    source_seconds: float = _row(
        Form(_seconds, "a number of seconds above 0"),
        20,
        "Seconds for reading a source. For a URL, this time begins with the connection. For an object in a "
        "bucket, it begins with the first byte.",
    )
    private_hosts: Sequence[str] = _row(
        NAMES,
        [],
        "Hosts in THUMBNAIL_SOURCES that may have "
        "[private or loopback addresses](../how-to/private-networks.md), such as `images.intranet` or "
        "`10.0.0.5:8080`.",
    )
    max_pixels: int = _row(
        whole(1),
        50_000_000,
        "Pixels of the largest source that the server decodes, and of the largest intermediate image. If "
        "an animation stays an animation, the pixels of all its frames count.",
    )
    max_side: int = _row(
        whole(1), 8_192, "Pixels of the longest side of a thumbnail, also in its alternative resolutions."
    )
    max_frames: int = _row(
        whole(1),
        100,
        "Frames of the longest GIF of which the server makes an animated GIF. Thumbnails that show one "
        "frame do not have this limit.",
    )
    max_seconds: int = _row(
        whole(1),
        20,
        "Seconds for decoding, scaling and encoding one source. Some steps "
        "[cannot be interrupted](limits.md#time).",
    )
    max_making: int = _row(
        whole(1),
        4,
        "Thumbnails that a process makes simultaneously. Each may hold a decoded source "
        "[in memory](limits.md#memory).",
    )
    max_waiting: int = _row(
        whole(),
        32,
        "Requests of a process that may wait for a thumbnail. The server answers 503 to all further ones.",
    )
    lock_seconds: int = _row(
        whole(1),
        60,
        "Seconds after which the lock of a thumbnail expires, so that another server may make it. Set it "
        "above THUMBNAIL_SOURCE_SECONDS and THUMBNAIL_MAX_SECONDS together.",
    )
    wait_seconds: int = _row(
        whole(),
        15,
        "Seconds for which a request waits while another one makes its thumbnail. It may then wait as "
        "long again, until its own process may make one more.",
    )
    redirect_max_age: int = _row(whole(), 300, "Seconds for which browsers and CDNs may cache a redirect.")
    error_ttl: int = _row(
        whole(),
        60,
        "Seconds for which the server does not read a missing or invalid source again, unless the site "
        "saves a new file there: at most 3600. 0 turns this off.",
    )
    max_batch: int = _row(
        whole(),
        100,
        "Thumbnails that an app may request in one "
        "[batch request](http.md#several-thumbnails). 0 turns batch requests off.",
    )
    batch_seconds: int = _row(
        whole(),
        10,
        "Seconds after which a batch request does not begin another thumbnail. The server makes the "
        "remaining thumbnails when a browser loads their lazy URLs.",
    )
    cors_origins: Sequence[str] = _row(
        ORIGINS,
        [],
        "Origins whose scripts may read thumbnails (canvas, WebGL, `fetch`) and request JSON, such as "
        "`https://www.example.com`, or `*` for all. The bucket needs "
        "[its own CORS rule](http.md#headers).",
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
            "sorl's: the dotted path of the library's engine. `shrinkmeister_server.engines.vips.Engine` "
            "needs [`shrinkmeister[vips]`](extras.md).",
        ),
        ("AWS_DEFAULT_ACL", TEXT, None, "django-storages': the ACL of new thumbnails in the bucket."),
        (
            "ALLOWED_HOST",
            HOSTS,
            None,
            "The host names of the server, separated by commas. Required, except on Lambda: there the "
            "server starts without it, but does not make thumbnails.",
        ),
        (
            "PORT",
            Form(_port, "a port from 1 to 65535"),
            None,
            "The port at which `serve` listens on all addresses (0.0.0.0). Without this variable, it "
            "listens at 127.0.0.1:8000.",
        ),
        ("DEBUG", FLAG, False, "Django's: show tracebacks in answers. Use it only for development."),
        (
            "LOG_LEVEL",
            Form(lambda text: LEVELS.cast(text.upper()), LEVELS.words),
            "INFO",
            "The level of [the log](logs-and-metrics.md): `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`.",
        ),
        (
            "LOG_FORMAT",
            choice("text", "json", "emf"),
            "text",
            "The format of the log: `text`, `json`, or `emf` for CloudWatch.",
        ),
        (
            "PROMETHEUS_MULTIPROC_DIR",
            TEXT,
            None,
            "prometheus_client's: a folder in which all processes collect their metrics. Empty it before "
            "each start.",
        ),
        (
            "SECURE_SSL_REDIRECT",
            FLAG,
            False,
            "Django's: redirect HTTP to HTTPS. Set it if no proxy does that.",
        ),
        (
            "SECURE_HSTS_SECONDS",
            whole(),
            0,
            "Django's: the seconds in the header Strict-Transport-Security. Set it if no proxy sends this "
            "header.",
        ),
        (
            "SECURE_PROXY_SSL_HEADER",
            HEADER_AND_VALUE,
            None,
            "Django's: the header with which a proxy reports HTTPS, and its value, such as "
            "`HTTP_X_FORWARDED_PROTO,https`.",
        ),
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

"""The server's own table of settings; shrinkmeister/conf/config.py has the settings of both sides.

Each field of ServerConfig is a row, and OTHER_SETTINGS has rows that it has no field for. To add a setting,
add a row here and use it. A site with THUMBNAIL_EAGER has ServerConfig's settings too, as values or as the
texts of its own environment.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from django.conf import settings

from shrinkmeister.conf import Problem, SettingError, reset_on_setting_change
from shrinkmeister.conf.config import SITE_SETTINGS
from shrinkmeister.conf.kinds import PLAIN_FLAG, PLAIN_TEXT, Kind, shown
from shrinkmeister.conf.table import SERVER, SITE, Setting, setting, settings_of
from shrinkmeister.environment import HEADER_AND_VALUE, HOSTS, NAMES, ORIGINS, Form, choice, whole

LOG_FORMATS = ("text", "json", "emf")


def _kind(form: Form, read: Callable[[Any], Any], words: str) -> Kind:
    return Kind(form, read, "E105", f"Write {words}, or remove the setting for its default.")


def _number(value: Any) -> int | float | str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    return value


def _whole(least: int = 0) -> Kind:
    form = whole(least)

    def read(value: Any) -> int:
        number = int(_number(value))
        if number < least or (isinstance(value, float) and number != value):
            raise ValueError
        return number

    return _kind(form, read, form.words)


def _read_seconds(value: Any) -> float:
    number = float(_number(value))
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _list(form: Form, words: str) -> Kind:
    def read(value: Any) -> list[str]:
        if isinstance(value, list | tuple | set | frozenset):
            if not all(isinstance(one, str) for one in value):
                raise ValueError
            value = ",".join(value)
        if not isinstance(value, str):
            raise ValueError
        return list(form.cast(value)) if value.strip() else []

    return _kind(form, read, words)


COUNT, LIMIT = _whole(), _whole(1)
SECONDS = _kind(whole(1), _read_seconds, "a number of seconds above 0")
HOST_LIST = _list(NAMES, "a list of hosts")
ORIGIN_LIST = _list(ORIGINS, f"a list of {ORIGINS.words.removeprefix('origins between commas, ')}")


def _row(kind: Kind, default: Any, about: str) -> Any:
    return setting(kind, SERVER, about, default, optional=True)


@dataclass(frozen=True)
class ServerConfig:
    """The values of the server's own settings."""

    max_source_bytes: int = _row(LIMIT, 40_000_000, "Bytes of the largest source that is read.")
    source_seconds: float = _row(
        SECONDS,
        20,
        "Seconds for reading a source: one by URL from connecting to its last byte, one in a bucket from "
        "its first byte on.",
    )
    private_hosts: Sequence[str] = _row(
        HOST_LIST,
        (),
        "Hosts of THUMBNAIL_SOURCES, as `images.intranet` or `10.0.0.5:8080`, that may have private or "
        "loopback addresses. A site needs this with THUMBNAIL_EAGER.",
    )
    max_pixels: int = _row(
        LIMIT,
        50_000_000,
        "Pixels of the largest source that is decoded, and of the largest picture that is held for a "
        "thumbnail. All frames of an animation that stays one are counted.",
    )
    max_side: int = _row(
        LIMIT, 8_192, "Pixels of the longest side of a thumbnail or alternative resolution."
    )
    max_frames: int = _row(
        LIMIT,
        100,
        "Frames of the longest animation that stays one (GIF from GIF). Stills have no such limit.",
    )
    max_seconds: int = _row(
        LIMIT,
        20,
        "Seconds for decoding, scaling and encoding one source, fewer than THUMBNAIL_LOCK_SECONDS. Some "
        "steps [cannot be stopped](../README.md#limits).",
    )
    max_making: int = _row(
        LIMIT, 4, "Thumbnails that a process makes at once. Each may hold a decoded source."
    )
    max_waiting: int = _row(
        COUNT, 32, "Requests of a process that wait for a thumbnail. Others are answered with 503."
    )
    lock_seconds: int = _row(
        LIMIT, 60, "Seconds after which another server may make a thumbnail that is not finished."
    )
    wait_seconds: int = _row(COUNT, 15, "Seconds for which a request waits for another server's thumbnail.")
    redirect_max_age: int = _row(COUNT, 300, "Seconds for which browsers and CDNs may keep a redirect.")
    error_ttl: int = _row(
        COUNT,
        60,
        "Seconds for which a missing or bad source is not read again, unless it changes. At most 3600; "
        "0 turns this off.",
    )
    max_batch: int = _row(
        COUNT, 100, "Thumbnails that an app may ask for [in one request](protocol.md#batch); 0 for none."
    )
    batch_seconds: int = _row(
        COUNT, 10, "Seconds for which such a request makes thumbnails. The URLs of the rest make them."
    )
    cors_origins: Sequence[str] = _row(
        ORIGIN_LIST,
        (),
        "Origins whose pages may read thumbnails (canvas, WebGL, `fetch`) and ask for JSON, as "
        "`https://www.example.com`, or `*` for all. The bucket needs "
        "[a rule of its own](operations.md#answers-to-other-origins).",
    )
    metrics: bool = False  # THUMBNAIL_METRICS, whose row is in Config


def _variable(name: str, form: Form, default: Any, about: str, shown: str = "") -> Setting:
    return Setting(Kind(form), SERVER, about, default, shown=shown, name=name)


SETTINGS = {row.name: row for row in settings_of(ServerConfig)}
OTHER_SETTINGS = (
    _variable(
        "THUMBNAIL_ENGINE",
        PLAIN_TEXT.form,
        "shrinkmeister_server.engines.pillow.Engine",
        "sorl's: the dotted path of an engine. `shrinkmeister_server.engines.vips.Engine` needs `[vips]`.",
    ),
    _variable("AWS_DEFAULT_ACL", PLAIN_TEXT.form, None, "django-storages': the ACL of new objects."),
    _variable(
        "ALLOWED_HOST", HOSTS, None, "Host names at which the server answers, between commas. Required."
    ),
    _variable(
        "PORT",
        whole(1),
        None,
        "`serve` listens at 0.0.0.0 with this port, or without it at 127.0.0.1:8000.",
    ),
    _variable("DEBUG", PLAIN_FLAG.form, False, "Django's."),
    _variable("LOG_LEVEL", PLAIN_TEXT.form, "INFO", "The level of [the log](operations.md#the-log)."),
    _variable("LOG_FORMAT", choice(LOG_FORMATS), "text", "`text`, `json`, or `emf` for CloudWatch."),
    _variable(
        "PROMETHEUS_MULTIPROC_DIR",
        PLAIN_TEXT.form,
        None,
        "prometheus_client's: a folder for all processes.",
    ),
    _variable("SECURE_SSL_REDIRECT", PLAIN_FLAG.form, False, "Django's, if no proxy redirects to HTTPS."),
    _variable("SECURE_HSTS_SECONDS", whole(), 0, "Django's, if no proxy sends the header."),
    _variable(
        "SECURE_PROXY_SSL_HEADER", HEADER_AND_VALUE, None, "Django's, as `HTTP_X_FORWARDED_PROTO,https`."
    ),
)
# All environment variables of the server.
VARIABLES = (*(row for row in SITE_SETTINGS if row.who is not SITE), *SETTINGS.values(), *OTHER_SETTINGS)


@reset_on_setting_change
def get_server_config() -> ServerConfig:
    """Return the server's settings. One that is None or absent has its default. Raises SettingError."""
    values, problems = _read()
    if problems:
        raise SettingError(*astuple(problems[0]))
    return ServerConfig(**values, metrics=getattr(settings, "THUMBNAIL_METRICS", False) is True)


def setting_problems() -> Iterator[Problem]:
    """Yield a problem for each of the server's settings with a wrong value."""
    yield from _read()[1]


def _read() -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems = []
    for row in SETTINGS.values():
        value = getattr(settings, row.name, None)
        if value is None:
            continue
        try:
            values[row.attribute] = row.kind.read(value)
        except (OverflowError, ValueError):
            message = f"{row.name} is {shown(value)}."
            problems.append(Problem(f"shrinkmeister.{row.kind.id}", message, row.kind.hint))
    return values, problems

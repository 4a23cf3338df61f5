"""How values of settings are read. Config has what these functions return; None stands for the default.

They raise ValueError for a wrong value. The error's text, if it has one, follows the setting's name in the
message. Nothing here knows Django. Values that depend on other settings are read further in reader.py.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from shrinkmeister.protocol.records import RESOLUTION
from shrinkmeister.protocol.spec import SCHEMES
from shrinkmeister.secret import Secret, revealed, without_password

# Later expiry times do not fit into a token.
MAX_SECONDS = 10**10
# Storages normalise the spelling of a folder, so only a plain spelling begins the names of its objects.
PREFIX = re.compile(r"((?!\.{0,2}/)[^/\\\0]+/)*(?!\.{1,2}$)[^/\\\0]*")
# Pages contain this URL as it is, so it must not need escaping.
SERVER_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?", re.ASCII)
# Images that sorl's filters for texts recognise.
TEXT_IMAGE = re.compile(r"[a-zA-Z0-9.:/_% -]+")
DOTTED_PATH = re.compile(r"\w+(\.\w+)+")
# Memcached takes keys of 250 bytes without spaces or control characters; ours have 35.
KEY_PREFIX = re.compile(r"[!-~]{0,200}", re.ASCII)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and what S3-compatible
# servers and old buckets allow beyond it.
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)

SECRET_HINT = (
    "Give site and server the same random text, for instance from "
    "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
)
SERVER_URL_HINT = (
    "Write the URL at which browsers reach the thumbnail server: 'https://thumbs.example.com'."
)
FORMER_BACKEND_HINT = (
    "Write what THUMBNAIL_BACKEND was before: 'sorl.thumbnail.base.ThumbnailBackend' if it was not set."
)
TEXT_SOURCES_HINT = (
    "List folders whose images visitors may show: of the storage THUMBNAIL_STORAGE, as 'uploads/', or of "
    "hosts in THUMBNAIL_SOURCES, as 'https://images.example.com/photos/'. Or write the dotted path of a "
    "function that takes a name."
)


def is_plain(name: str) -> bool:
    """Return whether a name has the one spelling that prefixes can be compared with.

    Storages and hosts may read an empty part, "." or "..", a backslash, or one of these percent-encoded,
    as another name.
    """
    return bool(PREFIX.fullmatch(unquote(name)))


def folder(name: str) -> str:
    """Return a prefix that matches the whole folder: "photos" must not match "photos-private/"."""
    return name if not name or name.endswith("/") else f"{name}/"


def listed(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple | set | frozenset | None):
        raise ValueError
    return list(value or ())


def matching(pattern: re.Pattern[str], default: bool = True) -> Callable[[Any], Any]:
    """Return a reader of texts of one form. default: whether None stands for the setting's default"""

    def read(value: Any) -> str | None:
        if value is None and default:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return read


def number(above: float, most: float, *types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value is not None and (type(value) not in types or not above < value <= most):
            raise ValueError
        return value

    return read


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def seconds(value: Any) -> Any:
    seconds = int(value.total_seconds()) if isinstance(value, timedelta) else value
    return number(0, MAX_SECONDS, int)(seconds)


def server_url(value: Any) -> str | None:
    url: str | None = matching(SERVER_URL)(value)
    return url.rstrip("/") if url else url


def resolutions(value: Any) -> tuple[str, ...]:
    resolutions = listed(value)
    for one in resolutions:
        number = isinstance(one, int | float) and not isinstance(one, bool)
        if not number or not 0 < one <= 10 or not RESOLUTION.fullmatch(str(one)):
            raise ValueError(f"contains {one!r}")
    # sorl and its templates spell them so: 2 is "2x", and 2.0 is "2.0x".
    return tuple(str(one) for one in resolutions)


def sources(value: Any) -> tuple[tuple[str, str, str], ...]:
    sources, wrong = [], []
    for entry in listed(value):
        scheme, _, rest = str(entry).partition("://")
        container, _, prefix = rest.partition("/")
        if scheme in SCHEMES and SCHEMES[scheme].fullmatch(container):
            sources.append((scheme, container, folder(prefix)))
        else:
            wrong.append(without_password(repr(entry)))
    if wrong:
        raise ValueError(f"contains {', '.join(wrong)}, which is not a valid source location")
    return tuple(sources)


def text_sources(value: Any) -> Any:
    # A function is loaded when it is used: settings cannot import code that reads settings.
    if isinstance(value, str) and DOTTED_PATH.fullmatch(value):
        return value
    return None if value is None else listed(value)


def cache_name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        # A site may have written the whole cache here, with its password.
        raise ValueError(f"is of type {type(value).__name__}")
    return value or None


def cache_location(value: Any) -> Secret:
    location = revealed(value) or ""
    if isinstance(location, list | tuple):
        location = ",".join(str(revealed(one)) for one in location)
    if not isinstance(location, str):
        raise ValueError
    return Secret(location)

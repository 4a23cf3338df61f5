"""Kinds of settings: how a value is read from Django's settings, and what to write instead of a bad one.

Nothing here knows Django. Values that depend on other settings are read further in reader.py.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from shrinkmeister.environment import (
    FLAG,
    MAPPING,
    NAMES,
    NUMBER,
    NUMBERS,
    SECRET,
    SECRETS,
    TEXT,
    Form,
    whole,
)
from shrinkmeister.protocol.records import RESOLUTION
from shrinkmeister.protocol.spec import SCHEMES
from shrinkmeister.secret import Secret, revealed, without_password

# Later expiry times do not fit into a token.
MAX_SECONDS = 10**10
# Storages make one name of several spellings of a folder, but an object has only one name.
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


@dataclass(frozen=True)
class Kind:
    """What values a setting takes.

    form  how a variable's text becomes the value that Django's settings have
    read  returns what Config has for that value, None for the default. Raises ValueError for a wrong value;
          the error's text, if it has one, follows the setting's name in the message
    id    the system check that reports a wrong value
    hint  what to write instead
    """

    form: Form
    read: Callable[[Any], Any] = lambda value: value
    id: str = ""
    hint: str = ""


def shown(value: object) -> str:
    """Return how messages show a value: an address without its password."""
    return without_password(repr(value))


def is_plain(name: str) -> bool:
    """Return whether a name has the one spelling that prefixes can be compared with.

    Storages and hosts may read an empty part, "." or "..", a backslash, or one of these percent-encoded,
    as another name.
    """
    return bool(PREFIX.fullmatch(unquote(name)))


def folder(name: str) -> str:
    """Return a prefix that matches the whole folder: "photos" must not match "photos-private/"."""
    return name if not name or name.endswith("/") else f"{name}/"


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple | set | frozenset | None):
        raise ValueError
    return list(value or ())


def _matching(pattern: re.Pattern[str], default: bool = True) -> Callable[[Any], Any]:
    """Return a reader of texts of one form. default: whether None stands for the setting's default"""

    def read(value: Any) -> str | None:
        if value is None and default:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return read


def _number(above: float, most: float, *types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value is not None and (type(value) not in types or not above < value <= most):
            raise ValueError
        return value

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _seconds(value: Any) -> Any:
    seconds = int(value.total_seconds()) if isinstance(value, timedelta) else value
    return _number(0, MAX_SECONDS, int)(seconds)


def _server_url(value: Any) -> str | None:
    url: str | None = _matching(SERVER_URL)(value)
    return url.rstrip("/") if url else url


def _resolutions(value: Any) -> tuple[str, ...]:
    resolutions = _list(value)
    for one in resolutions:
        number = isinstance(one, int | float) and not isinstance(one, bool)
        if not number or not 0 < one <= 10 or not RESOLUTION.fullmatch(str(one)):
            raise ValueError(f"contains {one!r}")
    # sorl and its templates spell them so: 2 is "2x", and 2.0 is "2.0x".
    return tuple(str(one) for one in resolutions)


def _sources(value: Any) -> tuple[tuple[str, str, str], ...]:
    sources, wrong = [], []
    for entry in _list(value):
        scheme, _, rest = str(entry).partition("://")
        container, _, prefix = rest.partition("/")
        if scheme in SCHEMES and SCHEMES[scheme].fullmatch(container):
            sources.append((scheme, container, folder(prefix)))
        else:
            wrong.append(shown(entry))
    if wrong:
        raise ValueError(f"contains {', '.join(wrong)}, which is not a valid source location")
    return tuple(sources)


def _text_sources(value: Any) -> Any:
    # A function is loaded when it is used: settings cannot import code that reads settings.
    if isinstance(value, str) and DOTTED_PATH.fullmatch(value):
        return value
    return None if value is None else _list(value)


def _cache_name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        # Somebody may have written the whole cache here, with its password.
        raise ValueError(f"is of type {type(value).__name__}")
    return value


def _cache_location(value: Any) -> Secret:
    location = revealed(value) or ""
    if isinstance(location, list | tuple):
        location = ",".join(str(revealed(one)) for one in location)
    if not isinstance(location, str):
        raise ValueError
    return Secret(location)


# sorl, django-storages and Django check these themselves.
PLAIN_TEXT = Kind(TEXT)
PLAIN_FLAG = Kind(FLAG)
PLAIN_INTEGER = Kind(whole())
PLAIN_NUMBER = Kind(NUMBER)
PLAIN_MAPPING = Kind(MAPPING)
WAIT_SECONDS = Kind(
    NUMBER,
    _number(0, 60, int, float),
    "E023",
    "Write seconds above 0 and up to 60, or remove the setting for its default.",
)
SECRET_KEY = Kind(
    SECRET,
    revealed,
    "E001",
    "Give site and server the same random text, for instance from "
    "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
)
SECRET_KEYS = Kind(SECRETS, _list, "E002", "List the former secret keys, the latest first.")
URL_OF_SERVER = Kind(
    TEXT,
    _server_url,
    "E003",
    "Write the URL at which browsers reach the thumbnail server: 'https://thumbs.example.com'.",
)
SECONDS = Kind(
    whole(1), _seconds, "E004", "Write a whole number above 0 and up to 10^10, or remove the setting."
)
BUCKET_NAME = Kind(
    TEXT,
    lambda value: _matching(BUCKET)(value or None),
    "E005",
    "Write the bare name, 'my-thumbnails': no s3://, no folder.",
)
STORAGE_ALIAS = Kind(
    TEXT, _matching(re.compile(".*", re.DOTALL), default=False), "E006", "Write an alias of STORAGES."
)
SOURCES = Kind(
    NAMES,
    _sources,
    "E007",
    "Write 's3://bucket', 's3://bucket/folder/', 'storage://alias' or 'https://host'.",
)
CACHE_KEY_PREFIX = Kind(
    TEXT,
    _matching(KEY_PREFIX, default=False),
    "E008",
    "Use at most 200 ASCII characters without spaces.",
)
CACHE_NAME = Kind(TEXT, _cache_name, "E009", "Write an alias of CACHES, or remove the setting.")
CACHE_LOCATION = Kind(SECRET, _cache_location, "E009", "Write an address, such as 'redis://host:6379/0'.")
RESOLUTIONS = Kind(NUMBERS, _resolutions, "E010", "List factors above 0 and up to 10 as numbers: [1.5, 2].")
FOLDER = Kind(
    TEXT,
    _matching(PREFIX, default=False),
    "E014",
    "Write a folder as 'cache/' or 'a/b/': no slash in front, no '..', '//' or backslash.",
)
FORMER_BACKEND = Kind(
    TEXT,
    _matching(DOTTED_PATH),
    "E016",
    "Write what THUMBNAIL_BACKEND was before: 'sorl.thumbnail.base.ThumbnailBackend' if it was not set.",
)
SWITCH = Kind(FLAG, _flag, "E017", "Write True or False.")
DAYS = Kind(
    whole(2),
    _number(1, 36500, int),
    "E024",
    "Write a whole number of days, 2 at least, or remove the setting if nothing deletes thumbnails.",
)
TEXT_SOURCES = Kind(
    NAMES,
    _text_sources,
    "E031",
    "List folders whose images visitors may show: of the storage THUMBNAIL_STORAGE, as 'uploads/', or of "
    "hosts in THUMBNAIL_SOURCES, as 'https://images.example.com/photos/'. Or write the dotted path of a "
    "function that takes a name.",
)

"""The reader of Django's settings: `get_config()` gives one frozen Config, or says what is wrong.

Client and server read the same names. The server's `settings.py` fills them from its environment.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from datetime import timedelta
from importlib.util import find_spec
from threading import RLock
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import unquote

from django.conf import DEFAULT_STORAGE_ALIAS
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import settings as sorl_settings

from shrinkmeister.conf.strength import MIN_LENGTH, weakness
from shrinkmeister.exceptions import ShrinkmeisterError, SpecError
from shrinkmeister.protocol import lazy_urls
from shrinkmeister.protocol.records import RESOLUTION
from shrinkmeister.protocol.spec import EXTENSIONS, SCHEMES, URL_SCHEMES, ThumbnailSpec, plain_options
from shrinkmeister.protocol.tokens import Tokens
from shrinkmeister.secret import Secret, revealed, without_password

DEFAULT_CACHE_NAME = "shrinkmeister"
DAY = 24 * 3600
DEFAULT_TTL = 30 * DAY
DEFAULT_CHECK_TTL = 7 * DAY
# Seconds. A page waits for so long at most, and then leaves the shared cache alone for a while: what that
# would have known, the server knows. The server's own settings have a longer one.
CACHE_TIMEOUT = 0.08
# An end that lies further away may be none that tokens can have.
MAX_SECONDS = 10**10
# Memcached takes keys of 250 bytes without spaces or control characters; ours have 35.
PREFIX = re.compile(r"((?!\.{0,2}/)[^/\\\0]+/)*(?!\.{1,2}$)[^/\\\0]*")
# What browsers are given as it is, so that nothing in it may need escaping.
SERVER_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?", re.ASCII)
# What sorl's filters for texts take for the name or the URL of an image.
TEXT_IMAGE = re.compile(r"[a-zA-Z0-9.:/_% -]+")
DOTTED_PATH = re.compile(r"\w+(\.\w+)+")
KEY_PREFIX = re.compile(r"[!-~]{0,200}", re.ASCII)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and what S3-compatible
# servers and old buckets have beyond it.
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)

# Settings that decide about values which a process keeps. The storages of django-storages and the clients
# of django-redis read their own ones. Django makes its storages anew when STATIC_ROOT or STATIC_URL change.
READ_SETTINGS = re.compile(
    r"CACHES|STORAGES|(MEDIA|STATIC)_(ROOT|URL)|(THUMBNAIL|AWS|AZURE|GS|DROPBOX|SFTP|FTP|LIBCLOUD|DJANGO_REDIS)_\w+"
)

OUR_SETTINGS = frozenset(
    {
        "THUMBNAIL_SECRET_KEY",
        "THUMBNAIL_SECRET_KEY_FALLBACKS",
        "THUMBNAIL_SERVER_URL",
        "THUMBNAIL_URL_TTL",
        "THUMBNAIL_BUCKET",
        "THUMBNAIL_SOURCES",
        "THUMBNAIL_TEXT_SOURCES",
        "THUMBNAIL_CACHE_BACKEND",
        "THUMBNAIL_CACHE_NAME",
        "THUMBNAIL_CACHE_LOCATION",
        "THUMBNAIL_CACHE_KEY_PREFIX",
        "THUMBNAIL_CACHE_WAIT_SECONDS",
        "THUMBNAIL_TTL",
        "THUMBNAIL_LOCAL_TTL",
        "THUMBNAIL_CHECK_TTL",
        "THUMBNAIL_EXPIRE_DAYS",
        "THUMBNAIL_ADOPTED_BACKEND",
        "THUMBNAIL_CLEANUP",
        "THUMBNAIL_EAGER",
        "THUMBNAIL_PREFETCH",
        "THUMBNAIL_METRICS",
    }
)


@dataclass(frozen=True)
class Problem:
    """One setting that is missing, misspelled or contradicts another."""

    id: str
    message: str
    hint: str


@dataclass(frozen=True)
class CacheConfig:
    """Where the shared cache is.

    backend     a driver's name in the registry, or a dotted path
    name        an alias of CACHES; used if CACHES has it
    name_given  whether the site chose that name, and so means an alias that has to be there
    location    where a cache of our own is built; several servers stand between commas
    key_prefix  stands before each of our keys
    timeout     seconds to wait for an answer, and as many for a connection
    """

    backend: str
    name: str
    name_given: bool
    location: Secret
    key_prefix: str
    timeout: float = CACHE_TIMEOUT


@dataclass(frozen=True)
class Config:
    """Every setting of ours, and those of sorl that decide about the picture or its place.

    ttl              seconds that a record lives
    check_ttl        seconds for which a recorded thumbnail is believed to be stored
    expire_days      days after which the bucket deletes what was written; None for never
    local_ttl        seconds for which a process keeps what its pages found; None for no longer than a page
    url_ttl          seconds after which a lazy URL stops to work; None for never
    sources          what may be read: (scheme, container, folder: "" or with a slash at its end)
    text_sources     which images of texts are shown as thumbnails: folders of names and URLs, with a slash
                     at their end; or the dotted path of a function that decides; None if unset
    adopted_backend  the backend that named the thumbnails that the site had before; None if it keeps none
    eager            whether thumbnails are made at once, in this process
    cleanup          whether the thumbnails of a file go when a model instance loses it
    prefetch         whether a page fetches what it looked up last time with its first look-up
    metrics          whether look-ups are counted for Prometheus
    """

    secrets: tuple[Secret, ...]
    server_url: str | None
    url_ttl: int | None
    bucket: str | None
    storage: str
    prefix: str
    sources: tuple[tuple[str, str, str], ...]
    text_sources: tuple[str, ...] | str | None
    cache: CacheConfig
    ttl: int
    check_ttl: int
    expire_days: int | None
    local_ttl: int | None
    resolutions: tuple[str, ...]
    options: Mapping[str, Any]
    flatten: bool
    preserve_format: bool
    remove_url_args: bool
    dummy: bool
    debug: bool
    adopted_backend: str | None
    eager: bool
    cleanup: bool
    prefetch: bool
    metrics: bool


class SettingError(ShrinkmeisterError, ImproperlyConfigured):
    """A setting that nothing can work with. Says which, its value, and what to write instead."""

    code = "setting"

    def __init__(self, id: str, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint} ({id})")
        self.problem = Problem(id, message, hint)

    def __reduce__(self) -> Any:
        return SettingError, astuple(self.problem)


ADOPTED_BACKEND_HINT = (
    "Write what THUMBNAIL_BACKEND was before: 'sorl.thumbnail.base.ThumbnailBackend', if it was not set."
)
TEXT_SOURCES_HINT = (
    "List folders whose images visitors may show: of the storage THUMBNAIL_STORAGE, as 'uploads/', or of "
    "hosts in THUMBNAIL_SOURCES, as 'https://images.example.com/photos/'. Or write the dotted path of a "
    "function that takes a name."
)
MISSING_SERVER_URL = Problem(
    "shrinkmeister.E003",
    "THUMBNAIL_SERVER_URL is not set.",
    "Write where browsers reach the thumbnail server: 'https://thumbs.example.com'.",
)

SECRET_HINT = (
    "Give client and server the same random text, for instance of "
    "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
)

T = TypeVar("T")


def reset_on_setting_change(make: Callable[[], T]) -> Callable[[], T]:
    """Makes a value once, and again after a change of READ_SETTINGS, such as override_settings makes."""
    kept: list[T] = []
    # The first requests come all at once, and would import and build all at once.
    lock = RLock()

    def made() -> T:
        # Without the lock once there is a value: a page asks hundreds of times.
        for value in kept:
            return value
        with lock:
            if not kept:
                kept.append(make())
            return kept[0]

    def forget(setting: str, **kwargs: Any) -> None:
        if READ_SETTINGS.fullmatch(setting):
            with lock:
                kept.clear()

    setting_changed.connect(forget, weak=False)
    return made


@reset_on_setting_change
def get_config() -> Config:
    """Raises SettingError for the first setting that is wrong; `manage.py check` tells all of them."""
    reader = SettingsReader()
    config = reader.config()
    if reader.problems:
        raise SettingError(*astuple(reader.problems[0]))
    return config


@reset_on_setting_change
def get_tokens() -> Tokens:
    """Return what encrypts and decrypts the tokens of this process. Raises SettingError."""
    config = get_config()
    return Tokens(map(Secret.reveal, config.secrets), config.url_ttl)


def lazy_url(spec: ThumbnailSpec, config: Config) -> str:
    """Return the URL at which the thumbnail server makes a thumbnail.

    Raises SettingError without THUMBNAIL_SERVER_URL.
    """
    if config.server_url is None:
        raise SettingError(*astuple(MISSING_SERVER_URL))
    return lazy_urls.lazy_url(config.server_url, get_tokens(), spec)


def is_plain(name: str) -> bool:
    """Return whether a name is spelled in the one way that prefixes can be compared with.

    Storages and hosts may read an empty part, "." or "..", a backslash, or one of these percent-encoded,
    as another name.
    """
    return bool(PREFIX.fullmatch(unquote(name)))


def _alias_of_class(kind: type) -> str | None:
    """Return the alias of STORAGES that is this class without options, or None."""
    for alias, parameters in django_settings.STORAGES.items():
        if not parameters.get("OPTIONS"):
            try:
                if import_string(parameters["BACKEND"]) is kind:
                    return str(alias)
            except ImportError:
                continue  # Django reports it when the alias is opened
    return None


def _text_folder(entry: Any, sources: tuple[tuple[str, str, str], ...]) -> str | None:
    """Return an entry of THUMBNAIL_TEXT_SOURCES with a slash at its end; None for a wrong one."""
    if not isinstance(entry, str) or not TEXT_IMAGE.fullmatch(entry):
        return None
    scheme, separator, rest = entry.partition("://")
    host, _, path = rest.partition("/")
    if separator and (scheme not in URL_SCHEMES or (scheme, host) not in [one[:2] for one in sources]):
        return None
    if not is_plain(path if separator else entry):
        return None
    # A whole folder: "photos" is not to name "photos-private/" too.
    return f"{entry.removesuffix('/')}/"


class SettingsReader:
    """Reads all settings, and collects every problem instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, id: str, message: str, hint: str) -> None:
        self.problems.append(Problem(f"shrinkmeister.{id}", message, hint))

    def warning(self, id: str, message: str, hint: str) -> None:
        """As a problem with which everything works."""
        self.warnings.append(Problem(f"shrinkmeister.{id}", message, hint))

    def config(self) -> Config:
        sources = self._sources()
        return Config(
            secrets=self._secrets(),
            server_url=self._server_url(),
            url_ttl=self._seconds("THUMBNAIL_URL_TTL", None),
            bucket=self._bucket(),
            storage=self._storage(),
            prefix=self._prefix(),
            sources=sources,
            text_sources=self._text_sources(sources),
            cache=self._cache(),
            ttl=self._seconds("THUMBNAIL_TTL", DEFAULT_TTL) or DEFAULT_TTL,
            check_ttl=self._seconds("THUMBNAIL_CHECK_TTL", DEFAULT_CHECK_TTL) or DEFAULT_CHECK_TTL,
            expire_days=self._expire_days(),
            local_ttl=self._seconds("THUMBNAIL_LOCAL_TTL", None),
            resolutions=self._resolutions(),
            options=self._options(),
            flatten=sorl_settings.THUMBNAIL_FLATTEN,
            preserve_format=sorl_settings.THUMBNAIL_PRESERVE_FORMAT,
            remove_url_args=sorl_settings.THUMBNAIL_REMOVE_URL_ARGS,
            dummy=sorl_settings.THUMBNAIL_DUMMY,
            debug=sorl_settings.THUMBNAIL_DEBUG,
            adopted_backend=self._adopted_backend(),
            eager=self._flag("THUMBNAIL_EAGER"),
            cleanup=self._flag("THUMBNAIL_CLEANUP"),
            prefetch=self._flag("THUMBNAIL_PREFETCH", True),
            metrics=self._metrics(),
        )

    def _secrets(self) -> tuple[Secret, ...]:
        name = "THUMBNAIL_SECRET_KEY"
        secret = revealed(getattr(django_settings, name, None))
        if not secret:
            self.problem("E001", f"{name} is not set.", SECRET_HINT)
            return ()
        fallbacks = [
            revealed(fallback)
            for fallback in self._list(
                f"{name}_FALLBACKS", "E002", "List the former secret keys, the latest first."
            )
        ]
        found = [self._secret(name, secret), *(self._secret(f"{name}_FALLBACKS", f) for f in fallbacks)]
        # The value itself stays out of all messages: messages end up in logs.
        if found[0] and (weak := weakness(found[0])):
            self.problem("E001", f"The key in {name} can be guessed: it {weak}.", SECRET_HINT)
        for fallback in found[1:]:
            if fallback and (weak := weakness(fallback)):
                self.warning(
                    "W003",
                    f"A key in {name}_FALLBACKS can be guessed: it {weak}. Until it is removed, guessing "
                    f"it is enough to make URLs and records.",
                    "Remove it as soon as the rotation is over.",
                )
        if self.problems:
            return ()
        return tuple(Secret(one) for one in found if one)

    def _secret(self, setting: str, value: object) -> str | None:
        """None for what is no secret, which is then a problem."""
        if not isinstance(value, str):
            self.problem("E001", f"A key in {setting} is not text.", SECRET_HINT)
        elif len(value) < MIN_LENGTH:
            self.problem(
                "E001",
                f"A key in {setting} has {len(value)} characters; {MIN_LENGTH} are the least.",
                SECRET_HINT,
            )
        elif value != value.strip() or not value.isprintable():
            self.problem(
                "E001",
                f"A key in {setting} has whitespace or control characters at an end or inside.",
                "Remove them: an environment variable would lose them, and the sides would differ.",
            )
        else:
            return value
        return None

    def _list(self, name: str, id: str, hint: str) -> list[Any]:
        value = getattr(django_settings, name, None)
        if value is None:
            return []
        if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
            secret = name.startswith("THUMBNAIL_SECRET_KEY")
            shown = f"a value of type {type(value).__name__}" if secret else _shown(value)
            self.problem(id, f"{name} is {shown}, and not a list.", hint)
            return []
        return list(value)

    def _server_url(self) -> str | None:
        url = getattr(django_settings, "THUMBNAIL_SERVER_URL", None)
        if url is None:
            return None
        if not isinstance(url, str) or not SERVER_URL.fullmatch(url):
            self.problem(
                "E003",
                f"THUMBNAIL_SERVER_URL is {_shown(url)}, which is not an absolute URL.",
                MISSING_SERVER_URL.hint,
            )
            return None
        return url.rstrip("/")

    def _seconds(self, name: str, default: int | None) -> int | None:
        value = getattr(django_settings, name, default)
        if isinstance(value, timedelta):
            value = int(value.total_seconds())
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SECONDS:
            self.problem(
                "E004",
                f"{name} is {value!r}, which is not a number of seconds.",
                f"Write a whole number above 0 and up to 10^10, or leave it out for {default or 'none'}.",
            )
            return default
        return value

    def _expire_days(self) -> int | None:
        days = getattr(django_settings, "THUMBNAIL_EXPIRE_DAYS", None)
        # Records end a day before their objects, so that a page that somebody has open is not left behind.
        if days is None or (type(days) is int and 2 <= days <= 36500):
            return days
        self.problem(
            "E024",
            f"THUMBNAIL_EXPIRE_DAYS is {days!r}.",
            "Write a whole number of days, 2 at least, or leave it out where nothing deletes thumbnails.",
        )
        return None

    def _bucket(self) -> str | None:
        bucket = getattr(django_settings, "THUMBNAIL_BUCKET", None)
        if bucket in (None, ""):
            return None
        if not isinstance(bucket, str) or not BUCKET.fullmatch(bucket):
            self.problem(
                "E005",
                f"THUMBNAIL_BUCKET is {_shown(bucket)}, which is not a bucket's name.",
                "Write the bare name, 'my-thumbnails': no s3://, no folder.",
            )
            return None
        return bucket

    def _storage(self) -> str:
        # Not sorl's default: before sorl 13 that is the class of the default storage, without its OPTIONS.
        name = getattr(django_settings, "THUMBNAIL_STORAGE", DEFAULT_STORAGE_ALIAS)
        if isinstance(name, str) and name in django_settings.STORAGES:
            return name
        hint = f"Use one of {sorted(django_settings.STORAGES)}, or add it to STORAGES."
        problem = f"THUMBNAIL_STORAGE is {name!r}, and STORAGES has no such alias."
        if isinstance(name, str) and DOTTED_PATH.fullmatch(name):
            try:
                kind = import_string(name)
                if not isinstance(kind, type):
                    raise TypeError("it is not a class")
                return _alias_of_class(kind) or name
            except (ImportError, TypeError) as error:
                problem = f"THUMBNAIL_STORAGE is {name!r}, which cannot be used: {error}."
        self.problem("E006", problem, hint)
        return str(name)

    def _prefix(self) -> str:
        prefix = sorl_settings.THUMBNAIL_PREFIX
        # Storages make one name of several spellings; the names of objects have one.
        if not isinstance(prefix, str) or not PREFIX.fullmatch(prefix):
            self.problem(
                "E014",
                f"THUMBNAIL_PREFIX is {prefix!r}.",
                "Write a folder as 'cache/', or 'a/b/': no slash in front, no '..', '//' or backslash.",
            )
            return ""
        return prefix

    def _sources(self) -> tuple[tuple[str, str, str], ...]:
        hint = "Write 's3://bucket', 's3://bucket/folder/', 'storage://alias' or 'https://host'."
        sources = []
        for entry in self._list("THUMBNAIL_SOURCES", "E007", hint):
            scheme, _, rest = str(entry).partition("://")
            container, _, prefix = rest.partition("/")
            if scheme not in SCHEMES or not SCHEMES[scheme].fullmatch(container):
                self.problem(
                    "E007",
                    f"THUMBNAIL_SOURCES has {_shown(entry)}, which names no place of sources.",
                    hint,
                )
                continue
            # A whole folder: "photos" is not to name "photos-private/" too.
            folder = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
            sources.append((scheme, container, folder))
        return tuple(sources)

    def _text_sources(self, sources: tuple[tuple[str, str, str], ...]) -> tuple[str, ...] | str | None:
        name = "THUMBNAIL_TEXT_SOURCES"
        value = getattr(django_settings, name, None)
        # The function itself is loaded when it is used: settings may not import what reads settings.
        if value is None or (isinstance(value, str) and DOTTED_PATH.fullmatch(value)):
            return value
        folders = []
        for entry in self._list(name, "E031", TEXT_SOURCES_HINT):
            if folder := _text_folder(entry, sources):
                folders.append(folder)
            else:
                message = f"{name} contains {entry!r}, which no image in a text can be in."
                self.problem("E031", message, TEXT_SOURCES_HINT)
        return tuple(folders)

    def _cache(self) -> CacheConfig:
        backend = getattr(django_settings, "THUMBNAIL_CACHE_BACKEND", "redis")
        name = getattr(django_settings, "THUMBNAIL_CACHE_NAME", None)
        location = revealed(getattr(django_settings, "THUMBNAIL_CACHE_LOCATION", None)) or ""
        prefix = getattr(django_settings, "THUMBNAIL_CACHE_KEY_PREFIX", "shrinkmeister:")
        if isinstance(location, list | tuple):
            parts = [revealed(one) for one in location]
            if all(isinstance(one, str) for one in parts):
                location = ",".join(map(str, parts))
        for setting, value in (("NAME", name or ""), ("LOCATION", location)):
            if not isinstance(value, str):
                # Not what it is: an address may have a password.
                self.problem(
                    "E009",
                    f"THUMBNAIL_CACHE_{setting} is a value of type {type(value).__name__}, and not text.",
                    "Write an alias of CACHES, or an address.",
                )
                return CacheConfig(str(backend), DEFAULT_CACHE_NAME, False, Secret(""), "")
        if not isinstance(prefix, str) or not KEY_PREFIX.fullmatch(prefix):
            self.problem(
                "E008",
                f"THUMBNAIL_CACHE_KEY_PREFIX is {_shown(prefix)}, which no cache takes in a key.",
                "Use at most 200 ASCII characters without spaces.",
            )
            prefix = ""
        alias = name or DEFAULT_CACHE_NAME
        if location and alias in django_settings.CACHES:
            self.problem(
                "E009",
                f"THUMBNAIL_CACHE_NAME is {alias!r}, an alias of CACHES, and "
                f"THUMBNAIL_CACHE_LOCATION is set too: two places for one cache.",
                "Remove THUMBNAIL_CACHE_LOCATION, or the alias.",
            )
        timeout = self._cache_timeout()
        return CacheConfig(str(backend), alias, bool(name), Secret(str(location)), prefix, timeout)

    def _cache_timeout(self) -> float:
        value = getattr(django_settings, "THUMBNAIL_CACHE_WAIT_SECONDS", None)
        if value is None:
            return CACHE_TIMEOUT
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 60:
            self.problem(
                "E023",
                f"THUMBNAIL_CACHE_WAIT_SECONDS is {value!r}.",
                f"Write seconds above 0 and up to 60, or leave it out for {CACHE_TIMEOUT}.",
            )
            return CACHE_TIMEOUT
        return float(value)

    def _resolutions(self) -> tuple[str, ...]:
        hint = "List factors above 0 and up to 10, as numbers: [1.5, 2]."
        resolutions = self._list("THUMBNAIL_ALTERNATIVE_RESOLUTIONS", "E010", hint)
        for resolution in resolutions:
            number = isinstance(resolution, int | float) and not isinstance(resolution, bool)
            if not number or not 0 < resolution <= 10 or not RESOLUTION.fullmatch(str(resolution)):
                self.problem("E010", f"THUMBNAIL_ALTERNATIVE_RESOLUTIONS has {resolution!r}.", hint)
                return ()
        # As sorl names them, and so as templates do: 2 is "2x", and 2.0 is "2.0x".
        return tuple(str(resolution) for resolution in resolutions)

    def _adopted_backend(self) -> str | None:
        path = getattr(django_settings, "THUMBNAIL_ADOPTED_BACKEND", None)
        # The class itself is loaded when it is used: loading it here would read settings again.
        if path is None or (isinstance(path, str) and DOTTED_PATH.fullmatch(path)):
            return path
        self.problem(
            "E016",
            f"THUMBNAIL_ADOPTED_BACKEND is {path!r}, which is not the dotted path of a class.",
            ADOPTED_BACKEND_HINT,
        )
        return None

    def _flag(self, name: str, default: bool = False) -> bool:
        value = getattr(django_settings, name, default)
        if not isinstance(value, bool):
            self.problem("E017", f"{name} is {value!r}.", "Write True or False.")
            return default
        return value

    def _metrics(self) -> bool:
        metrics = self._flag("THUMBNAIL_METRICS")
        if metrics and find_spec("prometheus_client") is None:
            self.problem(
                "E025",
                "THUMBNAIL_METRICS is True, and prometheus_client is not installed.",
                "Install it with `pip install shrinkmeister[metrics]`.",
            )
        return metrics

    def _options(self) -> Mapping[str, Any]:
        """The site's, without defaults; sorl's own are frozen when its module is imported."""
        names = ("format", "quality", "colorspace", "upscale", "padding", "padding_color")
        options = {name: getattr(sorl_settings, f"THUMBNAIL_{name.upper()}") for name in names}
        for name in ("progressive", "orientation", "blur"):
            options[name] = getattr(sorl_settings, f"THUMBNAIL_{name.upper()}")
        if not isinstance(options["format"], str) or options["format"] not in EXTENSIONS:
            self.problem(
                "E011",
                f"THUMBNAIL_FORMAT is {options['format']!r}.",
                f"Use one of {', '.join(EXTENSIONS)}.",
            )
        chosen: dict[str, Any] = {}
        for name, value in options.items():
            try:
                chosen |= plain_options({name: value})
            except SpecError as error:
                hint = "Write text, a number, True, False or None."
                self.problem("E022", f"THUMBNAIL_{name.upper()} is {value!r}: {error}.", hint)
        return MappingProxyType(chosen)


def _shown(value: object) -> str:
    """As messages show a value; an address without its password."""
    return without_password(repr(value))

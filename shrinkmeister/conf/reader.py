"""Read Django's settings into a Config, and collect every problem instead of only the first."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import Warning
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults

from shrinkmeister.conf import values
from shrinkmeister.conf.cache_table import CacheConfig
from shrinkmeister.conf.libraries import PICTURE_SETTINGS
from shrinkmeister.conf.row import Setting, settings_of
from shrinkmeister.conf.secret_strength import MIN_LENGTH, weakness
from shrinkmeister.conf.table import Config, SettingError
from shrinkmeister.exceptions import SpecError
from shrinkmeister.protocol.spec import EXTENSIONS, URL_SCHEMES, plain_options
from shrinkmeister.secret import Secret, revealed, without_password

NAME = "THUMBNAIL_SECRET_KEY"
FALLBACKS = "THUMBNAIL_SECRET_KEY_FALLBACKS"
LOCATION = "THUMBNAIL_CACHE_LOCATION"


class SettingsReader:
    """Reads settings. Collects every problem instead of raising an error for the first."""

    def __init__(self) -> None:
        self.problems: list[SettingError] = []
        self.warnings: list[Warning] = []

    def config(self) -> Config:
        read = self.read(settings_of(Config))
        pictures = {row.name: read.pop(row.name) for row in PICTURE_SETTINGS}
        cache = {name.partition(".")[2]: read.pop(name) for name in [*read] if name.startswith("cache.")}
        secrets = self._secrets(read.pop(NAME), read.pop(FALLBACKS))
        read["storage"] = self._storage(read["storage"])
        read["text_sources"] = self._text_sources(read["text_sources"], read["sources"])
        if read["metrics"] and find_spec("prometheus_client") is None:
            self.problem(
                "E025",
                "THUMBNAIL_METRICS is True, but prometheus_client is not installed.",
                'Install it with `pip install "shrinkmeister[metrics]"`.',
            )
        return Config(**read, secrets=secrets, cache=self._cache(cache), options=self._options(pictures))

    def read(self, rows: Iterable[Setting]) -> dict[str, Any]:
        """Return the values. The keys are the rows' attributes, or names for rows without an attribute."""
        return {row.attribute or row.name: self._read(row) for row in rows}

    def problem(self, id: str, message: str, hint: str) -> None:
        self.problems.append(SettingError(f"shrinkmeister.{id}", message, hint))

    def _read(self, row: Setting) -> Any:
        # A row without a default uses sorl's. THUMBNAIL_STORAGE has one, because it differs before sorl 13.
        default = getattr(sorl_defaults, row.name, None) if row.default is None else row.default
        given = getattr(django_settings, row.name, default)
        try:
            value = row.read(given)
        except ValueError as error:
            is_given = (
                f"is of type {type(given).__name__}, which is not valid"
                if row.secret
                else f"is {without_password(repr(given))}, which is not valid"
            )
            self.problem(row.id, f"{row.name} {str(error) or is_given}.", row.hint)
            value = row.read(default)
        return row.default if value is None else value

    def _secrets(self, secret: Any, fallbacks: list[Any]) -> tuple[Secret, ...]:
        if not secret:
            self.problem("E001", f"{NAME} is not set.", values.SECRET_HINT)
            return ()
        keys = [(NAME, secret), *((FALLBACKS, revealed(one)) for one in fallbacks)]
        # Messages end up in logs, so no message contains a key.
        wrong = [f"A key in {name} {why}." for name, key in keys if (why := _unusable(key))]
        if not wrong and (weak := weakness(secret)):
            wrong = [f"The key in {NAME} can be guessed: it {weak}."]
        for message in wrong:
            self.problem("E001", message, values.SECRET_HINT)
        if wrong:
            return ()
        for _, fallback in keys[1:]:
            if weak := weakness(fallback):
                message = (
                    f"A key in {FALLBACKS} can be guessed: it {weak}. Until you remove the key, "
                    f"attackers who guess it can make URLs and records."
                )
                hint = "Remove the key as soon as the rotation is over."
                self.warnings.append(Warning(message, hint, id="shrinkmeister.W003"))
        return tuple(Secret(key) for _, key in keys)

    def _storage(self, name: str) -> str:
        aliases = django_settings.STORAGES
        if name in aliases:
            return name
        message = f"THUMBNAIL_STORAGE is {name!r}, which is not an alias of STORAGES."
        if values.DOTTED_PATH.fullmatch(name):
            try:
                kind = import_string(name)
                if not isinstance(kind, type):
                    raise TypeError("it is not a class")
                same = (one for one in aliases if backend_class(aliases[one]) is kind)
                return next((one for one in same if not aliases[one].get("OPTIONS")), name)
            except (ImportError, TypeError) as error:
                message = f"THUMBNAIL_STORAGE is {name!r}, which cannot be used: {error}."
        self.problem("E006", message, f"Use one of {sorted(aliases)}, or add the alias to STORAGES.")
        return name

    def _text_sources(self, value: Any, sources: Any) -> tuple[str, ...] | str | None:
        if value is None or isinstance(value, str):
            return value
        folders = {entry: _text_folder(entry, sources) for entry in value}
        for entry, name in folders.items():
            if name is None:
                message = f"THUMBNAIL_TEXT_SOURCES contains {entry!r}, which is not a valid source folder."
                self.problem("E031", message, values.TEXT_SOURCES_HINT)
        return tuple(name for name in folders.values() if name)

    def _cache(self, read: dict[str, Any]) -> CacheConfig:
        if read["location"] and read["name"] in django_settings.CACHES:
            self.problem(
                "E009",
                f"THUMBNAIL_CACHE_NAME is {read['name']!r}, an alias of CACHES, but {LOCATION} is set too.",
                f"Remove {LOCATION}, or set THUMBNAIL_CACHE_NAME to a name that CACHES does not have.",
            )
        return CacheConfig(**read | {"backend": str(read["backend"])})

    def _options(self, pictures: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the site's options, except the options that equal sorl's defaults."""
        chosen: dict[str, Any] = {}
        for name, value in pictures.items():
            option = name.removeprefix("THUMBNAIL_").lower()
            if option == "format" and (not isinstance(value, str) or value not in EXTENSIONS):
                message = f"{name} is {value!r}, which is not valid."
                self.problem("E011", message, f"Use one of {', '.join(EXTENSIONS)}.")
            try:
                chosen |= plain_options({option: value})
            except SpecError as error:
                hint = "Write text, a number, True, False or None."
                self.problem("E022", f"{name} is {value!r}, which is not valid: {error}.", hint)
        return MappingProxyType(chosen)


def _unusable(key: object) -> str | None:
    """Return why an object cannot be a key, as words that follow the key, or None if it can."""
    if not isinstance(key, str):
        return "is not text"
    if len(key) < MIN_LENGTH:
        return f"has {len(key)} characters; the minimum is {MIN_LENGTH}"
    if key != key.strip() or not key.isprintable():
        return "contains control characters, or has whitespace at an end, which environment variables lose"
    return None


def backend_class(parameters: Mapping[str, Any]) -> type | None:
    """Return the class of an entry of STORAGES, or None if its package is not installed."""
    try:
        kind: type = import_string(parameters["BACKEND"])
    except ImportError:
        return None  # Django reports the error when it opens the alias
    return kind


def _text_folder(entry: Any, sources: tuple[tuple[str, str, str], ...]) -> str | None:
    """Return an entry of THUMBNAIL_TEXT_SOURCES with a slash at its end, or None if it is not valid."""
    if not isinstance(entry, str) or not values.TEXT_IMAGE.fullmatch(entry):
        return None
    scheme, separator, rest = entry.partition("://")
    host, _, path = rest.partition("/")
    if separator and (scheme not in URL_SCHEMES or (scheme, host) not in [one[:2] for one in sources]):
        return None
    return values.folder(entry) if values.is_plain(path if separator else entry) else None

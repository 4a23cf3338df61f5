"""The reader of Django's settings: a Config, and every problem instead of only the first."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from django.conf import settings as django_settings
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults

from shrinkmeister.conf import kinds
from shrinkmeister.conf.config import DEFAULT_CACHE_NAME, CacheConfig, Config, Problem
from shrinkmeister.conf.library_settings import PICTURE_SETTINGS
from shrinkmeister.conf.strength import MIN_LENGTH, weakness
from shrinkmeister.conf.table import Setting, settings_of
from shrinkmeister.exceptions import SpecError
from shrinkmeister.protocol.spec import EXTENSIONS, URL_SCHEMES, plain_options
from shrinkmeister.secret import Secret, revealed

NAME = "THUMBNAIL_SECRET_KEY"
FALLBACKS = "THUMBNAIL_SECRET_KEY_FALLBACKS"
LOCATION = "THUMBNAIL_CACHE_LOCATION"


class SettingsReader:
    """Reads all settings, and collects every problem instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._values: dict[str, Any] = {}

    def config(self) -> Config:
        read = {}
        for row in settings_of(Config):
            read[row.attribute] = self._values[row.name] = self._read(row)
        plain = {name: value for name, value in read.items() if name and "." not in name}
        special = {
            "secrets": self._secrets(),
            "storage": self._storage(read["storage"]),
            "text_sources": self._text_sources(read["text_sources"], read["sources"]),
            "cache": self._cache({name.removeprefix("cache."): value for name, value in read.items()}),
            "options": self._options(),
            "metrics": self._metrics(read["metrics"]),
        }
        return Config(**plain | special)

    def problem(self, id: str, message: str, hint: str) -> None:
        self.problems.append(Problem(f"shrinkmeister.{id}", message, hint))

    def _read(self, row: Setting) -> Any:
        # sorl has the defaults of its own settings, but before version 13 another one of THUMBNAIL_STORAGE.
        default = getattr(sorl_defaults, row.name, None) if row.default is None else row.default
        try:
            value = row.kind.read(getattr(django_settings, row.name, default))
        except ValueError as error:
            self.problem(row.kind.id, f"{row.name} {error}.", row.kind.hint)
            value = row.kind.read(default)
        return row.default if value is None and row.default is not None else value

    def _secrets(self) -> tuple[Secret, ...]:
        secret = self._values[NAME]
        if not secret:
            self.problem(kinds.SECRET_KEY.id, f"{NAME} is not set.", kinds.SECRET_HINT)
            return ()
        keys = [(NAME, secret), *((FALLBACKS, revealed(one)) for one in self._values[FALLBACKS])]
        wrong = [problem for name, key in keys for problem in _secret_problems(name, key)]
        # Messages end up in logs, so no message contains a key.
        for one in wrong:
            self.problem(kinds.SECRET_KEY.id, *one)
        if wrong:
            return ()
        if weak := weakness(secret):
            self.problem(
                kinds.SECRET_KEY.id, f"The key in {NAME} can be guessed: it {weak}.", kinds.SECRET_HINT
            )
        for _, fallback in keys[1:]:
            if weak := weakness(fallback):
                message = (
                    f"A key in {FALLBACKS} can be guessed: it {weak}. Until it is removed, guessing it is "
                    f"enough to make URLs and records."
                )
                hint = "Remove it as soon as the rotation is over."
                self.warnings.append(Problem("shrinkmeister.W003", message, hint))
        return tuple(Secret(key) for _, key in keys)

    def _storage(self, name: str) -> str:
        aliases = django_settings.STORAGES
        if name in aliases:
            return name
        message = f"THUMBNAIL_STORAGE is {name!r}, and STORAGES has no such alias."
        if kinds.DOTTED_PATH.fullmatch(name):
            try:
                kind = import_string(name)
                if not isinstance(kind, type):
                    raise TypeError("it is not a class")
                return _alias_of_class(kind) or name
            except (ImportError, TypeError) as error:
                message = f"THUMBNAIL_STORAGE is {name!r}, which cannot be used: {error}."
        self.problem("E006", message, f"Use one of {sorted(aliases)}, or add it to STORAGES.")
        return name

    def _text_sources(self, value: Any, sources: Any) -> tuple[str, ...] | str | None:
        if value is None or isinstance(value, str):
            return value
        folders = {entry: _text_folder(entry, sources) for entry in value}
        for entry, name in folders.items():
            if name is None:
                message = f"THUMBNAIL_TEXT_SOURCES contains {entry!r}, which no image in a text can be in."
                self.problem(kinds.TEXT_SOURCES.id, message, kinds.TEXT_SOURCES.hint)
        return tuple(name for name in folders.values() if name)

    def _cache(self, values: Mapping[str, Any]) -> CacheConfig:
        location, name = values["location"], values["name"] or DEFAULT_CACHE_NAME
        if location and name in django_settings.CACHES:
            self.problem(
                "E009",
                f"THUMBNAIL_CACHE_NAME is {name!r}, an alias of CACHES, but {LOCATION} is set too.",
                f"Remove {LOCATION}, or the alias: the shared cache is in one place.",
            )
        return CacheConfig(
            backend=str(values["backend"]),
            name=name,
            name_given=bool(values["name"]),
            location=location,
            key_prefix=values["key_prefix"],
            timeout=values["timeout"],
        )

    def _metrics(self, metrics: bool) -> bool:
        if metrics and find_spec("prometheus_client") is None:
            self.problem(
                "E025",
                "THUMBNAIL_METRICS is True, but prometheus_client is not installed.",
                "Install it with `pip install shrinkmeister[metrics]`.",
            )
        return metrics

    def _options(self) -> Mapping[str, Any]:
        """Return the site's options without those that equal sorl's defaults."""
        chosen: dict[str, Any] = {}
        for row in PICTURE_SETTINGS:
            name, value = row.name.removeprefix("THUMBNAIL_").lower(), self._values[row.name]
            if name == "format" and (not isinstance(value, str) or value not in EXTENSIONS):
                hint = f"Use one of {', '.join(EXTENSIONS)}."
                self.problem("E011", f"{row.name} is {value!r}.", hint)
            try:
                chosen |= plain_options({name: value})
            except SpecError as error:
                hint = "Write text, a number, True, False or None."
                self.problem("E022", f"{row.name} is {value!r}: {error}.", hint)
        return MappingProxyType(chosen)


def _secret_problems(setting: str, key: object) -> Iterator[tuple[str, str]]:
    """Yield the message and the hint for a key that cannot be used."""
    if not isinstance(key, str):
        yield f"A key in {setting} is not text.", kinds.SECRET_HINT
    elif len(key) < MIN_LENGTH:
        message = f"A key in {setting} has {len(key)} characters; the minimum is {MIN_LENGTH}."
        yield message, kinds.SECRET_HINT
    elif key != key.strip() or not key.isprintable():
        yield (
            f"A key in {setting} contains control characters, or whitespace at an end.",
            "Remove them. An environment variable would lose them, and site and server would differ.",
        )


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
    """Return an entry of THUMBNAIL_TEXT_SOURCES with a slash at its end, or None if it is wrong."""
    if not isinstance(entry, str) or not kinds.TEXT_IMAGE.fullmatch(entry):
        return None
    scheme, separator, rest = entry.partition("://")
    host, _, path = rest.partition("/")
    if separator and (scheme not in URL_SCHEMES or (scheme, host) not in [one[:2] for one in sources]):
        return None
    return kinds.folder(entry) if kinds.is_plain(path if separator else entry) else None

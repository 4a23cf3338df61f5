"""Environment variables, cast and named in every error."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.secret import Secret, without_password

MISSING: Any = object()
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
HOST = re.compile(rf"\*|\.?{LABEL}(\.{LABEL})*|\[[0-9A-Fa-f:.]+\]", re.ASCII)

# Compared with what browsers send, which is in lower case.
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
HEADER = re.compile(r"HTTP_[A-Z0-9_]+", re.ASCII)


class VariableError(ShrinkmeisterError, ImproperlyConfigured):
    """An environment variable is missing or invalid."""

    code = "variable"


class Environment:
    """Reads variables, and remembers which, so that a misspelled one can be told.

    An empty variable counts as one that is not set: hosting consoles cannot leave one out. Each method
    raises VariableError where the variable is missing and has no default, or cannot be cast.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._read: set[str] = set()

    def text(self, name: str, default: Any = MISSING) -> Any:
        self._read.add(name)
        value = self._variables.get(name, "").strip()
        if value:
            return value
        if default is MISSING:
            raise VariableError(f"The environment variable {name} is not set.")
        return default

    def secret(self, name: str, default: Any = MISSING) -> Any:
        """A text that nothing shows."""
        value = self.text(name, default)
        return value if value is default else Secret(value)

    def secrets(self, name: str, default: Any = MISSING) -> Any:
        """Such texts between commas."""
        values = self.names(name, default)
        return values if values is default else [Secret(value) for value in values]

    def integer(self, name: str, default: Any = MISSING, least: int = 0) -> Any:
        def cast(value: str) -> int:
            if int(value) < least:
                raise ValueError(value)
            return int(value)

        return self._cast(name, default, cast, f"a whole number, {least} at least")

    def number(self, name: str, default: Any = MISSING) -> Any:
        return self._cast(name, default, float, "a number")

    def flag(self, name: str, default: Any = MISSING) -> Any:
        return self._cast(name, default, as_flag, "true or false")

    def names(self, name: str, default: Any = MISSING) -> Any:
        """Texts between commas."""
        return self._cast(name, default, as_names, "names between commas")

    def hosts(self, name: str, default: Any = MISSING) -> Any:
        """Host names between commas, as Django's ALLOWED_HOSTS takes them: no port, no https://."""
        return self._cast(name, default, _hosts, "host names between commas, without ports or https://")

    def numbers(self, name: str, default: Any = MISSING) -> Any:
        """Numbers between commas: "1.5,2"."""
        return self._cast(name, default, _numbers, "numbers between commas, such as 1.5,2")

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """One of some words."""

        def cast(value: str) -> str:
            if value not in choices:
                raise ValueError(value)
            return value

        chosen: str = self._cast(name, default, cast, f"one of {', '.join(choices)}")
        return chosen

    def origins(self, name: str, default: Any = MISSING) -> Any:
        """Origins between commas, as browsers send them, or "*"."""
        form = (
            "origins between commas, such as https://www.example.com (no path, no slash at its end), or *"
        )
        return self._cast(name, default, as_origins, form)

    def header(self, name: str, default: Any = MISSING) -> Any:
        """A header as WSGI names it and its value: "HTTP_X_FORWARDED_PROTO,https"."""
        form = "a header and its value, such as HTTP_X_FORWARDED_PROTO,https"
        return self._cast(name, default, _header, form)

    def mapping(self, name: str, default: Any = MISSING) -> Any:
        """A JSON object of objects. They may have passwords, and stay out of the error."""
        value = self.text(name, default)
        if value is default:
            return default
        try:
            return _mapping(value)
        except ValueError as error:
            wrong = str(error)
        # Without the error, which holds the whole text.
        raise VariableError(
            f"The environment variable {name} has to be a JSON object of objects by their aliases, as "
            f"Django's setting has them: {wrong}."
        )

    def unread(self, prefix: str) -> list[str]:
        """The variables of that prefix which nothing has read."""
        return sorted(n for n in self._variables if n.startswith(prefix) and n not in self._read)

    def read(self, prefix: str) -> list[str]:
        """The variables of that prefix which something has read, set or not."""
        return sorted(n for n in self._read if n.startswith(prefix))

    def _cast(self, name: str, default: Any, cast: Any, form: str) -> Any:
        value = self.text(name, default)
        if value is default:
            return default
        try:
            return cast(value)
        except ValueError:
            pass
        shown = without_password(repr(value))
        raise VariableError(f"The environment variable {name} is {shown}; it has to be {form}.")


def as_flag(value: str) -> bool:
    flags = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if value.lower() not in flags:
        raise ValueError(value)
    return flags[value.lower()]


def as_names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def _hosts(value: str) -> list[str]:
    if not as_names(value) or not all(HOST.fullmatch(name) for name in as_names(value)):
        raise ValueError(value)
    return as_names(value)


def as_origins(value: str) -> list[str]:
    names = as_names(value)
    if names != ["*"] and not (names and all(ORIGIN.fullmatch(name) for name in names)):
        raise ValueError(value)
    return names


def _header(value: str) -> tuple[str, str]:
    names = as_names(value)
    if len(names) != 2 or not HEADER.fullmatch(names[0]):
        raise ValueError(value)
    return names[0], names[1]


def _numbers(value: str) -> list[int | float]:
    return [int(n) if n.isdecimal() else float(n) for n in as_names(value)]


def _mapping(value: str) -> dict[str, Any]:
    mapping = json.loads(value)
    if not isinstance(mapping, dict):
        raise ValueError("it is none")
    for alias, one in mapping.items():
        if not isinstance(one, dict):
            raise ValueError(f"{alias!r} is none")
    return mapping

"""Environment variables, cast, and named in every error.

The server's settings import this module while Django's settings are being made.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.secret import Secret, without_password

MISSING: Any = object()
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
HOST = re.compile(rf"\*|\.?{LABEL}(\.{LABEL})*|\[[0-9A-Fa-f:.]+\]", re.ASCII)
# Browsers send origins in lower case.
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
HEADER = re.compile(r"HTTP_[A-Z0-9_]+", re.ASCII)
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class Form:
    """How the text of a variable becomes a value.

    cast    raises ValueError for a text of another form
    words   complete the sentence "it has to be ..."
    hidden  whether the value may hold passwords; errors then show the ValueError's text instead of it
    """

    cast: Callable[[str], Any]
    words: str = "text"
    hidden: bool = False


class VariableError(ShrinkmeisterError, ImproperlyConfigured):
    """An environment variable is missing or invalid."""


class Environment:
    """Reads variables, and remembers their names, so that misspelled ones can be reported.

    An empty variable counts as unset, because hosting consoles cannot leave one out.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._read: set[str] = set()

    def read(self, name: str, form: Form, default: Any = MISSING) -> Any:
        """Return the value, or the default of an unset variable.

        Raises VariableError for a wrong value, and for an unset variable without a default.
        """
        self._read.add(name)
        text = self._variables.get(name, "").strip()
        if not text:
            if default is MISSING:
                raise VariableError(f"The environment variable {name} is not set.")
            return default
        try:
            return form.cast(text)
        except ValueError as error:
            wrong = str(error)
        # Raised outside of the except block: the ValueError of a hidden form may hold the whole text.
        if form.hidden:
            raise VariableError(f"The environment variable {name} has to be {form.words}: {wrong}.")
        shown = without_password(repr(text))
        raise VariableError(f"The environment variable {name} is {shown}; it has to be {form.words}.")

    def unread(self, prefix: str) -> list[str]:
        """Return the names of variables with this prefix that have not been read."""
        return sorted(n for n in self._variables if n.startswith(prefix) and n not in self._read)


def whole(least: int = 0) -> Form:
    def cast(text: str) -> int:
        if int(text) < least:
            raise ValueError(text)
        return int(text)

    return Form(cast, f"a whole number, {least} at least")


def choice(words: Collection[str]) -> Form:
    def cast(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Form(cast, f"one of {', '.join(words)}")


def as_flag(text: str) -> bool:
    if text.lower() not in FLAGS:
        raise ValueError(text)
    return FLAGS[text.lower()]


def as_names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def as_origins(text: str) -> list[str]:
    names = as_names(text)
    if names != ["*"] and not (names and all(ORIGIN.fullmatch(name) for name in names)):
        raise ValueError(text)
    return names


def _hosts(text: str) -> list[str]:
    names = as_names(text)
    if not names or not all(HOST.fullmatch(name) for name in names):
        raise ValueError(text)
    return names


def _header(text: str) -> tuple[str, str]:
    names = as_names(text)
    if len(names) != 2 or not HEADER.fullmatch(names[0]):
        raise ValueError(text)
    return names[0], names[1]


def _mapping(text: str) -> dict[str, Any]:
    mapping = json.loads(text)
    if not isinstance(mapping, dict):
        raise ValueError("it is not an object")
    for alias, one in mapping.items():
        if not isinstance(one, dict):
            raise ValueError(f"{alias!r} is not an object")
    return mapping


TEXT = Form(str)
SECRET = Form(Secret)
SECRETS = Form(lambda text: [Secret(one) for one in as_names(text)])
NUMBER = Form(float, "a number")
NUMBERS = Form(
    lambda text: [int(one) if one.isdecimal() else float(one) for one in as_names(text)],
    "numbers between commas, such as 1.5,2",
)
FLAG = Form(as_flag, "true or false")
NAMES = Form(as_names, "names between commas")
# ALLOWED_HOSTS of Django takes no ports.
HOSTS = Form(_hosts, "host names between commas, without ports or https://")
ORIGINS = Form(
    as_origins,
    "origins between commas, such as https://www.example.com (no path, no slash at its end), or *",
)
HEADER_AND_VALUE = Form(_header, "a header and its value, such as HTTP_X_FORWARDED_PROTO,https")
MAPPING = Form(
    _mapping, "a JSON object of objects by their aliases, as Django's setting has them", hidden=True
)

"""Environment variables, cast, and named in every error.

The server's settings import this module while Django's settings are being made.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.secret import Secret, without_password

MISSING: Any = object()
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
HOST = rf"(\*|\.?{LABEL}(\.{LABEL})*|\[[0-9A-Fa-f:.]+\])"
# Browsers send origins in lower case.
ORIGIN = r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class VariableError(ShrinkmeisterError, ImproperlyConfigured):
    """An environment variable is missing or invalid."""


@dataclass(frozen=True)
class Form:
    """How the text of a variable becomes a value.

    cast    raises KeyError or ValueError for a text of another form
    words   complete the sentence "it has to be ..."
    hidden  whether the value may hold passwords; errors then show that error's text instead of it
    """

    cast: Callable[[Any], Any]
    words: str = "text"
    hidden: bool = False

    def read(self, variables: Mapping[str, str], name: str, default: Any = MISSING) -> Any:
        """Return the value of a variable, or the default if it is unset.

        An empty variable counts as unset, because hosting consoles cannot leave one out. Raises
        VariableError for a wrong value, and for an unset variable without a default.
        """
        text = variables.get(name, "").strip()
        if not text:
            if default is MISSING:
                raise VariableError(f"The environment variable {name} is not set.")
            return default
        try:
            return self.cast(text)
        except (KeyError, ValueError) as error:
            wrong = str(error)
        # Raised outside of the except block: the error of a hidden form may hold the whole text.
        if self.hidden:
            raise VariableError(f"The environment variable {name} has to be {self.words}: {wrong}.")
        shown = without_password(repr(text))
        raise VariableError(f"The environment variable {name} is {shown}; it has to be {self.words}.")


def whole(least: int = 0) -> Form:
    """Return the form of whole numbers. It takes numbers too, as a site's settings have them."""

    def cast(value: Any) -> int:
        number = int(value)
        if isinstance(value, bool) or number < least or number != float(value):
            raise ValueError(value)
        return number

    return Form(cast, f"a whole number, {least} at least")


def choice(*words: str) -> Form:
    return Form(lambda text: words[words.index(text)], f"one of {', '.join(words)}")


def as_names(value: str | Iterable[str]) -> list[str]:
    """Return the names in a text, which has commas between them, or in a list, as settings have it."""
    text = value if isinstance(value, str) else ",".join(value)
    return [name.strip() for name in text.split(",") if name.strip()]


def _matching(pattern: str, words: str) -> Form:
    """Return the form of names that match a pattern when they are joined by commas."""

    def cast(value: str | Iterable[str]) -> list[str]:
        names = as_names(value)
        if not re.fullmatch(pattern, ",".join(names), re.ASCII):
            raise ValueError(value)
        return names

    return Form(cast, words)


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
FLAG = Form(lambda text: FLAGS[text.lower()], "true or false")
NAMES = Form(as_names, "names between commas")
# ALLOWED_HOSTS of Django takes no ports.
HOSTS = _matching(rf"{HOST}(,{HOST})*", "host names between commas, without ports or https://")
ORIGINS = _matching(
    rf"\*|{ORIGIN}(,{ORIGIN})*",
    "origins between commas, such as https://www.example.com (no path, no slash at its end), or *",
)
HEADER_AND_VALUE = _matching(
    "HTTP_[A-Z0-9_]+,[^,]+", "a header and its value, such as HTTP_X_FORWARDED_PROTO,https"
)
MAPPING = Form(
    _mapping, "a JSON object of objects by their aliases, as Django's setting has them", hidden=True
)

"""Read environment variables as Python values. Every error names its variable.

The server's settings import this module before Django's settings exist.
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
    """How to convert the text of a variable to a value.

    cast    converts the text; raises KeyError or ValueError for a text of another form
    words   complete the sentence "it must be ..."
    hidden  whether the text may contain passwords; if so, errors show the error of `cast` instead
    """

    cast: Callable[[Any], Any]
    words: str = "text"
    hidden: bool = False

    def read(self, variables: Mapping[str, str], name: str, default: Any = MISSING) -> Any:
        """Return the value of a variable, or the default if it is unset.

        An empty variable counts as unset, because some hosting consoles cannot remove one. Raises
        VariableError for an invalid value, and for an unset variable without a default.
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
        # This is after the except block, because the traceback of `cast` may contain the whole text.
        if self.hidden:
            raise VariableError(f"The environment variable {name} is not {self.words}: {wrong}.")
        shown = without_password(repr(text))
        raise VariableError(f"The environment variable {name} is {shown}, but must be {self.words}.")


def whole(least: int = 0) -> Form:
    """Return the form of whole numbers. It also accepts numbers, because a site's settings contain them."""

    def cast(value: Any) -> int:
        number = int(value)
        if isinstance(value, bool) or number < least or number != float(value):
            raise ValueError(value)
        return number

    return Form(cast, f"a whole number of at least {least}")


def choice(*words: str) -> Form:
    return Form(lambda text: words[words.index(text)], f"one of {', '.join(words)}")


def as_names(value: str | Iterable[str]) -> list[str]:
    """Return the names in a comma-separated text or in a list. A site's settings contain lists."""
    text = value if isinstance(value, str) else ",".join(value)
    return [name.strip() for name in text.split(",") if name.strip()]


def _matching(pattern: str, words: str) -> Form:
    """Return the form of names that match a pattern after commas have joined them."""

    def cast(value: str | Iterable[str]) -> list[str]:
        names = as_names(value)
        if not re.fullmatch(pattern, ",".join(names), re.ASCII):
            raise ValueError(value)
        return names

    return Form(cast, words)


def _one_text(pattern: str, words: str) -> Form:
    def cast(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(text)
        return text

    return Form(cast, words)


def _mapping(text: str) -> dict[str, Any]:
    mapping = json.loads(text)
    if not isinstance(mapping, dict):
        raise ValueError("the outer value is not an object")
    for alias, one in mapping.items():
        if not isinstance(one, dict):
            raise ValueError(f"{alias!r} is not an object")
        if not isinstance(one.get("BACKEND"), str):
            raise ValueError(f"{alias!r} has no BACKEND, the dotted path of a class")
        if not isinstance(one.get("OPTIONS", {}), dict):
            raise ValueError(f"OPTIONS of {alias!r} is not an object")
    return mapping


TEXT = Form(str)
SECRET = Form(Secret)
SECRETS = Form(lambda text: [Secret(one) for one in as_names(text)])
NUMBER = Form(float, "a number")
NUMBERS = Form(
    lambda text: [int(one) if one.isdecimal() else float(one) for one in as_names(text)],
    "comma-separated numbers, such as 1.5,2",
)
FLAG = Form(lambda text: FLAGS[text.lower()], "true or false")
NAMES = Form(as_names, "comma-separated names")
# Django's ALLOWED_HOSTS must not contain ports.
HOSTS = _matching(rf"{HOST}(,{HOST})*", "comma-separated host names, without ports or https://")
ORIGINS = _matching(
    rf"\*|{ORIGIN}(,{ORIGIN})*",
    "comma-separated origins, such as https://www.example.com (no path, no slash at its end), or *",
)
URL = _one_text(r"https?://[^\s/?#]+(/[^\s?#]*)?", "a URL, such as https://s3.example.com")
REGION = _one_text(r"[A-Za-z0-9-]+", "the name of a region, such as eu-central-1")
DOMAIN = _one_text(
    r"[^\s/?#@:]+(:[0-9]+)?(/[^\s?#]*)?", "a domain, such as cdn.example.com, without https://"
)
HEADER_AND_VALUE = _matching(
    "HTTP_[A-Z0-9_]+,[^,]+", "a header and its value, such as HTTP_X_FORWARDED_PROTO,https"
)
MAPPING = Form(_mapping, "a JSON object with an object for each alias, as in Django's setting", hidden=True)

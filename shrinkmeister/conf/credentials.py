"""Texts of libraries' errors without the passwords in the settings.

An error of a library may contain the address of a cache or a storage, or a part of a password that the
library took for a port. Messages show only the class of such an error. Others keep their text and their
cause.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import permutations
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from django.conf import settings

from shrinkmeister.conf import READ_SETTINGS, reset_on_setting_change
from shrinkmeister.secret import Secret

NAMES = re.compile(
    r"SECRET|PASS|TOKEN|CREDENTIAL|CONNECTION_STRING|SAS|((ACCESS|ACCOUNT|PRIVATE|API|CLOUDFRONT)_?KEY(?!_ID))",
    re.I,
)
# Azure's settings consist of named fields, and errors contain the words in most of them too.
FIELDS = re.compile(r"CONNECTION_STRING|SAS", re.I)
FIELD = re.compile(r"([^=;&?]+)=([^;&]*)")
# The lines above and below a private key.
PEM = re.compile(r"-----[A-Z ]+-----")
LOCATION = re.compile(r"LOCATION", re.I)
SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.I)
# A host with its port, a path, the number of a database, a query: nothing secret.
PLAIN = re.compile(r"([\w.-]*|\[[0-9a-f:.]+\])(:\d+)?(/[\w./-]*)?(\?[\w=&.-]*)?", re.I)
# An error shows a credential if it contains PART characters of it in a row. Fewer would be too strict: by
# chance, one error in ten contains 4 characters of a session's token. So CUT_PART characters are enough
# only for a part that a library cuts out of an address.
PART = 8
CUT_PART = 4
CUTS = re.compile(r"[/?#@:\[\]%&=,;]")


def described(error: BaseException) -> str:
    """Return the text of an error, or the name of its class if the text shows a credential."""
    return type(error).__name__ if _shows(str(error)) else str(error)


@contextmanager
def errors_as(translate: Callable[[Exception], Exception | None]) -> Iterator[None]:
    """Raise what `translate` makes of an error of the block.

    The error is the cause of that, unless it or one of its own causes shows a credential.

    translate: returns None for an error that passes unchanged
    """
    try:
        yield
    except Exception as error:
        ours = translate(error)
        if ours is None:
            raise
        ours.__cause__ = error if is_safe(error) else None
        try:
            raise ours
        finally:
            ours.__context__ = None  # Python has added the error


def is_safe(error: BaseException) -> bool:
    """Return whether neither an error nor one of its causes shows a credential."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__]
    return not any(_shows(f"{one} {one.args}") for one in seen)


def credentials_of(value: Any, name: str = "") -> Iterator[str]:
    """Yield the credentials in the value of a setting: a text, or lists and dictionaries of texts."""
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        if NAMES.search(name):
            yield from _of_key(value, name)
        else:
            yield from _of_address(value, bool(LOCATION.search(name)))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from credentials_of(one, str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from credentials_of(one, name)


def _of_key(text: str, name: str) -> Iterator[str]:
    fields = FIELD.findall(text) if FIELDS.search(name) else []
    hidden = [value for field, value in fields if field == "sig" or NAMES.search(field)]
    yield from hidden or [PEM.sub("", text).strip()]


def _of_address(text: str, is_location: bool) -> Iterator[str]:
    for part in re.split(r"[,;](?=\s*\w+://)", text):
        scheme = SCHEME.match(part)
        rest = part[scheme.end() :] if scheme else part
        before, at, after = rest.rpartition("@")
        if at and (scheme or is_location):
            user, colon, password = before.partition(":")
            # If the user has other characters, it may be the beginning of a password.
            yield password if colon and re.fullmatch(r"[\w.-]*", user) else before
            rest = after
        for name, value in re.findall(r"[?&]([^=&]+)=([^&]*)", rest):
            if NAMES.search(name):
                yield value
        # This does not have the form of an address, so any part of it may be the password.
        if is_location and not all(PLAIN.fullmatch(one.strip()) for one in re.split("[,;]", rest)):
            yield rest


def _shows(text: str) -> bool:
    text = text.lower()
    return any(part in text for part in _all_parts())


@reset_on_setting_change
def _all_parts() -> frozenset[str]:
    """Return the parts of all credentials. A server needs them for each request that it refuses."""
    return frozenset(
        part
        for name in dir(settings)
        if READ_SETTINGS.fullmatch(name)
        for credential in credentials_of(getattr(settings, name), name)
        for part in _parts(credential)
    )


def _parts(credential: str) -> Iterator[str]:
    """Yield parts of a credential as it is and as addresses spell it, in lower case as in hosts."""
    for spelled in {credential, unquote(credential), unquote_plus(credential), quote(credential, safe="")}:
        small = spelled.lower()
        yield from filter(None, (small[at : at + PART] for at in range(max(1, len(small) - PART + 1))))
        ends = [0, len(small), *(end for cut in CUTS.finditer(small) for end in cut.span())]
        for start, end in permutations(ends, 2):
            if CUT_PART <= end - start < PART:
                yield small[start:end]

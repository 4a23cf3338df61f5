"""What a library says of an error, without the passwords of the settings.

Errors of libraries may have the address of a cache or a storage, or a part of a password that they took for
a port. Such an error is told by the name of its class alone; any other one keeps its text and its cause.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, unquote, unquote_plus

from django.conf import settings

from shrinkmeister.conf import per_configuration
from shrinkmeister.secret import Secret

# Settings that storages and caches have.
SETTINGS = re.compile(r"CACHES|STORAGES|(THUMBNAIL|AWS|AZURE|GS|DROPBOX|SFTP|FTP|LIBCLOUD)_\w+")
NAMES = re.compile(
    r"SECRET|PASS|TOKEN|CREDENTIAL|CONNECTION_STRING|SAS|((ACCESS|ACCOUNT|PRIVATE|API)_?KEY(?!_ID))", re.I
)
LOCATION = re.compile(r"LOCATION", re.I)
SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.I)
# A host with its port, a path, the number of a database, a query: nothing that is to be hidden.
PLAIN = re.compile(r"([\w.-]*|\[[0-9a-f:.]+\])(:\d+)?(/[\w./-]*)?(\?[\w=&.-]*)?", re.I)
# Characters from which on a part is told of. A library may cut a password in an address at its '/' or '#';
# a key or a token of its own it takes as it is.
PART_OF_ADDRESS = 4
PART_OF_VALUE = 12

E = TypeVar("E", bound=Exception)


def described(error: BaseException) -> str:
    """Return what an error says, or the name of its class where that would show a credential."""
    return type(error).__name__ if _shows(str(error)) else str(error)


def caused(ours: E, error: BaseException) -> E:
    """Return `ours` with `error` as its cause, unless that or one behind it shows a credential.

    It is to be raised after the `except` block: within it, Python adds the error as its context.
    """
    ours.__cause__ = error if is_safe(error) else None
    ours.__suppress_context__ = True
    return ours


def is_safe(error: BaseException) -> bool:
    """Whether neither an error nor one that it comes from shows a credential."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and one not in seen:
            seen.append(one)
            todo += [one.__cause__, one.__context__]
    return not any(_shows(f"{one} {one.args}") for one in seen)


def credentials_of(value: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """The credentials in a setting, and how long a part of each has to be to tell of it.

    value: a text, or lists and dictionaries of texts; name: its own
    """
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, str):
        if NAMES.search(name):
            yield value, PART_OF_VALUE
        else:
            for credential in _of_address(value, bool(LOCATION.search(name))):
                yield credential, PART_OF_ADDRESS
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from credentials_of(one, str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from credentials_of(one, name)


def _of_address(text: str, is_location: bool) -> Iterator[str]:
    for part in re.split(r"[,;](?=\s*\w+://)", text):
        scheme = SCHEME.match(part)
        rest = part[scheme.end() :] if scheme else part
        before, at, after = rest.rpartition("@")
        if at and (scheme or is_location):
            user, colon, password = before.partition(":")
            # A user with other characters may be the beginning of a password.
            yield password if colon and re.fullmatch(r"[\w.-]*", user) else before
            rest = after
        for name, value in re.findall(r"[?&]([^=&]+)=([^&]*)", rest):
            if NAMES.search(name):
                yield value
        # Not the form of an address: nobody can say where in it the password is.
        if is_location and not all(PLAIN.fullmatch(one.strip()) for one in re.split("[,;]", rest)):
            yield rest


def _shows(text: str) -> bool:
    small = text.lower()
    return any(part in small for part in _hidden())


@per_configuration
def _hidden() -> frozenset[str]:
    """The parts of all credentials of the settings. Collected once: a server tells of each bad request."""
    names = [name for name in dir(settings) if SETTINGS.fullmatch(name)]
    found = [one for name in names for one in credentials_of(getattr(settings, name), name)]
    return frozenset(part for credential, length in found for part in _parts(credential, length))


def _parts(credential: str, length: int) -> Iterator[str]:
    """As it stands, and as it may stand in an address; in small letters, as hosts are made."""
    for spelled in {credential, unquote(credential), unquote_plus(credential), quote(credential, safe="")}:
        small = spelled.lower()
        for start in range(max(1, len(small) - length + 1)):
            if part := small[start : start + length]:
                yield part

"""A text of the settings that may be a password, and that nothing shows by accident.

    location = Secret("redis://:swordfish@cache.example.com:6379/0")
    str(location), repr(location)       '***', Secret('***')
    location.reveal()                   'redis://:swordfish@cache.example.com:6379/0'

A site may write its own settings so: THUMBNAIL_CACHE_LOCATION = Secret("redis://...").
"""

import hmac
import re
from typing import NoReturn, Self

HIDDEN = "***"


class Secret:
    """A text that is never shown. It prints as `***`, and cannot be pickled or written as JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for code that needs it. Do not store it, log it or put it into an error."""
        return self._text

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        ours, theirs = (one._text.encode(errors="surrogatepass") for one in (self, other))
        return hmac.compare_digest(ours, theirs)

    def __hash__(self) -> int:
        return hash(self._text)

    def __deepcopy__(self, memo: object = None) -> Self:
        return self

    __copy__ = __deepcopy__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: what reads pickles may show it")


def revealed(value: object) -> object:
    """Return the text of a Secret; anything else as it is."""
    return value.reveal() if isinstance(value, Secret) else value


def without_password(text: str) -> str:
    """Return an address that a message may show: what stands before its '@' is hidden."""
    return re.sub(r"(?<=://).*@", f"{HIDDEN}@", text, flags=re.DOTALL)

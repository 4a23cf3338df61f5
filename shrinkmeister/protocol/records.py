"""The values of the shared cache: JSON with a version, never pickle.

    t1:<digest>   {"v":1,"w":300,"h":200,"t":1795612345,"r":["2"],"u":"https://.../cache/"}
    s1:<digest>   {"v":1,"w":4000,"h":3000,"f":1,"n":7}
    f1:<digest>   {"v":1,"e":"missing","c":"q1R...","t":1795612345}
    c1:<digest>   {"v":1,"c":"q1R...","t":1795612345}

Each value is validated when it is read: `load` returns the record in what `dump` wrote, and raises
RecordError for anything else, which is a miss. `signing.py` adds the signature.
A process caches records by their bytes, since pages read the same bytes again and again.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from shrinkmeister.exceptions import RecordError
from shrinkmeister.protocol.spec import CACHE_SIZE, MAX_INTEGER

VERSION = 1
MAX_PIXELS = 2**31 - 1
# Without a query, since a URL with one is signed and expires. Without characters that HTML has to escape,
# and without half of a surrogate pair, which a page could not encode.
URL = re.compile(r"https?://[^?#<>\"'&\\\x00-\x20\x7f\ud800-\udfff]+")
RESOLUTION = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True)
class ThumbnailRecord:
    """A thumbnail that is stored.

    width, height  pixels of the written file
    base           its final, public URL without its object name, which each reader computes. So a record is
                   short, and cannot show another thumbnail. None in a private bucket, where readers sign
    resolutions    the alternative resolutions that are stored too: ("2", "1.5")
    verified_at    Unix time when it was known to be stored; 0 if unknown
    """

    width: int
    height: int
    base: str | None = None
    resolutions: tuple[str, ...] = ()
    verified_at: int = field(default=0, compare=False)

    def has(self, resolutions: Iterable[str]) -> bool:
        """Return whether all of these are stored. sorl's filters make the URL of each without asking."""
        return set(resolutions) <= set(self.resolutions)

    def dump(self) -> bytes:
        fields: dict[str, Any] = {"v": VERSION, "w": self.width, "h": self.height}
        if self.verified_at:
            fields["t"] = self.verified_at
        if self.resolutions:
            fields["r"] = list(self.resolutions)
        if self.base is not None:
            fields["u"] = self.base
        return _dump(fields)

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def load(cls, data: bytes) -> Self:
        fields = _load(data)
        base = fields.get("u")
        if "u" in fields and not (isinstance(base, str) and URL.fullmatch(base)):
            raise RecordError("the URL is not a permanent http(s) URL")
        resolutions = fields.get("r", ())
        if "r" in fields and not (
            resolutions
            and isinstance(resolutions, list)
            and all(isinstance(r, str) and RESOLUTION.fullmatch(r) for r in resolutions)
        ):
            raise RecordError("the resolutions are not a list of factors")
        verified_at = fields.get("t", 0)
        if "t" in fields and not (type(verified_at) is int and 1 <= verified_at <= MAX_INTEGER):
            raise RecordError("the time is not a number of seconds")
        return cls(_pixels(fields, "w"), _pixels(fields, "h"), base, tuple(resolutions), verified_at)


@dataclass(frozen=True)
class SourceRecord:
    """The size of a source, in pixels as they are stored.

    flipped  whether its EXIF orientation turns it by 90 degrees, which swaps width and height
    version  the option `version` of the thumbnail that was made of it; the record is not valid for others
    """

    width: int
    height: int
    flipped: bool = False
    version: Any = None

    def dump(self) -> bytes:
        fields: dict[str, Any] = {"v": VERSION, "w": self.width, "h": self.height}
        if self.flipped:
            fields["f"] = 1
        if self.version is not None:
            fields["n"] = self.version
        return _dump(fields)

    @classmethod
    @lru_cache(maxsize=CACHE_SIZE)
    def load(cls, data: bytes) -> Self:
        fields = _load(data)
        if "f" in fields and (type(fields["f"]) is not int or fields["f"] != 1):
            raise RecordError("the flag for flipped sources is not 1")
        return cls(_pixels(fields, "w"), _pixels(fields, "h"), "f" in fields, fields.get("n"))


@dataclass(frozen=True)
class FailureRecord:
    """Why making a thumbnail failed, so that servers do not read its source again at once.

    kind    a word for the error
    change  the mark of its source's last change at that time; "" for none
    end     Unix time at which it expires, since a writer of the shared cache may restore old values
    """

    kind: str
    change: str
    end: int

    def dump(self) -> bytes:
        return _dump({"v": VERSION, "e": self.kind, "c": self.change, "t": self.end})

    @classmethod
    def load(cls, data: bytes) -> Self:
        fields = _load(data)
        kind, change, end = fields.get("e"), fields.get("c"), fields.get("t")
        if not isinstance(kind, str) or not isinstance(change, str) or type(end) is not int:
            raise RecordError("a failure is not two texts and a time")
        return cls(kind, change, end)


@dataclass(frozen=True)
class ChangeRecord:
    """The last change of a source, which makes servers that are making its thumbnails start over.

    mark  a text that no other change has
    end   Unix time at which it expires, since a writer of the shared cache may restore old values
    """

    mark: str
    end: int

    def dump(self) -> bytes:
        return _dump({"v": VERSION, "c": self.mark, "t": self.end})

    @classmethod
    def load(cls, data: bytes) -> Self:
        fields = _load(data)
        mark, end = fields.get("c"), fields.get("t")
        if not (isinstance(mark, str) and mark) or type(end) is not int:
            raise RecordError("a change is not a text and a time")
        return cls(mark, end)


def base_of(url: str, ending: str) -> str | None:
    """Return a final URL without the thumbnail's name at its end, as a record holds it.

    None for a URL that is signed, relative or spelled in another way: then each reader has to make it.
    """
    return url.removesuffix(ending) if URL.fullmatch(url) and url.endswith(ending) else None


def _dump(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _load(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError("the value is not JSON") from error
    if not isinstance(fields, dict) or type(fields.get("v")) is not int or fields["v"] != VERSION:
        raise RecordError(f"the value is not a record of version {VERSION}")
    return fields


def _pixels(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 1 <= value <= MAX_PIXELS:
        raise RecordError(f"{name!r} is not a number of pixels")
    return value

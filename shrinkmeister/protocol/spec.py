"""The description of a thumbnail that client and server exchange.

    spec = ThumbnailSpec(Source("s3", "photos", "2024/dawn.jpg"), "300x200", {"crop": "center"})
    spec.canonical
    b'["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]'

A token encrypts the canonical form, which is UTF-8 JSON, and a key is a digest of it.
`docs/reference/protocol.md` defines it for other languages.
"""

import json
import math
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Self

from shrinkmeister.exceptions import SpecError

# A spec omits options with these values, and the server puts them back. So tokens are short, and a later
# change of sorl's own defaults changes neither URLs nor keys.
DEFAULT_OPTIONS: Mapping[str, Any] = {
    "format": "JPEG",
    "quality": 95,
    "colorspace": "RGB",
    "upscale": True,
    "crop": False,
    "cropbox": None,
    "rounded": None,
    "padding": False,
    "padding_color": "#ffffff",
    "progressive": True,
    "orientation": True,
    "blur": 0,
    "flatten": False,
}

# Options that do not change the picture. sorl adds `image_info` itself.
CALL_OPTIONS = frozenset({"raise_errors", "image_info"})

EXTENSIONS: Mapping[str, str] = {
    "JPEG": "jpg",
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "AVIF": "avif",
}
CONTENT_TYPES: Mapping[str, str] = {name: f"image/{name.lower()}" for name in EXTENSIONS}

# The formats by the names that callers may write, in any case. They are also the extensions of sources for
# THUMBNAIL_PRESERVE_FORMAT, as in sorl.
FORMATS: Mapping[str, str] = {
    "jpeg": "JPEG",
    **{extension: name for name, extension in EXTENSIONS.items()},
}

# The kinds of places of sources, and the syntax of a container in each.
SCHEMES: Mapping[str, re.Pattern[str]] = {
    "s3": re.compile(r"[A-Za-z0-9._-]+", re.ASCII),
    "storage": re.compile(r"[^/\0]+"),
    # Without user names and in lower case, so that a host has one spelling in an allow-list.
    "https": (host := re.compile(r"[a-z0-9.-]+(:[0-9]+)?", re.ASCII)),
    "http": host,
}

URL_SCHEMES = ("https", "http")

# sorl's own grammar ("300", "x200", "300x200"), without sizes of 0 and without leading zeros, which would
# give one picture several keys.
GEOMETRY = re.compile(r"(?!$)(?P<width>[1-9][0-9]{0,4})?(?:x(?P<height>[1-9][0-9]{0,4}))?", re.ASCII)
OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# JSON of every language keeps integers up to 2**53 - 1 exactly, and writes these fractions without an
# exponent.
MAX_INTEGER = 2**53 - 1
FRACTIONS = (1e-4, 1e15)
# Options are nearly flat, so that the depth limits of other languages' parsers do not matter.
MAX_DEPTH = 8

# The number of specs, keys and records that a process caches. A page needs the same ones again and again,
# and making a spec with its keys takes longer than the rest of a recorded thumbnail.
CACHE_SIZE = 4096
SCALARS = (int, float, bool, type(None))


@dataclass(frozen=True)
class Source:
    """The place of an original image.

    scheme     "s3" (a bucket), "storage" (a Django storage, by its alias), "https" or "http"
    container  the bucket's name, the alias, or the host in lower case, with its port if it has one
    name       the object's key or the file's name in the storage, neither percent-encoded nor
               normalised; or the part of a URL after the host and its slash
    """

    scheme: str
    container: str
    name: str

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise SpecError(f"unknown source scheme {self.scheme!r}; one of {sorted(SCHEMES)}")
        if not SCHEMES[self.scheme].fullmatch(self.container):
            raise SpecError(f"{self.container!r} is not a valid place of a source of {self.scheme}")
        if not isinstance(self.name, str) or not self.name or "\0" in self.name:
            raise SpecError(
                f"the source's name is {self.name!r}: it has to be text without NUL, and not empty"
            )
        if self.scheme in URL_SCHEMES and "#" in self.name:
            raise SpecError(f"the source's name is {self.name!r}: remove the fragment")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.container}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the source of `s3://bucket/key`, `storage://alias/name` or a URL. Raises SpecError."""
        scheme, separator, rest = text.partition("://")
        if not separator:
            raise SpecError(
                f"{text!r} is not a source; write it as 's3://bucket/key' or 'storage://alias/name'"
            )
        container, _, name = rest.partition("/")
        if scheme in URL_SCHEMES:
            # Some letters beyond ASCII become ASCII in lower case, which would name another host.
            container = container.lower() if container.isascii() else container
            name = name.partition("#")[0]
        return cls(scheme, container, name)

    @cached_property
    def canonical(self) -> bytes:
        return _encode([self.scheme, self.container, self.name])


def allowed(source: Source, sources: tuple[tuple[str, str, str], ...]) -> bool:
    """Return whether an entry of THUMBNAIL_SOURCES contains this source."""
    return any(
        source.scheme == scheme and source.container == container and source.name.startswith(folder)
        for scheme, container, folder in sources
    )


@dataclass(frozen=True, eq=False)
class ThumbnailSpec:
    """A thumbnail: source, geometry and options. Specs of the same canonical form are equal.

    geometry   pixels in sorl's syntax: "300x200", "300" (width), "x200" (height)
    options    JSON values: sorl's options, and those of a site's own engine. Values equal to
               DEFAULT_OPTIONS are dropped, so that equal thumbnails have equal specs.

    Raises SpecError for an invalid geometry or option.
    """

    source: Source
    geometry: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.geometry, str) or not GEOMETRY.fullmatch(self.geometry):
            raise SpecError(
                f"the geometry is {self.geometry!r}; write pixels as text: '300x200', '300' or 'x200'"
            )
        options = plain_options(self.options)
        if not isinstance(format := options.get("format", "JPEG"), str) or format not in EXTENSIONS:
            raise SpecError(f"the format is {format!r}; one of {list(EXTENSIONS)}")
        object.__setattr__(self, "geometry", str.__str__(self.geometry))
        # Read-only, since specs are shared by all pages of the process.
        object.__setattr__(self, "options", MappingProxyType(options))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ThumbnailSpec) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the arguments, since a read-only mapping cannot be pickled or copied."""
        return type(self), (self.source, self.geometry, dict(self.options))

    @property
    def format(self) -> str:
        return str(self.options.get("format", DEFAULT_OPTIONS["format"]))

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.format]

    def full_options(self) -> dict[str, Any]:
        """Return every option that an engine reads, including defaults, in a new dict."""
        return deepcopy({**DEFAULT_OPTIONS, **self.options})

    @cached_property
    def canonical(self) -> bytes:
        source = self.source
        return _encode([source.scheme, source.container, source.name, self.geometry, dict(self.options)])

    @staticmethod
    def kept(source: Source, geometry: str, options: Mapping[str, Any]) -> "ThumbnailSpec":
        """Return what the constructor makes, cached by the arguments."""
        if not isinstance(geometry, str):
            return ThumbnailSpec(source, geometry, options)
        typed = []
        for name, value in options.items():
            if isinstance(value, str):
                value = str.__str__(value)  # a subclass may redefine equality or the hash
            elif type(value) not in SCALARS:
                return ThumbnailSpec(source, geometry, options)
            # The type is part of the cache's key, since 1 == True.
            typed.append((name, type(value), value))
        return _kept(source, str.__str__(geometry), tuple(typed))

    @classmethod
    def parse(cls, canonical: bytes) -> Self:
        """Return the spec of a canonical form. Raises SpecError for any other form."""
        try:
            scheme, container, name, geometry, options = json.loads(canonical)
            spec = cls(Source(scheme, container, name), geometry, options)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise SpecError("not a thumbnail spec") from error
        if spec.canonical != canonical:
            raise SpecError("not the canonical form of a thumbnail spec")
        return spec


@lru_cache(maxsize=CACHE_SIZE)
def _kept(source: Source, geometry: str, options: tuple[tuple[str, type, Any], ...]) -> ThumbnailSpec:
    return ThumbnailSpec(source, geometry, {name: value for name, _, value in options})


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON values, without defaults and without those that do not change the picture."""
    plain = {str(name): _plain(name, value) for name, value in options.items() if name not in CALL_OPTIONS}
    if isinstance(format := plain.get("format"), str):
        plain["format"] = FORMATS.get(format.lower(), format)
    return {name: value for name, value in plain.items() if not _default(name, value)}


def _encode(value: list[Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SpecError("a name or an option contains half of a surrogate pair") from error


def _default(name: str, value: Any) -> bool:
    # 1 == True, but an engine may treat them differently.
    default = DEFAULT_OPTIONS.get(name, ...)
    return type(value) is type(default) and bool(value == default)


def _plain(name: Any, value: Any, depth: int = 0) -> Any:
    """Return the value as JSON has it. Templates pass SafeString and tuples."""
    if not isinstance(name, str) or not OPTION_NAME.fullmatch(name):
        raise SpecError(f"{name!r} is not a valid option name; use letters, digits and underscores")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # a subclass, such as an Enum, may print another text
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return int(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) <= MAX_INTEGER:
            return int(value)
        if math.isfinite(value) and FRACTIONS[0] <= abs(value) < FRACTIONS[1]:
            return float(value)
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return [_plain(name, item, depth + 1) for item in value]
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        return {str(key): _plain(key, item, depth + 1) for key, item in value.items()}
    raise SpecError(
        f"the option {name}={value!r} cannot be part of a URL; use text, True, False, None, integers up "
        f"to 2**53, fractions from {FRACTIONS[0]} to {FRACTIONS[1]:.0e}, or lists of them"
    )

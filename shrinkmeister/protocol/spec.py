"""What travels between client and server: which thumbnail, of what.

    spec = ThumbnailSpec(Source("s3", "photos", "2024/dawn.jpg"), "300x200", {"crop": "center"})
    spec.canonical()
    b'["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]'

The canonical form is what a token seals and what a key is the digest of. `docs/protocol.md` defines it
for other languages. Nothing here knows Django.
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

# Options that a spec leaves out when they have these values, so that tokens are short and so that a
# later change of sorl's own defaults changes neither URLs nor keys. The server puts them back.
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

# Options of a call that say nothing about the picture. `image_info` is what sorl adds on its way.
CALL_OPTIONS = frozenset({"raise_errors", "image_info"})

EXTENSIONS: Mapping[str, str] = {
    "JPEG": "jpg",
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "AVIF": "avif",
}
CONTENT_TYPES: Mapping[str, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}

# THUMBNAIL_PRESERVE_FORMAT goes by the source's extension, as in sorl.
FORMATS: Mapping[str, str] = {
    "jpeg": "JPEG",
    **{extension: name for name, extension in EXTENSIONS.items()},
}

# Where a source may lie, and what names the place there.
SCHEMES: Mapping[str, re.Pattern[str]] = {
    "s3": re.compile(r"[A-Za-z0-9._-]+", re.ASCII),
    "storage": re.compile(r"[^/\0]+"),
    # Without user names, and in lower case: one host has one spelling in an allow-list.
    "https": (host := re.compile(r"[a-z0-9.-]+(:[0-9]+)?", re.ASCII)),
    "http": host,
}

URL_SCHEMES = ("https", "http")

# sorl's own grammar ("300", "x200", "300x200"), without sizes of nothing and without leading zeros,
# which would give one picture several keys.
GEOMETRY = re.compile(r"(?!$)(?P<width>[1-9][0-9]{0,4})?(?:x(?P<height>[1-9][0-9]{0,4}))?", re.ASCII)
OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

# What every language's JSON keeps exactly: integers up to 2**53 - 1, and fractions that all of them
# write without an exponent.
MAX_INTEGER = 2**53 - 1
FRACTIONS = (1e-4, 1e15)
# Options are flat, or nearly so; parsers of other languages need not be asked how deep they go.
MAX_DEPTH = 8

# Specs and what is computed of them, of which a process keeps so many: a page asks for the same ones again
# and again, and making one with its keys takes longer than all else that a recorded thumbnail needs.
CACHE_SIZE = 4096
SCALARS = (int, float, bool, type(None))


@dataclass(frozen=True)
class Source:
    """Where an original image lies.

    scheme     "s3" (a bucket), "storage" (a Django storage, by its alias), "https" or "http"
    container  the bucket's name, the alias, or the host in lower case, with its port if it has one
    name       the object's key or the file's name in the storage, as it is, neither percent-encoded nor
               normalised; or what stands in a URL behind the first slash after the host
    """

    scheme: str
    container: str
    name: str

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise SpecError(f"unknown source scheme {self.scheme!r}; one of {sorted(SCHEMES)}")
        if not SCHEMES[self.scheme].fullmatch(self.container):
            raise SpecError(f"{self.container!r} cannot be where a source of {self.scheme} lies")
        if not isinstance(self.name, str) or not self.name or "\0" in self.name:
            raise SpecError(f"the source's name is {self.name!r}: no text, empty, or with a NUL in it")
        if self.scheme in URL_SCHEMES and "#" in self.name:
            raise SpecError(f"the source's name is {self.name!r}: a fragment is no part of a URL here")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.container}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The source of its text: `s3://bucket/key`, `storage://alias/name` or a URL. Raises SpecError."""
        scheme, separator, rest = text.partition("://")
        if not separator:
            raise SpecError(
                f"{text!r} is not a source; write it as 's3://bucket/key' or 'storage://alias/name'"
            )
        container, _, name = rest.partition("/")
        if scheme in URL_SCHEMES:
            # Beyond ASCII there are letters that become one of ASCII, and so another host.
            container = container.lower() if container.isascii() else container
            name = name.partition("#")[0]
        return cls(scheme, container, name)

    def canonical(self) -> bytes:
        """UTF-8 JSON in its one canonical form."""
        return self._canonical

    @cached_property
    def _canonical(self) -> bytes:
        return _encode([self.scheme, self.container, self.name])


def allowed(source: Source, sources: tuple[tuple[str, str, str], ...]) -> bool:
    """Return whether an entry of THUMBNAIL_SOURCES contains this source."""
    return any(
        source.scheme == scheme and source.container == container and source.name.startswith(folder)
        for scheme, container, folder in sources
    )


@dataclass(frozen=True, eq=False)
class ThumbnailSpec:
    """A thumbnail: source + geometry + options. Equal to another one of the same canonical form.

    geometry   sorl's syntax, pixels: "300x200", "300" (width), "x200" (height)
    options    sorl's, and those that a site invents for its own engine; JSON values. Those equal to
               DEFAULT_OPTIONS are dropped here, so that equal thumbnails have equal specs.

    Raises SpecError where one of them cannot be right.
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
        # Specs are kept for the whole process: a caller that changed one would change it for all pages.
        object.__setattr__(self, "options", MappingProxyType(options))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ThumbnailSpec) and self._canonical == other._canonical

    def __hash__(self) -> int:
        return hash(self._canonical)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the arguments: a read-only mapping can be neither pickled nor copied."""
        return type(self), (self.source, self.geometry, dict(self.options))

    @property
    def format(self) -> str:
        """Pillow's name of the format: "JPEG", "PNG", ..."""
        return str(self.options.get("format", DEFAULT_OPTIONS["format"]))

    @property
    def extension(self) -> str:
        """The file extension, without a dot."""
        return EXTENSIONS[self.format]

    def full_options(self) -> dict[str, Any]:
        """Every option that an engine looks at, with the defaults put back; a new dict each time."""
        return deepcopy({**DEFAULT_OPTIONS, **self.options})

    def canonical(self) -> bytes:
        """UTF-8 JSON in its one canonical form."""
        return self._canonical

    @cached_property
    def _canonical(self) -> bytes:
        source = self.source
        return _encode([source.scheme, source.container, source.name, self.geometry, dict(self.options)])

    @staticmethod
    def kept(source: Source, geometry: str, options: Mapping[str, Any]) -> "ThumbnailSpec":
        """What the constructor makes, and the same one again for the same arguments."""
        if not isinstance(geometry, str):
            return ThumbnailSpec(source, geometry, options)
        typed = []
        for name, value in options.items():
            if isinstance(value, str):
                value = str.__str__(value)  # a subclass may be equal to other text, or not hashable
            elif type(value) not in SCALARS:
                return ThumbnailSpec(source, geometry, options)
            # With its type, since 1 == True.
            typed.append((name, type(value), value))
        return _kept(source, str.__str__(geometry), tuple(typed))

    @classmethod
    def parse(cls, canonical: bytes) -> Self:
        """The spec of a canonical form. Raises SpecError, also where the form is not the canonical."""
        try:
            scheme, container, name, geometry, options = json.loads(canonical)
            spec = cls(Source(scheme, container, name), geometry, options)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise SpecError("not a thumbnail spec") from error
        if spec.canonical() != canonical:
            raise SpecError("not the canonical form of a thumbnail spec")
        return spec


@lru_cache(maxsize=CACHE_SIZE)
def _kept(source: Source, geometry: str, options: tuple[tuple[str, type, Any], ...]) -> ThumbnailSpec:
    return ThumbnailSpec(source, geometry, {name: value for name, _, value in options})


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON has them, without those of the call alone and without those that are defaults."""
    plain = {str(name): _plain(name, value) for name, value in options.items() if name not in CALL_OPTIONS}
    return {name: value for name, value in plain.items() if not _default(name, value)}


def _encode(value: list[Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SpecError("a name or an option holds half of a surrogate pair") from error


def _default(name: str, value: Any) -> bool:
    # 1 == True, but an engine may tell them apart.
    default = DEFAULT_OPTIONS.get(name, ...)
    return type(value) is type(default) and bool(value == default)


def _plain(name: Any, value: Any, depth: int = 0) -> Any:
    """The value as JSON has it: templates hand over SafeString and tuples."""
    if not isinstance(name, str) or not OPTION_NAME.fullmatch(name):
        raise SpecError(f"{name!r} is not an option's name: letters, digits and underscores")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # and not what a subclass, such as an Enum, prints
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
        f"the option {name}={value!r} cannot travel in a URL: use text, True, False, None, "
        f"integers up to 2**53, fractions from {FRACTIONS[0]} to {FRACTIONS[1]:.0e}, or lists of them"
    )

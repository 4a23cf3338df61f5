"""Write the colour profiles of thumbnails, from a few numbers of the source's profile: ICC.1:2022.

A profile is a file inside a file. It may contain texts and tags of any kind, and take 16 MB. But three
primaries and a curve for each of them describe the colours of a display or a camera.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from shrinkmeister_server.engines.colours import curves

Space = Literal["RGB", "GRAY"]

# Profiles of displays have some KB. Those of scanners and printers have tables, which take up to 3 MB.
MAX_BYTES = 4_000_000
MAX_TAGS = 100

_HEADER = struct.Struct(">I8x4s4s4s12x4s88x")
# Photoshop's profiles of gray with dot gain are profiles of printers.
_CLASSES = (b"mntr", b"prtr", b"scnr", b"spac")
_SPACES = (b"RGB ", b"GRAY", b"CMYK")
_PRIMARIES = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_GRAY_CURVE = b"kTRC"
# A profile with this tag has tables, which describe more than primaries and curves do.
_TABLES = b"A2B0"
# The white of all profiles, and sRGB's primaries under it, in 16.16. Profiles of sRGB differ by rounding.
_WHITE = (63190, 65536, 54061)
_SRGB = ((28578, 14581, 912), (25241, 46981, 6362), (9376, 3972, 46799))
_ONE = 65536
_ROUNDING = 150


@dataclass(frozen=True)
class Profile:
    """The numbers of a profile.

    primaries  X, Y and Z three times, for RGB
    curves     a tag `curv` or `para` for each colour, without padding
    major      the version of the specification
    """

    space: Space
    primaries: tuple[tuple[int, ...], ...]
    curves: tuple[bytes, ...]
    major: int

    @classmethod
    def parse(cls, data: object) -> "Profile | None":
        """Return a profile, or None if it is broken, has tables, or is for another space."""
        tags = _tags(data)
        if not isinstance(data, bytes) or not tags or _TABLES in tags or data[20:24] != b"XYZ ":
            return None
        if data[16:20] == b"CMYK":
            return None
        space: Space = "GRAY" if data[16:20] == b"GRAY" else "RGB"
        found = [
            curves.parse(bytes(tags.get(name, b"")))
            for name in (_CURVES if space == "RGB" else (_GRAY_CURVE,))
        ]
        primaries = [_xyz(bytes(tags.get(name, b""))) for name in (_PRIMARIES if space == "RGB" else ())]
        if not all(found) or not all(primaries) or (primaries and not _is_white(primaries)):
            return None
        major = 4 if data[8] >= 4 or any(curve.startswith(b"para") for curve in found) else 2
        return cls(space, tuple(primaries), tuple(found), major)

    @property
    def is_srgb(self) -> bool:
        """Return whether a browser shows the same colours without this profile."""
        numbers = zip(self.primaries, _SRGB, strict=True) if self.primaries else ()
        return all(
            abs(one - other) <= _ROUNDING for pair in numbers for one, other in zip(*pair, strict=True)
        ) and all(map(curves.is_srgb, set(self.curves)))

    def written(self, space: Space) -> bytes:
        """Return the profile for pixels of a space. Gray looks the same in both spaces."""
        tags = {**_TEXTS[self.major], b"wtpt": _xyz_tag(_WHITE)}
        if space == "GRAY":
            tags[_GRAY_CURVE] = self.curves[len(self.curves) // 2]
        else:
            each = self.curves if len(self.curves) == 3 else self.curves * 3
            tags |= dict(zip(_PRIMARIES, map(_xyz_tag, self.primaries or _SRGB), strict=True))
            tags |= dict(zip(_CURVES, each, strict=True))
        return _assembled(space, self.major, tags)


def space_of(data: object) -> bytes:
    """Return the space of a valid profile, such as b"CMYK", or nothing for a broken one."""
    return data[16:20] if isinstance(data, bytes) and _tags(data) else b""


def tables_of(data: object) -> bytes | None:
    """Return a profile with nothing but the tables of a valid one, which a library for colours reads.

    The library then takes them for each rendering intent. Browsers take no others.
    """
    tags = _tags(data)
    if not isinstance(data, bytes) or _TABLES not in tags:
        return None
    major = 4 if data[8] >= 4 else 2
    kept = {**_TEXTS[major], b"wtpt": _xyz_tag(_WHITE), _TABLES: bytes(tags[_TABLES])}
    return _assembled(data[16:20].decode(), major, kept, data[20:24].decode())


def _tags(data: object) -> dict[bytes, memoryview]:
    """Return the tags of a profile, or none if it is broken."""
    if not isinstance(data, bytes) or not 132 <= len(data) <= MAX_BYTES:
        return {}
    size, kind, space, connection, signature = _HEADER.unpack_from(data)
    (count,) = struct.unpack_from(">I", data, 128)
    if size > len(data) or signature != b"acsp" or kind not in _CLASSES or 132 + 12 * count > size:
        return {}
    if count > MAX_TAGS or space not in _SPACES or connection not in (b"XYZ ", b"Lab "):
        return {}
    # Hostile tags may all contain the whole profile, so they are not copied.
    tags: dict[bytes, memoryview] = {}
    for number in range(count):
        name, start, length = struct.unpack_from(">4sII", data, 132 + 12 * number)
        if start + length > size:
            return {}
        tags.setdefault(name, memoryview(data)[start : start + length])
    return tags


def _xyz(tag: bytes) -> tuple[int, ...]:
    if not tag.startswith(b"XYZ ") or len(tag) < 20:
        return ()
    values = struct.unpack_from(">3i", tag, 8)
    return values if all(abs(value) < 2 * _ONE for value in values) else ()


def _is_white(primaries: list[tuple[int, ...]]) -> bool:
    """Return whether the primaries add up to the white of profiles. Browsers accept no others."""
    sums = map(sum, zip(*primaries, strict=True))
    return all(abs(one - white) < 0.1 * _ONE for one, white in zip(sums, _WHITE, strict=True))


def _xyz_tag(values: tuple[int, ...]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *values)


def _unicode(text: str) -> bytes:
    """Return a text in version 4, in one language."""
    data = text.encode("utf-16-be")
    return struct.pack(">4s4xII4sII", b"mluc", 1, 12, b"enUS", len(data), 28) + data


# Version 2 has descriptions without other languages.
_TEXTS = {
    2: {b"desc": b"desc\0\0\0\0\0\0\0\x08Colours\0" + bytes(78), b"cprt": b"text\0\0\0\0None\0"},
    4: {b"desc": _unicode("Colours"), b"cprt": _unicode("None")},
}


def _assembled(space: str, major: int, tags: dict[bytes, bytes], connection: str = "XYZ ") -> bytes:
    table, body = b"", bytearray()
    first = 132 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for name, tag in tags.items():
        if tag not in places:
            places[tag] = first + len(body)
            body += tag + bytes(-len(tag) % 4)
        table += struct.pack(">4sII", name, places[tag], len(tag))
    version = 0x02100000 if major == 2 else 0x04300000
    kinds = (b"mntr", space.ljust(4).encode(), connection.encode())
    date = (2000, 1, 1, 0, 0, 0)
    numbers = (first + len(body), version, *kinds, *date, b"acsp", *_WHITE, len(tags))
    return struct.pack(">I4xI4s4s4s6H4s28x3I48xI", *numbers) + table + bytes(body)


# In version 2, which has no parametric curves.
_SRGB_LIGHTS = map(curves.function_of(curves.SRGB), (one / 1023 for one in range(1024)))
SRGB = Profile("RGB", _SRGB, (curves.table(list(_SRGB_LIGHTS)),) * 3, 2)

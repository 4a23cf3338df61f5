"""Colour profiles for tests: good ones, and ones with something else in each place for it."""

import struct
from collections.abc import Mapping
from io import BytesIO

from PIL import Image

SECRET = b"<script>SECRET</script>"
DISPLAY_P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
WHITE = (0.9642, 1.0, 0.8249)
# sRGB's curve, as Apple writes it.
PARAMETRIC = struct.pack(">4s4xHxx5i", b"para", 3, 157286, 62119, 3417, 5072, 2651)
POWER_OF_2 = struct.pack(">4s4xIHxx", b"curv", 1, 0x200)


def xyz(values: tuple[float, ...]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def table(number: int = 64) -> bytes:
    """The curve of a square, in points."""
    points = [round(65535 * (point / (number - 1)) ** 2) for point in range(number)]
    return struct.pack(f">4s4xI{number}H", b"curv", number, *points)


def rgb(curve: bytes = PARAMETRIC) -> dict[bytes, bytes]:
    """The tags of a profile with the primaries of Display P3."""
    tags = {name: xyz(values) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), DISPLAY_P3, strict=True)}
    return {b"wtpt": xyz(WHITE), **tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}


def gray(curve: bytes = POWER_OF_2) -> dict[bytes, bytes]:
    return {b"wtpt": xyz(WHITE), b"kTRC": curve}


def tables() -> dict[bytes, bytes]:
    """A table of two points for each colour, which makes others of them (ICC.1:2022, 10.10)."""
    straight = bytes(range(256)) * 3
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lab = [(255 * (r + g + b) // 3, 128 + 40 * (g - r), 128 + 40 * (b - g)) for r, g, b in CORNERS]
    corners = b"".join(bytes(one) for one in lab)
    lut = struct.pack(">4s4x4B", b"mft1", 3, 3, 2, 0) + identity + straight + corners + straight
    return {b"wtpt": xyz(WHITE), b"A2B0": lut}


CORNERS = [(r, g, b) for r in (0, 1) for g in (0, 1) for b in (0, 1)]


def profile(
    tags: Mapping[bytes, bytes], space: bytes = b"RGB ", connection: bytes = b"XYZ ", version: int = 4
) -> bytes:
    """With a text, a name and a private tag that are none of ours."""
    text = b"text\0\0\0\0" + SECRET + b"\0"
    tags = {b"cprt": text, b"desc": text, b"XSSX": SECRET * 9, **tags}
    names, body = b"", bytearray()
    first = 132 + 12 * len(tags)
    for name, tag in tags.items():
        names += struct.pack(">4sII", name, first + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack(
        ">I4sB3x4s4s4s12x4s", first + len(body), SECRET[:4], version, b"mntr", space, connection, b"acsp"
    )
    head += b"APPL" + SECRET[:20] + struct.pack(">4x3i", 63190, 65536, 54061) + SECRET + bytes(25)
    return head[:128] + struct.pack(">I", len(tags)) + names + bytes(body)


def picture_with(icc: bytes, format: str, mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> bytes:
    """A gradient of all colours."""
    bands = [Image.linear_gradient("L").rotate(angle).resize(size) for angle in (0, 90, 180, 270)]
    image = Image.merge(mode, bands[: len(mode)]) if mode != "L" else bands[0]
    file = BytesIO()
    image.save(file, format, icc_profile=icc)
    return file.getvalue()


def cmyk(points: int = 3) -> dict[bytes, bytes]:
    """Tables of a printer whose inks are not those of browsers, and whose black is brown."""
    straight = bytes(range(256))
    steps = [step / (points - 1) for step in range(points)]
    inks = [(c, m, y, k) for c in steps for m in steps for y in steps for k in steps]
    lab = b"".join(
        bytes(
            (
                round(255 * (1 - 0.2 * c - 0.3 * m - 0.05 * y) * (1 - 0.9 * k)),
                round(128 + (60 * m - 40 * c) * (1 - k) + 8 * k),
                round(128 + (70 * y - 40 * c - 10 * m) * (1 - k) + 8 * k),
            )
        )
        for c, m, y, k in inks
    )
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = struct.pack(">4s4x4B", b"mft1", 4, 3, points, 0) + identity + straight * 4 + lab + straight * 3
    return {b"wtpt": xyz(WHITE), b"A2B0": lut}

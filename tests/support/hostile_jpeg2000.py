"""JPEG 2000 files whose few bytes make a decoder allocate or compute a lot: ISO/IEC 15444-1, Annex A."""

import struct
from collections.abc import Callable, Sequence

Size = tuple[int, int]


def siz(
    size: Size, tile: Size | None = None, components: Sequence[tuple[int, int, int]] = ((8, 1, 1),)
) -> bytes:
    """components: bits, and the distances between samples"""
    parameters = struct.pack(">H8IH", 0, *size, 0, 0, *(tile or size), 0, 0, len(components))
    parameters += b"".join(struct.pack("BBB", bits - 1, x, y) for bits, x, y in components)
    return b"\xff\x51" + struct.pack(">H", 2 + len(parameters)) + parameters


def _coding(levels: int, block: Size, modes: int, precincts: Sequence[Size]) -> bytes:
    sizes = bytes(across | down << 4 for across, down in precincts)
    return bytes([levels, block[0] - 2, block[1] - 2, modes, 1]) + sizes


def cod(
    levels: int = 0,
    block: Size = (6, 6),
    precincts: Sequence[Size] = (),
    layers: int = 1,
    order: int = 0,
    modes: int = 0,
) -> bytes:
    """block, precincts: exponents of 2"""
    parameters = struct.pack(">BBHB", bool(precincts), order, layers, 0)
    parameters += _coding(levels, block, modes, precincts)
    return b"\xff\x52" + struct.pack(">H", 2 + len(parameters)) + parameters


def coc(component: int, levels: int = 0, block: Size = (6, 6), precincts: Sequence[Size] = ()) -> bytes:
    parameters = bytes([component, bool(precincts)]) + _coding(levels, block, 0, precincts)
    return b"\xff\x53" + struct.pack(">H", 2 + len(parameters)) + parameters


def qcd(levels: int = 0) -> bytes:
    parameters = b"\x40" + b"\x48" * (3 * levels + 1)
    return b"\xff\x5c" + struct.pack(">H", 2 + len(parameters)) + parameters


def poc(number: int, layers: int, resolutions: int = 33, components: int = 4, order: int = 2) -> bytes:
    """So many times the same change of order."""
    one = struct.pack(">BBHBBB", 0, 0, layers, resolutions, components, order)
    return b"\xff\x5f" + struct.pack(">H", 2 + 7 * number) + one * number


def tile_part(header: bytes = b"", body: bytes = b"\0", tile: int = 0) -> bytes:
    length = 12 + len(header) + 2 + len(body)
    return b"\xff\x90" + struct.pack(">HHIBB", 10, tile, length, 0, 1) + header + b"\xff\x93" + body


def codestream(size: bytes, *headers: bytes, tiles: Sequence[bytes] = ()) -> bytes:
    return b"\xff\x4f" + size + b"".join(headers) + b"".join(tiles or [tile_part()]) + b"\xff\xd9"


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def jp2(size: Size, stream: bytes, *before: bytes, components: int = 1, inside: bytes = b"") -> bytes:
    """A file of boxes; `inside` is what its header has besides, `before` comes before the codestream."""
    width, height = size
    described = box(b"ihdr", struct.pack(">IIHBBBB", height, width, components, 7, 7, 0, 0))
    colour = box(b"colr", struct.pack(">BBBI", 1, 0, 0, 17 if components < 3 else 16))
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", described, colour, inside)
        + b"".join(before)
        + box(b"jp2c", stream)
    )


def many_boxes(number: int) -> bytes:
    """Boxes of nothing in the header, which Pillow reads in Python."""
    stream = codestream(siz((32, 32)), cod(), qcd())
    return jp2((32, 32), stream, inside=struct.pack(">I4s", 8, b"abcd") * number)


def hidden_size(says: Size, size: Size) -> bytes:
    """A box that ends with the beginning of a SIZ, which reaches over the beginning of the codestream."""
    return jp2(size, codestream(siz(size), cod(), qcd()), box(b"free", b"\xff\x4f" + siz(says)[:6]))


# Kind -> a file, which is refused as too large.
SOURCES: dict[str, Callable[[], bytes]] = {
    "precincts of a pixel": lambda: codestream(siz((4000, 2000)), cod(precincts=[(0, 0)]), qcd()),
    "precincts of a pixel, as the inspection let pass": lambda: codestream(
        siz((7071, 7071)), cod(precincts=[(0, 0)]), qcd()
    ),
    "precincts of a tile": lambda: codestream(
        siz((4000, 2000)), cod(), qcd(), tiles=[tile_part(cod(precincts=[(0, 0)]))]
    ),
    "precincts of a component": lambda: codestream(
        siz((4000, 2000), components=[(8, 1, 1)] * 3), cod(), coc(2, precincts=[(0, 0)]), qcd()
    ),
    "precincts after an unknown marker": lambda: codestream(
        siz((4000, 2000)), b"\xff\x30", cod(precincts=[(0, 0)]), qcd()
    ),
    "small code blocks": lambda: codestream(siz((4000, 2000)), cod(block=(2, 2)), qcd()),
    "tiles": lambda: codestream(siz((255, 255), (1, 1)), cod(), qcd()),
    "layers": lambda: codestream(siz((200, 200)), cod(5, layers=65_535, precincts=[(1, 1)] * 6), qcd(5)),
    "precincts that are narrow and low": lambda: codestream(
        siz((7000, 7000)), cod(1, precincts=[(0, 15), (15, 1)], order=2), qcd(1)
    ),
    "changes of the order": lambda: codestream(
        siz((2000, 2000)), cod(1, precincts=[(1, 15), (15, 1)], order=2), qcd(1), poc(30, 65_535, 255, 1)
    ),
    "bits of a sample": lambda: codestream(siz((7071, 7071), components=[(31, 1, 1)] * 4), cod(), qcd()),
    "segments": lambda: codestream(
        siz((7000, 7000)), cod(modes=4, block=(4, 4)), qcd(), tiles=[tile_part(body=bytes(8_000_000))]
    ),
    "headers": lambda: codestream(siz((32, 32)), cod() * 10_000, qcd()),
    "boxes": lambda: many_boxes(2_000),
    "a palette": lambda: jp2(
        (32, 32), codestream(siz((32, 32)), cod(), qcd()), inside=box(b"pclr", bytes(40_000))
    ),
    "another codestream": lambda: jp2((9_000, 9_000), codestream(siz((9_000, 9_000)), cod(), qcd())),
    "a codestream behind another one's beginning": lambda: hidden_size((32, 32), (9_000, 9_000)),
}

# Kind -> a file that is just not too large.
ALMOST: dict[str, Callable[[], bytes]] = {
    "code blocks": lambda: codestream(siz((2000, 2000)), cod(block=(2, 2)), qcd()),
    "precincts": lambda: codestream(siz((500, 500)), cod(precincts=[(0, 0)]), qcd()),
    "tiles": lambda: codestream(siz((99, 99), (1, 1)), cod(), qcd()),
    "layers": lambda: codestream(siz((50, 50)), cod(1, layers=6_000, precincts=[(3, 3)] * 2), qcd(1)),
}

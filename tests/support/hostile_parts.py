"""Small sources whose parts make a decoder allocate much: tiles, strips, tags, EXIF."""

import struct
from collections.abc import Sequence
from zlib import compress, crc32

from tests.support.hostile import Size
from tests.support.pictures import picture

SHORT, LONG, RATIONAL, UNDEFINED, BYTE = 3, 4, 5, 7, 1
LZMA, DEFLATE, JPEG, OLD_JPEG, GROUP_3, WEBP, ZSTD = 34925, 8, 7, 6, 3, 50001, 50000
EXIF_IFD, GPS_IFD, INTEROP_IFD, IMAGE_DESCRIPTION, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x010E, 0x927C

Entry = tuple[int, int, int, int]  # a tag, its type, how many values, and the value or where the values are


def directory(entries: Sequence[Entry], following: int = 0, big: bool = False) -> bytes:
    if big:
        head = struct.pack("<Q", len(entries))
        return head + b"".join(struct.pack("<HHQQ", *one) for one in entries) + struct.pack("<Q", following)
    head = struct.pack("<H", len(entries))
    return head + b"".join(struct.pack("<HHII", *one) for one in entries) + struct.pack("<I", following)


def tiff(blob: bytes, *pages: Sequence[Entry], big: bool = False) -> bytes:
    """Directories after what they point to, which begins at 16."""
    data = bytearray(blob)
    size, extra = (20, 16) if big else (12, 6)
    first = 16 + len(blob)
    for number, entries in enumerate(pages):
        after = 16 + len(data) + len(entries) * size + extra
        data += directory(sorted(entries), after if number < len(pages) - 1 else 0, big)
    head = (
        struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI8x", b"II", 42, first)
    )
    return head + bytes(data)


def page(size: Size, *more: Entry, data: Size = (16, 64), bits: int = 8, samples: int = 1) -> list[Entry]:
    """The directory of a page, gray, RGB or CMYK, in one strip; `more` replaces what it names."""
    entries = {
        256: (LONG, 1, size[0]),
        257: (LONG, 1, size[1]),
        258: (SHORT, 1, bits),
        259: (SHORT, 1, 1),
        262: (SHORT, 1, {1: 1, 3: 2, 4: 5}.get(samples, 1)),
        273: (LONG, 1, data[0]),
        277: (SHORT, 1, samples),
        278: (LONG, 1, size[1]),
        279: (LONG, 1, data[1]),
    } | {tag: rest for tag, *rest in more}
    return [(tag, *rest) for tag, rest in entries.items()]


def tiled(size: Size, tile: Size, *more: Entry, compression: int = DEFLATE) -> list[Entry]:
    tiles = [
        (259, SHORT, 1, compression),
        (322, LONG, 1, tile[0]),
        (323, LONG, 1, tile[1]),
        (324, LONG, 1, 16),
        (325, LONG, 1, 64),
    ]
    without = (273, 278, 279)
    return [one for one in page(size, *tiles, *more) if one[0] not in without]


def large_tile(tile: Size = (46_336, 46_336)) -> bytes:
    return tiff(compress(bytes(65_536)), tiled((256, 256), tile))


def exif(entries: Sequence[Entry], blob: bytes = b"") -> bytes:
    """The directory is first, and what it points to begins behind it."""
    return b"II*\0" + struct.pack("<I", 8) + directory(entries) + blob


PNG = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))


def exif_png(data: bytes, after: bool = False) -> bytes:
    """A small PNG with an eXIf chunk, before or after its pixels."""
    if after:
        return after_pixels(b"eXIf", data)
    plain = picture((64, 48), "PNG")
    return plain[:33] + chunk(b"eXIf", data) + plain[33:]


def exif_segments(data: bytes, each: int = 65_000) -> bytes:
    parts = [data[start : start + each] for start in range(0, len(data), each)]
    segments = (b"\xff\xe1" + struct.pack(">H", 8 + len(part)) + b"Exif\0\0" + part for part in parts)
    return b"".join(segments)


def exif_jpeg(data: bytes, each: int = 65_000) -> bytes:
    """A small JPEG, with as many segments as it takes."""
    plain = picture((64, 48))
    return plain[:2] + exif_segments(data, each) + plain[2:]


def exif_webp(data: bytes) -> bytes:
    return picture((64, 48), "WEBP", exif=b"Exif\0\0" + data)


def deep_png(size: Size, interlaced: bool = False) -> bytes:
    """A sound one, of 8 bytes for each pixel."""
    width, height = size
    header = struct.pack(">IIBBBBB", *size, 16, 6, 0, 0, int(interlaced))
    data = compress(bytes(8 * width * height + 2 * height + 16), 9)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def after_pixels(name: bytes, data: bytes) -> bytes:
    plain = picture((64, 48), "PNG")
    return plain[:-12] + chunk(name, data) + plain[-12:]


def exif_avif(data: bytes) -> bytes:
    return picture((64, 48), "AVIF", exif=data)

"""AVIF files whose few bytes make a decoder allocate a lot: ISO/IEC 14496-12 and 23008-12, and AV1."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.support.pictures import picture

Size = tuple[int, int]


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full(kind: bytes, *contents: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *contents)


def ispe(size: Size) -> bytes:
    return full(b"ispe", struct.pack(">II", *size))


def alpha() -> bytes:
    return full(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def obu(kind: int, content: bytes) -> bytes:
    size, length = b"", len(content)
    while length >= 128:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([kind << 3 | 2]) + size + bytes([length]) + content


def bits(*fields: tuple[int, int]) -> bytes:
    """Of (number of bits, value), and of what fills the last byte."""
    text = "".join(f"{value:0{number}b}" for number, value in fields) + "1"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def still(size: Size, height_bits: int = 16) -> bytes:
    """A picture of 8 bits with 4:2:0, and the first bytes of its frame, which fail when it is decoded."""
    width, height = size
    header = bits(
        (3, 0), (1, 1), (1, 1), (5, 16),
        (4, 15), (4, height_bits - 1), (16, width - 1), (height_bits, height - 1),
        (3, 0), (3, 0), (3, 0), (1, 0), (1, 0), (2, 0), (2, 0), (1, 0), (1, 0),
    )  # fmt: skip
    return obu(2, b"") + obu(1, header) + obu(6, b"\x18" + bytes(40))


def moving(size: Size, frames: int, own_size: bool = False) -> bytes:
    """Frames that are kept, each of which may have a size of its own."""
    width, height = size
    header = bits(
        (3, 0), (1, 0), (1, 0), (1, 0), (1, 0), (5, 0), (12, 0), (5, 8), (1, 0),
        (4, 15), (4, 15), (16, width - 1), (16, height - 1), (1, 0),
        (3, 0), (4, 0), (1, 0), (1, 0), (1, 0), (3, 0), (1, 0), (16, 0),
    )  # fmt: skip
    frame = bits((1, 0), (2, 0), (1, 1), (1, 0), (1, own_size), (64, 0))
    return obu(2, b"") + obu(1, header) + obu(6, frame) * frames


@dataclass(frozen=True)
class Item:
    """properties: numbers in the list of the file, from 1 on; places: (offset in the data, length)"""

    kind: bytes
    properties: Sequence[int]
    places: Sequence[tuple[int, int]]


HEAD = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")


def icon_head() -> bytes:
    """Boxes that begin as an ICO does, with a small picture inside."""
    number, first = int.from_bytes(b"ft", "little"), 17  # entries before it are bytes of boxes
    inside = picture((16, 16), "PNG")
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inside), 6 + 16 * number)
    head = box(b"ftyp", HEAD[8:], b"avif" * 57)
    return head + box(b"free", bytes(6 + 16 * first - 264), entry * (number - first), inside)


def avif(
    items: Sequence[Item],
    properties: Sequence[bytes],
    data: bytes,
    references: bytes = b"",
    head: bytes = HEAD,
) -> bytes:
    """Item 1 is the picture."""
    infos = [
        full(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), version=2)
        for number, item in enumerate(items, 1)
    ]
    associations = [
        struct.pack(">HB", number, len(item.properties)) + bytes(item.properties)
        for number, item in enumerate(items, 1)
    ]

    def meta(start: int) -> bytes:
        places = [
            struct.pack(">HHH", number, 0, len(item.places))
            + b"".join(struct.pack(">II", start + at, length) for at, length in item.places)
            for number, item in enumerate(items, 1)
        ]
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)), *places),
            full(b"iinf", struct.pack(">H", len(items)), *infos),
            references,
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", struct.pack(">I", len(items)), *associations),
            ),
        )

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", data)


def sequence(size: Size, samples: Sequence[bytes], number: int | None = None) -> bytes:
    """A track, whose only chunk says to have so many samples."""
    width, height = size
    number = len(samples) if number is None else number
    entry = bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", *size) + bytes(50)

    def moov(start: int) -> bytes:
        table = box(
            b"stbl",
            full(b"stsd", struct.pack(">I", 1), box(b"av01", entry, CONFIGURATION)),
            full(b"stts", struct.pack(">III", 1, number, 1)),
            full(b"stsc", struct.pack(">IIII", 1, 1, number, 1)),
            full(
                b"stsz", struct.pack(">II", 0, len(samples)), *[struct.pack(">I", len(s)) for s in samples]
            ),
            full(b"stco", struct.pack(">II", 1, start)),
        )
        media = box(
            b"mdia",
            full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1, number, 0, 0)),
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            box(b"minf", table),
        )
        header = full(
            b"tkhd",
            struct.pack(">5I", 0, 0, 1, 0, number),
            bytes(52),
            struct.pack(">II", width << 16, height << 16),
        )
        return box(b"moov", box(b"trak", header, media))

    head = box(b"ftyp", b"avis\0\0\0\0avisavifmsf1miaf")
    start = len(head) + len(moov(0)) + 8
    return head + moov(start) + box(b"mdat", *samples)


CONFIGURATION = box(b"av1C", b"\x81\x10\x0c\0")


def one(size: Size, says: Size, head: bytes = HEAD) -> bytes:
    data = still(size)
    return avif([Item(b"av01", [1, 2], [(0, len(data))])], [ispe(says), CONFIGURATION], data, head=head)


def moving_one(size: Size, frames: int, own_size: bool = False) -> bytes:
    data = moving(size, frames, own_size)
    return avif([Item(b"av01", [1, 2], [(0, len(data))])], [ispe(size), CONFIGURATION], data)


def grid(cell: Size, says: Size, output: Size, rows: int, columns: int) -> bytes:
    data = still(cell)
    described = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *output)
    cells = [Item(b"av01", [1, 2], [(0, len(data))])] * (rows * columns)
    items = [Item(b"grid", [3], [(len(data), len(described))]), *cells]
    numbers = range(2, len(items) + 1)
    made_of = struct.pack(f">HH{len(cells)}H", 1, len(cells), *numbers)
    references = full(b"iref", box(b"dimg", made_of))
    return avif(items, [ispe(says), CONFIGURATION, ispe(output)], data + described, references)


def with_alpha(size: Size, alpha_size: Size) -> bytes:
    data, more = still(size), still(alpha_size)
    items = [
        Item(b"av01", [1, 2], [(0, len(data))]),
        Item(b"av01", [1, 2, 3], [(len(data), len(more))]),
    ]
    references = full(b"iref", box(b"auxl", struct.pack(">HHH", 2, 1, 1)))
    return avif(items, [ispe(size), CONFIGURATION, alpha()], data + more, references)


def many_copies(copies: int) -> bytes:
    """Items that are all of the file, twice each."""
    data = still((64, 48)) + obu(15, bytes(1_000_000))
    items = [
        Item(b"av01", [1, 2], [(0, 20 + number), (20 + number, len(data) - 20 - number)])
        for number in range(copies)
    ]
    return avif(items, [ispe((64, 48)), CONFIGURATION], data)


def many_units(number: int) -> bytes:
    data = still((64, 48)) + obu(15, b"") * number
    return avif([Item(b"av01", [1, 2], [(0, len(data))])], [ispe((64, 48)), CONFIGURATION], data)


# Kind -> a file, which is refused as too large.
SOURCES: dict[str, Callable[[], bytes]] = {
    "a picture that is larger than its item": lambda: one((16_384, 16_384), (100, 100)),
    "a picture in a file that is an ICO too": lambda: one((16_384, 16_384), (100, 100), icon_head()),
    "an item that is larger than its picture": lambda: one((100, 100), (16_384, 16_384)),
    "a grid of a larger cell": lambda: grid((16_384, 16_384), (100, 100), (100, 100), 1, 1),
    "a grid of a cell that is scaled": lambda: grid((100, 100), (16_384, 16_384), (100, 100), 1, 1),
    "a grid of many cells": lambda: grid((4_096, 4_096), (256, 256), (2_048, 2_048), 8, 8),
    "transparency that is larger": lambda: with_alpha((100, 100), (16_384, 16_384)),
    "frames that are kept": lambda: moving_one((7_000, 7_000), 8),
    "frames with a size of their own": lambda: moving_one((100, 100), 1, own_size=True),
    "a sequence of larger frames": lambda: sequence((100, 100), [moving((16_384, 16_384), 1)]),
    "a sequence of frames that are kept": lambda: sequence((7_000, 7_000), [moving((7_000, 7_000), 1)] * 9),
    "a sequence that says to be long": lambda: sequence((64, 48), [moving((64, 48), 1)], 2_000_000),
    "items of the same bytes": lambda: many_copies(100),
    "units": lambda: many_units(100_000),
    "boxes": lambda: picture((64, 48), "AVIF") + box(b"free") * 100_000,
}

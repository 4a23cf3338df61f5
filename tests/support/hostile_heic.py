"""HEIC files whose few bytes make a decoder allocate or compute a lot: ISO/IEC 23008-12, and HEVC."""

import struct
from collections.abc import Callable, Sequence

from tests.support.hostile_avif import Item, Size, avif, bits, box, full, ispe

HEAD = box(b"ftyp", b"heic\0\0\0\0mif1heicmiaf")


def exponential(value: int) -> tuple[int, int]:
    """As a field: its number of bits, and its value."""
    return 2 * (value + 1).bit_length() - 1, value + 1


def parameters(size: Size) -> bytes:
    """Sequence parameters of 8 bits with 4:2:0."""
    width, height = size
    content = bits(
        (4, 0), (3, 0), (1, 1), (88, 1), (8, 93),
        exponential(0), exponential(1), exponential(width), exponential(height),
        (1, 0), exponential(0), exponential(0),
    )  # fmt: skip
    return b"\x42\x01" + content.replace(b"\0\0", b"\0\0\3")


def configuration(size: Size) -> bytes:
    unit = parameters(size)
    return box(b"hvcC", bytes(21), b"\3\1\x21\0\1", struct.pack(">H", len(unit)), unit)


def unit(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


PICTURE = unit(b"\x26\x01\x80" + bytes(20))
SLICE = unit(b"\x26\x01\x40" + bytes(20))


def heic(
    items: Sequence[Item], properties: Sequence[bytes], data: bytes, references: Sequence[bytes] = ()
) -> bytes:
    """The last item is the picture that a decoder shows."""
    found = avif(items, properties, data, full(b"iref", *references) if references else b"", HEAD)
    first, last = full(b"pitm", struct.pack(">H", 1)), full(b"pitm", struct.pack(">H", len(items)))
    return found.replace(first, last)


def reference(kind: bytes, item: int, others: Sequence[int]) -> bytes:
    return box(kind, struct.pack(f">HH{len(others)}H", item, len(others), *others))


def one(size: Size, says: Size, data: bytes = PICTURE) -> bytes:
    return heic([Item(b"hvc1", [1, 2], [(0, len(data))])], [ispe(says), configuration(size)], data)


def made_of(
    kind: bytes, others: Sequence[int], size: Size, cell: Size = (512, 512), tiles: int = 1
) -> bytes:
    """A grid or a pile of its tiles."""
    head = b"\0\1\0\0" if kind == b"grid" else b"\0\1" + bytes(8)
    described = head + struct.pack(">II", *size)
    data = PICTURE + described
    items = [Item(b"hvc1", [1, 2], [(0, len(PICTURE))])] * tiles
    items.append(Item(kind, [3], [(len(PICTURE), len(described))]))
    properties = [ispe(cell), configuration(cell), ispe((64, 64))]
    return heic(items, properties, data, [reference(b"dimg", tiles + 1, others)])


def levels(number: int, parts: int) -> bytes:
    """Pictures that consist of the one before, many times."""
    described = b"\0\1" + bytes(8) + struct.pack(">II", 64, 64)
    items = [Item(b"hvc1", [1, 2], [(0, len(PICTURE))])]
    items += [Item(b"iovl", [1], [(len(PICTURE), len(described))])] * number
    references = [reference(b"dimg", item + 1, [item] * parts) for item in range(1, number + 1)]
    properties = [ispe((64, 64)), configuration((64, 64))]
    return heic(items, properties, PICTURE + described, references)


def attached(kind: bytes, size: Size) -> bytes:
    """To the picture, which is the last item."""
    items = [Item(b"hvc1", [1, 2], [(0, len(PICTURE))]), Item(b"hvc1", [3, 4], [(0, len(PICTURE))])]
    properties = [ispe(size), configuration(size), ispe((64, 64)), configuration((64, 64))]
    return heic(items, properties, PICTURE, [reference(kind, 1, [2])])


# Kind -> a file, which is refused as too large.
SOURCES: dict[str, Callable[[], bytes]] = {
    "a bitstream that is larger than its item": lambda: one((16_384, 16_384), (100, 100)),
    "an item that is larger than its bitstream": lambda: one((100, 100), (16_384, 16_384)),
    "parameters among the pictures": lambda: one(
        (100, 100), (100, 100), unit(parameters((16_384, 16_384))) + PICTURE
    ),
    "many pictures in one": lambda: one((4_096, 4_096), (4_096, 4_096), PICTURE * 20),
    "many slices in one": lambda: one((4_096, 4_096), (4_096, 4_096), PICTURE + SLICE * 300),
    "a grid of a large canvas": lambda: made_of(b"grid", [1], (16_384, 16_384)),
    "a pile of a large canvas": lambda: made_of(b"iovl", [1], (16_384, 16_384)),
    "a grid of a large cell": lambda: made_of(b"grid", [1], (512, 512), (16_384, 16_384)),
    "a grid of one cell, many times": lambda: made_of(b"grid", [1] * 60_000, (512, 512)),
    "a grid of many cells": lambda: made_of(b"grid", range(1, 2_001), (512, 512), tiles=2_000),
    "pictures in pictures in pictures": lambda: levels(6, 200),
    "transparency that is larger": lambda: attached(b"auxl", (16_384, 16_384)),
    "a preview that is larger": lambda: attached(b"thmb", (16_384, 16_384)),
    "references": lambda: levels(2, 60_000),
    "units": lambda: one((64, 64), (64, 64), PICTURE + unit(b"\x4e\x01\0") * 100_000),
}

"""HEIC files whose few bytes make a decoder fill a lot: ISO/IEC 23008-12 and 14496-15, and HEVC."""

import struct
from collections.abc import Callable, Sequence

from tests.support.hostile_avif import HEAD as AVIF_HEAD
from tests.support.hostile_avif import Item, Size, avif, bits, box, full, ispe

HEAD = box(b"ftyp", b"heic\0\0\0\0heicmif1")
# The first unit of a picture, which fails when it is decoded.
SLICE = b"\x26\x01\xaf" + bytes(40)


def golomb(number: int) -> list[tuple[int, int]]:
    """Return the fields of a number with as many zeros in front as it has bits after its first one."""
    length = (number + 1).bit_length()
    return [(length - 1, 0), (length, number + 1)] if length > 1 else [(1, 1)]


def parameters(size: Size) -> bytes:
    """A unit of sequence parameters, as far as the size."""
    fields = [(4, 0), (3, 0), (1, 1), (88, 0), (8, 0)]
    for number in (0, 1, *size):
        fields += golomb(number)
    return b"\x42\x01" + bits(*fields).replace(b"\0\0", b"\0\0\3")


def unit(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def configuration(size: Size) -> bytes:
    content = parameters(size)
    return box(b"hvcC", bytes(21), b"\3\1", struct.pack(">BHH", 33, 1, len(content)), content)


def references(kind: bytes, *found: tuple[int, Sequence[int]]) -> bytes:
    parts = [
        box(kind, struct.pack(f">HH{len(others)}H", item, len(others), *others)) for item, others in found
    ]
    return full(b"iref", *parts)


def heic(items: Sequence[Item], properties: Sequence[bytes], data: bytes, made_of: bytes = b"") -> bytes:
    assert len(HEAD) <= len(AVIF_HEAD)
    return avif(items, properties, data, made_of, HEAD)


def one(size: Size, says: Size, data: bytes = unit(SLICE)) -> bytes:
    return heic([Item(b"hvc1", [1, 2], [(0, len(data))])], [ispe(says), configuration(size)], data)


def grid_of_one_tile(tile: Size, rows: int, columns: int, output: Size) -> bytes:
    """A grid, each of whose cells is the same picture."""
    data = unit(SLICE)
    described = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *output)
    items = [Item(b"grid", [3], [(len(data), 8)]), Item(b"hvc1", [1, 2], [(0, len(data))])]
    properties = [ispe(tile), configuration(tile), ispe(output)]
    return heic(items, properties, data + described, references(b"dimg", (1, [2] * (rows * columns))))


def pile_of_canvases(canvas: Size, number: int) -> bytes:
    """A pile that shows another one many times. That one is large, and has one small picture."""
    data = unit(SLICE)
    described = struct.pack(">BB8sHH", 0, 0, bytes(8), *canvas) + bytes(4)
    place = [(len(data), len(described))]
    items = [Item(b"iovl", [], place), Item(b"iovl", [], place), Item(b"hvc1", [1, 2], [(0, len(data))])]
    made_of = references(b"dimg", (1, [2] * number), (2, [3]))
    return heic(items, [ispe((64, 48)), configuration((64, 48))], data + described, made_of)


def chain(length: int, circle: bool) -> bytes:
    """Pictures, each of which is the next one. The last one is a bitstream, or the first one again."""
    data = unit(SLICE)
    derived = [Item(b"iden", [1], [])] * length
    items = [*derived, Item(b"hvc1", [1, 2], [(0, len(data))])]
    found = [(number, [number + 1]) for number in range(1, length + 1)]
    if circle:
        found[-1] = length, [1]
    return heic(
        items,
        [ispe((64, 48)), configuration((64, 48))],
        data,
        references(b"dimg", *((a, b) for a, b in found)),
    )


def doubling(levels: int) -> bytes:
    """Pictures, each of which shows the next one 1,000 times."""
    data = unit(SLICE)
    described = struct.pack(">BB8sHH", 0, 0, bytes(8), 64, 48) + bytes(4)
    place = [(len(data), len(described))]
    items = [*[Item(b"iovl", [], place)] * levels, Item(b"hvc1", [1, 2], [(0, len(data))])]
    found = [(number, [number + 1] * 1_000) for number in range(1, levels + 1)]
    properties = [ispe((64, 48)), configuration((64, 48))]
    return heic(items, properties, data + described, references(b"dimg", *((a, b) for a, b in found)))


# Kind -> a file, which is refused as too large.
SOURCES: dict[str, Callable[[], bytes]] = {
    "a picture that is larger than its item": lambda: one((16_384, 16_384), (100, 100)),
    "an item that is larger than its picture": lambda: one((100, 100), (16_384, 16_384)),
    "parameters in the bitstream": lambda: one(
        (100, 100), (100, 100), unit(parameters((16_384, 16_384))) + unit(SLICE)
    ),
    "a bitstream of many pictures": lambda: one((4_096, 4_096), (4_096, 4_096), unit(SLICE) * 20),
    "a grid that shows a picture often": lambda: grid_of_one_tile((4_096, 4_096), 250, 250, (100, 100)),
    "a grid of a large canvas": lambda: grid_of_one_tile((64, 48), 1, 1, (16_384, 16_384)),
    "a pile of large canvases": lambda: pile_of_canvases((5_000, 5_000), 1_000),
    "pictures that show others often": lambda: doubling(6),
    "units": lambda: one((64, 48), (64, 48), unit(b"\x4e\x01") * 100_000),
    "boxes": lambda: one((64, 48), (64, 48)) + box(b"free") * 100_000,
}
# Kind -> a file, which is refused as broken.
BROKEN: dict[str, Callable[[], bytes]] = {
    "a circle": lambda: chain(5, circle=True),
    "a long chain": lambda: chain(50, circle=False),
    "a unit that is longer than its item": lambda: one((64, 48), (64, 48), b"\xff\xff\xff\xff" + SLICE),
    "boxes in boxes": lambda: HEAD + _nested(5_000),
    "no items": lambda: HEAD,
}


def _nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(b"moov", data)
    return data

"""PNGs of any depth and colour type, and with any chunks: https://www.w3.org/TR/png/"""

import struct
import zlib
from collections.abc import Iterable, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
Row = Sequence[int]
# First column and row, and steps, of the seven passes.
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name: bytes, data: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def packed(rows: Iterable[Row], depth: int) -> bytes:
    """The rows as bytes. A byte 0 before each row says that it is not filtered."""
    data = b""
    for row in rows:
        digits = "".join(f"{sample:0{depth}b}" for sample in row)
        digits += "0" * (-len(digits) % 8)
        data += b"\0" + int(digits, 2).to_bytes(len(digits) // 8)
    return data


def interlaced(rows: Sequence[Row], depth: int, channels: int) -> bytes:
    data = b""
    for left, top, across, down in ADAM7:
        part = [
            [s for x in range(left, len(row) // channels, across) for s in row[x * channels :][:channels]]
            for row in rows[top::down]
        ]
        data += packed(part, depth)
    return data


def png(
    rows: Sequence[Row],
    depth: int,
    kind: int,
    before: bytes = b"",
    interlace: bool = False,
    idat: bytes | None = None,
) -> bytes:
    """before: chunks before the data; idat: chunks instead of those of the data"""
    channels = {RGB: 3, GREY_ALPHA: 2, RGBA: 4}.get(kind, 1)
    header = struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), depth, kind, 0, 0, int(interlace))
    if idat is None:
        content = interlaced(rows, depth, channels) if interlace else packed(rows, depth)
        idat = chunk(b"IDAT", zlib.compress(content))
    return SIGNATURE + chunk(b"IHDR", header) + before + idat + chunk(b"IEND", b"")

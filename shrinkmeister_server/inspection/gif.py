"""The frames of a GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""

import struct
from collections.abc import Iterator
from contextlib import suppress


def frames(data: bytes) -> Iterator[tuple[int, int]]:
    """The size of the canvas at each frame; frames may reach over it, and Pillow makes it larger then.

    Pillow would tell by decoding each.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _table(flags)
    with suppress(IndexError, struct.error):
        while (kind := data[position]) != 0x3B:
            position += 1
            if kind == 0x2C:
                left, top, across, down, flags = struct.unpack_from("<4HB", data, position)
                width, height = max(width, left + across), max(height, top + down)
                yield width, height
                position += 9 + _table(flags)
            elif kind != 0x21:
                continue
            position += 1
            while data[position]:
                position += 1 + data[position]
            position += 1


def _table(flags: int) -> int:
    """Bytes of a table of colours in a GIF."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

"""The blocks and frames of a GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""

import struct
from collections.abc import Iterator
from contextlib import suppress

_FRAME, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
# Encoders fill their blocks, of up to 255 bytes, but for the last one of a frame.
_SMALL_BLOCK = 64


def parts(data: bytes) -> Iterator[object]:
    """What makes a decoder loop for little: frames, extensions, small blocks, and bytes between them."""
    return (part for part in _parts(data) if part[0] or part[1] < _SMALL_BLOCK)


def frames(data: bytes) -> Iterator[tuple[int, int]]:
    """The size of the canvas at each frame; frames may reach over it, and Pillow makes it larger then.

    Pillow would tell by decoding each.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    for kind, position in _parts(data):
        if kind == _FRAME:
            left, top, across, down = struct.unpack_from("<4H", data, position)
            width, height = max(width, left + across), max(height, top + down)
            yield width, height


def _parts(data: bytes) -> Iterator[tuple[int, int]]:
    """The kind of each part and where it begins; of a block of data, 0 and its size."""
    with suppress(IndexError, struct.error):
        position = 13 + _table(data[10])
        while (kind := data[position]) != _TRAILER:
            position += 1
            if kind == _FRAME:
                (flags,) = struct.unpack_from("<8xB", data, position)
                yield kind, position
                position += 9 + _table(flags)
            else:
                yield kind or -1, position
                if kind != _EXTENSION:
                    continue
            position += 1
            while size := data[position]:
                yield 0, size
                position += 1 + size
            position += 1


def _table(flags: int) -> int:
    """Bytes of a table of colours in a GIF."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

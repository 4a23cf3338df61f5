"""The blocks and frames of a GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""

import struct
from collections.abc import Iterator
from contextlib import suppress

_FRAME, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
# The label and the size of the extension before a frame that has transparent pixels.
_CONTROL = b"\xf9\x04"
# Encoders fill their blocks, which hold 255 bytes, except for the last one of a frame.
_SMALL_BLOCK = 64


def parts(data: bytes) -> Iterator[object]:
    """Yield what costs a decoder steps for few bytes: frames, extensions, small blocks, stray bytes."""
    return (part for part in _parts(data) if part[0] or part[1] < _SMALL_BLOCK)


def frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size of the canvas at each frame. Pillow enlarges the canvas for a frame that exceeds it.

    Pillow itself reports a frame only after it has decoded those before.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    for kind, position in _parts(data):
        if kind == _FRAME:
            left, top, across, down = struct.unpack_from("<4H", data, position)
            width, height = max(width, left + across), max(height, top + down)
            yield width, height


def transparent_colour(data: bytes) -> tuple[int, int, int] | None:
    """Return the colour in the palette of the first frame's transparent pixels, if it has any."""
    index = None
    for kind, position in _parts(data):
        if kind == _EXTENSION:
            # Label, size, flags, two bytes of delay, and the index.
            control = data[position : position + 6]
            if control.startswith(_CONTROL) and len(control) == 6:
                index = control[5] if control[2] & 1 else None
        elif kind == _FRAME:
            (flags,) = struct.unpack_from("<8xB", data, position)
            local = _table_size(flags)
            start, size = (position + 9, local) if local else (13, _table_size(data[10]))
            if index is None or 3 * index >= size:
                return None
            red, green, blue = data[start + 3 * index : start + 3 * index + 3]
            return red, green, blue
    return None


def _parts(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each part's kind and position. For a block of data, yield 0 and its size."""
    with suppress(IndexError, struct.error):
        position = 13 + _table_size(data[10])
        while (kind := data[position]) != _TRAILER:
            position += 1
            if kind == _FRAME:
                (flags,) = struct.unpack_from("<8xB", data, position)
                yield kind, position
                position += 9 + _table_size(flags)
            else:
                yield kind or -1, position
                if kind != _EXTENSION:
                    continue
            position += 1
            while size := data[position]:
                yield 0, size
                position += 1 + size
            position += 1


def _table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

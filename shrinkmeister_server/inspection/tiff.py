"""The directory of a TIFF."""

import struct
from collections.abc import Iterator
from contextlib import suppress

from shrinkmeister_server.inspection.limits import MAX_PARTS

# Byte order, and whether offsets have 8 bytes.
ORDERS = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
    # Pillow reads these too.
    b"MM*\0": (">", False),
    b"II\0*": ("<", False),
}


def entries(data: bytes) -> Iterator[int]:
    """The values of the tags of a TIFF's first directory: TIFF 6.0, section 2, and BigTIFF."""
    order, big = ORDERS[data[:4]]
    word, size = ("Q", 20) if big else ("L", 12)
    with suppress(struct.error):
        (position,) = struct.unpack_from(order + word, data, 8 if big else 4)
        (tags,) = struct.unpack_from(order + ("Q" if big else "H"), data, position)
        position += 8 if big else 2
        for entry in range(min(tags, MAX_PARTS)):
            _, kind, values = struct.unpack_from(f"{order}HH{word}", data, position + entry * size)
            # Bytes and texts are one object, whatever their length.
            yield from range(1 if kind in (1, 2, 7) else values)

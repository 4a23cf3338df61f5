"""The chunks of a PNG: https://www.w3.org/TR/png/#5Chunk-layout"""

import zlib
from collections.abc import Iterator
from itertools import islice

from shrinkmeister_server.inspection.limits import MAX_PARTS

# Pillow reads texts with these keywords as EXIF; some of them are written in hexadecimal digits.
_TEXTS = (b"exif\0", b"Raw profile type exif\0")

_KINDS_OF_TEXT = (b"tEXt", b"iTXt", b"zTXt")


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name, and the start and end of its data."""
    position = 8
    while position < len(data):
        size = int.from_bytes(data[position : position + 4])
        yield data[position + 4 : position + 8], position + 8, position + 8 + size
        position += 12 + size


def exif(data: bytes) -> Iterator[bytes]:
    for name, start, end in islice(chunks(data), MAX_PARTS):
        if name == b"eXIf":
            yield data[start:end]
        elif name in _KINDS_OF_TEXT and data.startswith(_TEXTS, start):
            yield data[data.index(b"\0", start) + 1 : end]


def without_texts(data: bytes) -> bytes:
    found = islice(chunks(data), MAX_PARTS)
    kept = (data[start - 8 : end + 4] for name, start, end in found if name not in _KINDS_OF_TEXT)
    return data[:8] + b"".join(kept)


def is_damaged(data: bytes) -> bool:
    """Return whether the checksum of a chunk is wrong that a decoder needs. Libraries do not compare it."""
    view = memoryview(data)
    for name, start, end in chunks(data):
        if name == b"IEND":
            break
        # Names of chunks that a decoder may skip begin with a small letter.
        is_critical = name[:1].isupper()
        if is_critical and zlib.crc32(view[start - 4 : end]) != int.from_bytes(view[end : end + 4]):
            return True
    return False

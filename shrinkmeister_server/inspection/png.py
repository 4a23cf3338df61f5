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


def without_broken_extras(data: bytes) -> bytes:
    """Return a PNG without the chunks that browsers skip: wrong checksum, and a decoder need not know them.

    Any other file is returned as it is.
    """
    if not data.startswith(b"\x89PNG"):
        return data

    def is_kept(name: bytes, start: int, end: int) -> bool:
        # A chunk that ends after the file is a decoder's matter.
        return _is_critical(name) or end + 4 > len(data) or _is_intact(data, name, start, end)

    if all(is_kept(*chunk) for chunk in islice(chunks(data), MAX_PARTS)):
        return data
    kept, position = [data[:8]], 8
    for name, start, end in islice(chunks(data), MAX_PARTS):
        position = end + 4
        if is_kept(name, start, end):
            kept.append(data[start - 8 : position])
    return b"".join(kept) + data[position:]


def is_damaged(data: bytes) -> bool:
    """Return whether the checksum of a chunk is wrong that a decoder needs. Libraries do not compare it."""
    for chunk in chunks(data):
        if chunk[0] == b"IEND":
            break
        if _is_critical(chunk[0]) and not _is_intact(data, *chunk):
            return True
    return False


def _is_critical(name: bytes) -> bool:
    """Return whether a decoder needs to know a chunk: its name begins with a capital letter."""
    return name[:1].isupper()


def _is_intact(data: bytes, name: bytes, start: int, end: int) -> bool:
    return zlib.crc32(memoryview(data)[start - 4 : end]) == int.from_bytes(data[end : end + 4])

"""The codestreams of a JPEG 2000: ISO/IEC 15444-1."""

import re
import struct
from collections.abc import Iterator

# A.5.1: SOC and SIZ with Xsiz, Ysiz, XOsiz and YOsiz.
_SIZ = re.compile(rb"\xff\x4f\xff\x51.{4}(.{16})", re.DOTALL)


def sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """What a JPEG 2000 is decoded to, whatever its outer header says."""
    for found in _SIZ.finditer(data):
        right, bottom, left, top = struct.unpack(">4I", found[1])
        yield right - left, bottom - top

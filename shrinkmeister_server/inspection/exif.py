"""EXIF, of whichever format: CIPA DC-008."""

import re

from shrinkmeister.exceptions import SourceTooLargeError
from shrinkmeister_server.inspection import tiff
from shrinkmeister_server.inspection.limits import MAX_EXIF_BYTES, MAX_EXIF_VALUES

# Pillow takes away two of them.
_PREFIX = re.compile(rb"(?:Exif\0\0){0,2}")


def judge(data: bytes) -> None:
    """Raise SourceTooLargeError for more than a camera or an editor writes."""
    if len(data) > MAX_EXIF_BYTES:
        raise SourceTooLargeError(f"the source has {len(data)} bytes of EXIF")
    found = _PREFIX.match(data)
    data = data[found.end() :] if found else data
    if data[:4] in tiff.ORDERS and len(data) >= 16:
        tiff.judge(data, MAX_EXIF_VALUES)

"""EXIF in any format: CIPA DC-008."""

import re

from shrinkmeister.exceptions import SourceTooLargeError
from shrinkmeister_server.inspection import tiff
from shrinkmeister_server.inspection.limits import MAX_EXIF_BYTES, MAX_EXIF_VALUES

# Pillow removes up to two of them.
_PREFIX = re.compile(rb"(?:Exif\0\0){0,2}")


def validate(data: bytes) -> None:
    """Raise SourceTooLargeError for more than a camera or an editor writes."""
    if len(data) > MAX_EXIF_BYTES:
        raise SourceTooLargeError(f"the source has {len(data)} bytes of EXIF")
    data = _PREFIX.sub(b"", data, count=1)
    if data[:4] in tiff.ORDERS and len(data) >= 16:
        tiff.validate(data, MAX_EXIF_VALUES)

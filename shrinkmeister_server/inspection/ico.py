"""The picture in an ICO. Both functions raise ERRORS for a broken file."""

import struct
from io import BytesIO

# Pillow raises these.
ERRORS = (SyntaxError, IndexError, struct.error)


def picture(data: bytes) -> bytes:
    """Return the file that Pillow decodes to open an ICO: a PNG, or a BMP without its file header.

    The file is followed by the rest of the ICO.
    """
    from PIL.IcoImagePlugin import IcoFile

    return data[IcoFile(BytesIO(data)).entry[0].offset :]


def size(data: bytes) -> tuple[int, int]:
    """Return the size of such a file. The size in the ICO's directory may be different."""
    from PIL.BmpImagePlugin import DibImageFile
    from PIL.PngImagePlugin import PngImageFile

    return (PngImageFile if data.startswith(b"\x89PNG") else DibImageFile)(BytesIO(data)).size

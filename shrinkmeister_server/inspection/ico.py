"""The picture in an ICO."""

import struct
from io import BytesIO

from shrinkmeister.exceptions import SourceInvalidError

# Pillow raises these for a broken file.
ERRORS = (SyntaxError, IndexError, struct.error)


def picture(data: bytes) -> bytes:
    """Return the file that Pillow decodes to open an ICO: a PNG, or a BMP without its file header.

    The file is followed by the rest of the ICO.
    """
    from PIL.IcoImagePlugin import IcoFile

    try:
        return data[IcoFile(BytesIO(data)).entry[0].offset :]
    except ERRORS as error:
        raise SourceInvalidError("the source is a broken ICO") from error


def size(file: BytesIO) -> tuple[int, int]:
    """Return the size of such a file. The size in the ICO's directory may be different."""
    from PIL.BmpImagePlugin import DibImageFile
    from PIL.PngImagePlugin import PngImageFile

    is_png = file.getvalue().startswith(b"\x89PNG")
    try:
        width, height = (PngImageFile if is_png else DibImageFile)(file).size
    except ERRORS as error:
        raise SourceInvalidError("the source is a broken ICO") from error
    return width, height

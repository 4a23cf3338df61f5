"""The picture in an ICO."""

import struct
from io import BytesIO

from shrinkmeister.exceptions import SourceInvalidError


def picture(data: bytes) -> bytes:
    """Return the file that Pillow takes out of an ICO and decodes to open it: a PNG, or a BMP without head.

    The bytes of what is behind it are in it too.
    """
    from PIL.IcoImagePlugin import IcoFile

    try:
        return data[IcoFile(BytesIO(data)).entry[0].offset :]
    except (SyntaxError, IndexError, struct.error) as error:
        raise SourceInvalidError("the source is a broken ICO") from error


def size(file: BytesIO) -> tuple[int, int]:
    """Return the size of such a file. The directory of the ICO has a size too, which may be any other."""
    from PIL.BmpImagePlugin import DibImageFile
    from PIL.PngImagePlugin import PngImageFile

    try:
        is_png = file.getvalue().startswith(b"\x89PNG")
        width, height = (PngImageFile if is_png else DibImageFile)(file).size
    except (SyntaxError, IndexError, struct.error) as error:
        raise SourceInvalidError("the source is a broken ICO") from error
    return width, height

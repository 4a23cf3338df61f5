"""The picture in an ICO."""

import struct
from io import BytesIO

from shrinkmeister.exceptions import SourceInvalidError


def size_of_icon(data: bytes) -> tuple[int, int]:
    """Of the picture that Pillow takes out of an ICO, and decodes to open it.

    The directory has a size too, which is what it likes.
    """
    from PIL.BmpImagePlugin import DibImageFile
    from PIL.IcoImagePlugin import IcoFile
    from PIL.PngImagePlugin import PngImageFile

    try:
        file = BytesIO(data)
        file.seek(IcoFile(file).entry[0].offset)
        is_png = data.startswith(b"\x89PNG", file.tell())
        width, height = (PngImageFile if is_png else DibImageFile)(file).size
    except (SyntaxError, IndexError, struct.error) as error:
        raise SourceInvalidError("the source is a broken ICO") from error
    return width, height

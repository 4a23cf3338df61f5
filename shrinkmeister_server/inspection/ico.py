"""The picture in an ICO."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from shrinkmeister.exceptions import SourceInvalidError


def picture(data: bytes) -> bytes:
    """Return the file that Pillow decodes to open an ICO: a PNG, or a BMP without its file header.

    The file is followed by the rest of the ICO.
    """
    from PIL.IcoImagePlugin import IcoFile

    with _errors():
        return data[IcoFile(BytesIO(data)).entry[0].offset :]


def size(file: BytesIO) -> tuple[int, int]:
    """Return the size of such a file. The size in the ICO's directory may be different."""
    from PIL.BmpImagePlugin import DibImageFile
    from PIL.PngImagePlugin import PngImageFile

    is_png = file.getvalue().startswith(b"\x89PNG")
    with _errors():
        width, height = (PngImageFile if is_png else DibImageFile)(file).size
        return width, height


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (SyntaxError, IndexError, struct.error) as error:
        raise SourceInvalidError("the source is a broken ICO") from error

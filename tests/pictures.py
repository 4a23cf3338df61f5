"""Source images for tests: small files with something in them."""

from io import BytesIO
from typing import Any

from PIL import Image

ORIENTATION = 0x0112


def picture(
    size: tuple[int, int] = (400, 300),
    format: str = "JPEG",
    mode: str = "RGB",
    orientation: int | None = None,
    **options: Any,
) -> bytes:
    """An encoded gradient, red to the right and green downwards, so that turning it shows."""
    width, height = size
    red = Image.linear_gradient("L").rotate(90).resize(size)
    green = Image.linear_gradient("L").resize(size)
    blue = Image.new("L", size, (width * 7 + height) % 256)
    image = Image.merge("RGB", (red, green, blue))
    if mode == "RGBA":
        image.putalpha(red)
    elif mode != "RGB":
        image = image.convert(mode)
    if orientation:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(data)) as image:
        return image.size

"""What Pillow leaves to its caller: errors of PNG, orientation, and more than 8 bits per channel."""

import sys
from contextlib import suppress
from typing import Any

from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from shrinkmeister_server.inspection import load_png

ORIENTATION = 0x0112  # EXIF 2.32
# TIFF 6.0. In photometric interpretation 0, white is zero. Sample format 1 is unsigned, and 2 is signed.
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
WHITE_IS_ZERO, UNSIGNED, SIGNED = 0, 1, 2
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")

TURNS: dict[int | None, Any] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_converted(image: Any) -> bool:
    """Return whether `decoded` returns another picture than Pillow."""
    return image.mode in DEEP_MODES or _avif_turn(image) is not None


def decoded(image: Any) -> Any:
    """Decode a source, and return it with 8 bits per channel. Raises Pillow's errors for a damaged one."""
    _load(image)
    if image.mode in DEEP_MODES:
        picture, dropped = _eight_bits(image), "transparency"
    elif (turn := _avif_turn(image)) is not None:
        picture, dropped = image.transpose(turn), "exif"
    else:
        return image
    picture.format = image.format
    picture.info = {key: value for key, value in image.info.items() if key != dropped}
    return picture


def orientation(image: Any) -> int | None:
    """Return the EXIF orientation by which browsers turn a source.

    sorl swallows all errors here, also those of a PNG's pixels, which EXIF may follow.
    """
    if image.format not in ("JPEG", "MPO", "PNG", "WEBP"):
        return None
    if image.format == "PNG":
        _load(image)
    # A source with broken EXIF is shown as it is. Pillow's reader raises errors of any type for it.
    with suppress(Exception):
        found = image.getexif().get(ORIENTATION)
        return found if isinstance(found, int) else None
    return None


def _load(image: Any) -> None:
    if isinstance(image, PngImagePlugin.PngImageFile):
        load_png(image)
    else:
        image.load()


def _avif_turn(image: Any) -> Any:
    """Return the turn in the boxes `irot` and `imir` of an AVIF, which libvips applies and Pillow does not.

    Pillow writes them over the orientation in the EXIF that it returns. Browsers ignore EXIF of an AVIF.
    """
    if image.format != "AVIF" or "exif" not in image.info:
        return None
    exif = Image.Exif()
    exif.load(image.info["exif"])
    return TURNS.get(exif.get(ORIENTATION))


def _eight_bits(image: Any) -> Any:
    """Return a gray picture with 8 bits. Pillow itself turns all values above 255 to white.

    The white of whole numbers is the largest one, and the white of floating-point numbers is 1.
    """
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    bits, kind = tags.get(BITS, (16,))[0], tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0]
    if image.mode == "F":
        gray = image.point(lambda value: value * 255 + 0.5).convert("L")
    elif image.mode == "I" and (bits, kind) == (32, UNSIGNED):
        # Pillow holds large numbers as negative ones. Their highest bytes are right.
        highest = image.tobytes()[3 if sys.byteorder == "little" else 0 :: 4]
        gray = Image.frombytes("L", image.size, highest)
    else:
        white = 2 ** (bits - (kind == SIGNED)) - 1
        whole = image if image.mode in ("I;16", "I") else image.convert("I")
        gray = whole.point(lambda value: value * (255 / white) + 0.5).convert("L")
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        gray = ImageOps.invert(gray)
    if isinstance(transparent := image.info.get("transparency"), int):
        # All 16 bits are compared, because other grays have the same 8 bits.
        opaque = [255 * (value != transparent) for value in range(65536)]
        gray.putalpha(image.convert("I").point(opaque, "L"))
    return gray

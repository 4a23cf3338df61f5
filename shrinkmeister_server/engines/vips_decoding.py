"""What libvips leaves to its caller: errors of TIFF, raw YCbCr, numbers of 32 bits, heights of frames."""

from typing import Any

import pyvips

from shrinkmeister_server.inspection.tiff import ORDERS, is_raw_ycbcr

# The libvips field in which this module keeps that the pixels of a source are not RGB yet.
_YCBCR = "shrinkmeister-ycbcr"
# From YCbCr to RGB: ITU-T T.871, clause 7.
_TO_RGB = [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]
# The bits of whole numbers that libvips would turn to white, without the sign.
_BITS = {"short": 15, "int": 31, "uint": 32}


def fail_on(data: bytes) -> str:
    """Return the errors at which libvips fails.

    With "truncated", a TIFF that is cut off or has an unknown compression is black. With "error", JPEGs of
    cameras that make small mistakes would be refused.
    """
    return "error" if data[:4] in ORDERS else "truncated"


def mark_ycbcr(image: Any, data: bytes) -> None:
    """Mark a TIFF whose pixels libvips does not convert from YCbCr."""
    if data[:4] in ORDERS and is_raw_ycbcr(data):
        image.set_type(pyvips.GValue.gint_type, _YCBCR, 1)


def from_ycbcr(image: Any) -> Any:
    """Return a picture in RGB."""
    if not image.get_typeof(_YCBCR):
        return image
    centred = image - [0, 128, 128]
    return (
        (centred.recomb(pyvips.Image.new_from_array(_TO_RGB)) + 0.5)
        .cast("uchar")
        .copy(interpretation="srgb")
    )


def to_eight_bits(image: Any) -> Any:
    """Scale whole numbers with signs or 32 bits and floating-point grays. libvips would not scale them."""
    if image.format in _BITS:
        scaled = image * 2.0 ** (8 - _BITS[image.format])
    elif image.format in ("float", "double") and image.interpretation == "b-w":
        scaled = image * 255 + 0.5  # the white of floating-point numbers is 1
    else:
        return image
    return scaled.cast("uchar").copy(interpretation="b-w" if image.bands < 3 else "srgb")


def one_page(image: Any) -> Any:
    """Return a picture whose metadata has its own height, not the height of the source's frames."""
    if not image.get_typeof("page-height"):
        return image
    image = image.copy()
    image.set_type(pyvips.GValue.gint_type, "page-height", image.height)
    return image

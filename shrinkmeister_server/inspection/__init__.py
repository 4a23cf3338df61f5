"""Inspect a source before it is decoded: its format, pixels, frames and parts.

Each format has a module. All of them read the bytes of the source alone.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import count, islice, repeat
from typing import Any

from shrinkmeister.exceptions import SourceFormatError, SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.inspection import avif, exif, gif, ico, jpeg, jpeg2000, png, tiff, webp
from shrinkmeister_server.inspection.limits import (
    MAX_COMMENTS,
    MAX_PARTS,
    MAX_SCANS,
    MAX_SIDE,
    MAX_WEBP_FRAMES,
)
from shrinkmeister_server.inspection.silence import silence_libraries

# Pillow's names of the allowed formats. Those that Pillow loads by default come first, and are tried first.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "AVIF", "ICO", "JPEG2000", "MPO", "TIFF", "WEBP")

# Brands with which Pillow opens a file as an AVIF.
_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")

# How a file of each format begins, and the readers of its parts and of its EXIF.
_PART_READERS: dict[bytes, Callable[[bytes], Iterator[object]]] = {
    b"\xff\xd8": jpeg.segments,
    b"\x89PNG": png.chunks,
    b"GIF8": gif.parts,
    b"RIFF": webp.chunks,
}
_EXIF_READERS = {b"\xff\xd8": jpeg.exif, b"\x89PNG": png.exif}

Size = tuple[int, int]


def validate(file: BytesIO) -> Any:
    """Return the source as an image of Pillow, with only its header read.

    Raises SourceFormatError if it is not an image of FORMATS, SourceInvalidError if it is broken, and
    SourceTooLargeError if it has too many pixels, or a decoder would go over them too often.
    """
    from PIL import Image

    data = file.getvalue()
    _validate_parts(data)
    _validate_headers(data)
    try:
        image = open_image(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceTooLargeError("the source has more pixels than Pillow opens") from error
    _validate_pixels(image.size)
    if image.format in ("JPEG", "MPO"):
        _validate_scans(data)
    if image.format == "TIFF":
        if jpeg.has_arithmetic_coding(data):
            raise SourceInvalidError("the source is a TIFF with a JPEG in arithmetic coding")
        _validate_blocks(islice(tiff.blocks(data), 1))
    # Decoders of WebP and AVIF read EXIF when they open a source.
    exif.validate(image.info.get("exif", b""))
    return image


def validate_frames(image: Any, data: bytes) -> int:
    """Return how many frames the image from `validate` has.

    Raises SourceTooLargeError for too many frames, or too many pixels in all of them.
    """
    limits = get_server_config()
    if image.format == "TIFF":
        _validate_blocks(tiff.blocks(data))
    frames = pixels = 0
    for width, height in _frames(image, data):
        frames += 1
        pixels += width * height
        if frames > limits.max_frames:
            raise SourceTooLargeError(f"the source has more than {limits.max_frames} frames")
        if pixels > limits.max_pixels:
            raise SourceTooLargeError(f"the first {frames} frames of the source have {pixels} pixels")
    return max(frames, 1)


def validate_opened(image: Any) -> None:
    """Raise SourceFormatError if one of sorl's engines has opened the source as another format."""
    from PIL import Image

    if isinstance(image, Image.Image) and image.format not in FORMATS:
        raise SourceFormatError(f"the engine has opened the source as {image.format}")


def open_image(file: BytesIO) -> Any:
    """Open a file with Pillow as one of FORMATS. Without that limit, Pillow runs Ghostscript for an EPS.

    Raises SourceFormatError, SourceInvalidError, and the errors of Pillow.
    """
    from PIL import Image, UnidentifiedImageError

    silence_libraries()
    # Few sources need all plugins, and loading them takes 30 ms.
    for load_plugins in (Image.preinit, Image.init):
        load_plugins()
        with suppress(UnidentifiedImageError):
            return Image.open(file, formats=_readable_formats())
    # Pillow's own message contains an address in memory.
    start = file.getvalue()[:16]
    accepts = [Image.OPEN[name][1] for name in _readable_formats()]
    if any(accept(start) is True for accept in accepts if accept):
        raise SourceInvalidError("the source is broken, or of a kind that Pillow does not read")
    raise SourceFormatError("the source is not an image of a known format")


def _readable_formats() -> list[str]:
    """Return the names in FORMATS that Pillow has loaded. Pillow may lack the library for some."""
    from PIL import Image

    return [name for name in FORMATS if name in Image.OPEN]


def _validate_pixels(size: Size) -> None:
    width, height = size
    if width * height > get_server_config().max_pixels or max(width, height) > MAX_SIDE:
        raise SourceTooLargeError(f"the source has {width} x {height} pixels")


def _validate_headers(data: bytes) -> None:
    """Validate what Pillow allocates or computes before it knows the size of a picture, or besides it."""
    max_pixels = get_server_config().max_pixels
    is_icon = data.startswith(b"\0\0\1\0")
    # A box of 256 bytes begins like an ICO, but Pillow tries AVIF first, and libvips opens a HEIF.
    if data[4:8] == b"ftyp" and (is_icon or data[8:12] in _AVIF_BRANDS):
        avif.validate(data, max_pixels)
    if is_icon:
        inside = ico.picture(data)
        _validate_parts(inside)
        _validate_pixels(ico.size(BytesIO(inside)))
    elif data.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")):
        jpeg2000.validate(data, max_pixels)
    elif data.startswith(b"RIFF"):
        _validate_pixels(webp.canvas(data))
        if sum(kind == b"ANMF" for kind in webp.chunks(data)) > MAX_WEBP_FRAMES:
            raise SourceTooLargeError(f"the source is a WebP of more than {MAX_WEBP_FRAMES} frames")
    elif data.startswith((b"P1", b"P2", b"P3")) and data.count(b"#") > MAX_COMMENTS:
        raise SourceTooLargeError(f"the source is a PNM of more than {MAX_COMMENTS} comments")


def _validate_scans(data: bytes) -> None:
    if jpeg.scan_count(data) > MAX_SCANS:
        raise SourceTooLargeError(f"the source is a JPEG of more than {MAX_SCANS} scans")


def _validate_blocks(blocks: Iterator[int]) -> None:
    """Validate a TIFF's tiles, which may be larger than its picture. A pixel has at most 8 bytes."""
    if any(size > 8 * get_server_config().max_pixels for size in blocks):
        raise SourceTooLargeError("the source has a tile or a strip of too many bytes")


def _validate_parts(data: bytes) -> None:
    """Validate the number of a source's parts. Parts may outnumber the source's pixels."""
    if data[:4] in tiff.ORDERS:
        return tiff.validate(data)
    for start, parts in _PART_READERS.items():
        if data.startswith(start) and next(islice(parts(data), MAX_PARTS, None), None) is not None:
            raise SourceTooLargeError(f"the source has more than {MAX_PARTS} parts")
    for start, blocks in _EXIF_READERS.items():
        if data.startswith(start):
            for block in blocks(data):
                exif.validate(block)


def _frames(image: Any, data: bytes) -> Iterator[Size]:
    if image.format == "GIF":
        yield from gif.frames(data)
    elif image.format in ("MPO", "TIFF"):
        if image.format == "MPO":
            for one in jpeg.exif_of_frames(data):
                exif.validate(one)
        with suppress(EOFError):
            for number in count():
                image.seek(number)  # reads only the header
                if image.format == "MPO":
                    _validate_scans(data[image.offset :])
                yield image.size
    else:
        yield from repeat(image.size, getattr(image, "n_frames", 1))

"""Inspect a source before it is decoded: its format, pixels, frames and parts.

Each format has a module. All of them read the bytes of the source alone.
"""

import ctypes
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from io import BytesIO
from itertools import count, islice, repeat
from typing import Any

from shrinkmeister.exceptions import SourceFormatError, SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.inspection import avif, gif, heif, ico, jpeg, jpeg2000, limits, png, tiff, webp
from shrinkmeister_server.inspection.isobmff import AVIF_BRANDS

# Pillow's names of the allowed formats. Those that Pillow loads by default come first, and are tried first.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "AVIF", "ICO", "JPEG2000", "MPO", "TIFF", "WEBP")

# The name in pillow-heif. Pillow does not open it: its own reader of AVIF would take some of these files.
HEIC = "HEIF"

# ISO/IEC 18181-2: a bare codestream, and one in boxes.
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")

# How a file of each format begins, and the readers of its parts and of its EXIF.
_READERS: dict[bytes, tuple[Callable[[bytes], Iterator[object]], Callable[[bytes], Iterator[bytes]]]] = {
    b"\xff\xd8": (jpeg.segments, jpeg.exif),
    b"\x89PNG": (png.chunks, png.exif),
    b"GIF8": (gif.parts, lambda data: iter(())),
    b"RIFF": (webp.chunks, lambda data: iter(())),
}

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
    if image.format == "PNG" and png.is_damaged(data):
        raise SourceInvalidError("the source is a PNG with a damaged chunk")
    if image.format in ("JPEG", "MPO"):
        _validate_scans(data)
    if image.format == "TIFF":
        if jpeg.has_arithmetic_coding(data):
            raise SourceInvalidError("the source is a TIFF with a JPEG in arithmetic coding")
        _validate_blocks(islice(tiff.blocks(data), 1))
    # Decoders of WebP and AVIF read EXIF when they open a source.
    tiff.validate_exif(image.info.get("exif") or b"")
    return image


def validate_frames(image: Any, data: bytes) -> int:
    """Return how many frames the image from `validate` has.

    Raises SourceTooLargeError for too many frames, or too many pixels in all of them.
    """
    config = get_server_config()
    if image.format == "TIFF":
        _validate_blocks(tiff.blocks(data))
    frames = pixels = 0
    for width, height in _frames(image, data):
        frames += 1
        pixels += width * height
        if frames > config.max_frames:
            raise SourceTooLargeError(f"the source has more than {config.max_frames} frames")
        if pixels > config.max_pixels:
            raise SourceTooLargeError(f"the first {frames} frames of the source have {pixels} pixels")
    return max(frames, 1)


def validate_opened(image: Any) -> None:
    """Validate what one of sorl's own engines has opened.

    Raises SourceFormatError if it is of another format, and Pillow's errors for a damaged PNG.
    """
    from PIL import Image

    if isinstance(image, Image.Image):
        if image.format not in (*FORMATS, HEIC):
            raise SourceFormatError(f"the engine has opened the source as {image.format}")
        if image.format == "PNG":
            load_png(image)


def load_png(image: Any) -> None:
    """Decode a PNG that Pillow has opened. Raises Pillow's errors for a damaged one.

    sorl decodes it to read its EXIF, and swallows the error. Pillow does not raise an error of the pixels a
    second time, so the missing rows would be black.
    """
    file = image.fp
    try:
        image.load()
    except ValueError:
        # Pillow refuses large texts behind the pixels, before it reports an error of the pixels.
        open_image(BytesIO(png.without_texts(file.getvalue()))).load()


def open_image(file: BytesIO) -> Any:
    """Open a file with Pillow as one of FORMATS. Without that limit, Pillow runs Ghostscript for an EPS.

    Raises SourceFormatError, SourceInvalidError, and the errors of Pillow.
    """
    from PIL import Image, UnidentifiedImageError

    silence_libraries()
    if heif.is_heic(file.getvalue()):
        return _open_heic(file)
    # Few sources need all plugins, and loading them takes 30 ms.
    for load_plugins in (Image.preinit, Image.init):
        load_plugins()
        with suppress(UnidentifiedImageError):
            return Image.open(file, formats=_readable_formats())
    start = file.getvalue()[:16]
    if start.startswith(_JPEG_XL):
        raise SourceFormatError("the source is a JPEG XL, which this server does not read")
    # Pillow's own message contains an address in memory.
    accepts = [Image.OPEN[name][1] for name in _readable_formats()]
    if any(accept(start) is True for accept in accepts if accept):
        raise SourceInvalidError("the source is broken, or of a kind that Pillow does not read")
    raise SourceFormatError("the source is not an image of a known format")


def _open_heic(file: BytesIO) -> Any:
    try:
        reader = _heic_reader()
    except ImportError as error:
        hint = "Install shrinkmeister[heif] on the server"
        raise SourceFormatError(f"the source is a HEIC, which this server does not read. {hint}") from error
    try:
        return reader(file)
    except SyntaxError as error:
        raise SourceInvalidError("the source is a broken HEIC") from error


@cache
def _heic_reader() -> Any:
    from pillow_heif import HeifImageFile

    class PrimaryPicture(HeifImageFile):
        """A HEIC as its primary picture alone. The inspection counts the pixels of no other one."""

        n_frames = 1

    return PrimaryPicture


@cache
def silence_libraries() -> None:
    """Keep libraries from writing about a source to stderr or the log, sometimes a line for each row.

    The server itself logs what is wrong with a source. A site that sets the loggers' level keeps it.
    """
    from PIL import Image

    # Python remembers each warning that it shows. DecompressionBombWarning is in another category.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    # Pillow silences libtiff's warnings, but not its errors, which libtiff writes to stderr.
    with suppress(OSError, AttributeError):
        compiled = Image.core  # type: ignore[attr-defined]  # Pillow does not export it to type checkers
        ctypes.CDLL(compiled.__file__).TIFFSetErrorHandler(None)
    for name in ("PIL", "pyvips"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)


def _readable_formats() -> list[str]:
    """Return the names in FORMATS that Pillow has loaded. Pillow may lack the library for some."""
    from PIL import Image

    return [name for name in FORMATS if name in Image.OPEN]


def _validate_pixels(size: Size) -> None:
    width, height = size
    if width * height > get_server_config().max_pixels or max(width, height) > limits.MAX_SIDE:
        raise SourceTooLargeError(f"the source has {width} x {height} pixels")


def _validate_headers(data: bytes) -> None:
    """Validate what Pillow allocates or computes before it knows the size of a picture, or besides it."""
    max_pixels = get_server_config().max_pixels
    if heif.is_heic(data):
        heif.validate(data, max_pixels)
        return
    is_icon = data.startswith(b"\0\0\1\0")
    # A box of 256 bytes begins like an ICO, but Pillow tries AVIF first, and libvips opens a HEIF.
    if data[4:8] == b"ftyp" and (is_icon or data[8:12] in AVIF_BRANDS):
        avif.validate(data, max_pixels)
    if is_icon:
        try:
            inside = ico.picture(data)
            _validate_parts(inside)
            _validate_pixels(ico.size(inside))
        except ico.ERRORS as error:
            raise SourceInvalidError("the source is a broken ICO") from error
    elif data.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")):
        jpeg2000.validate(data, max_pixels)
    elif data.startswith(b"RIFF"):
        _validate_pixels(webp.canvas(data))
        if sum(kind == b"ANMF" for kind in webp.chunks(data)) > limits.MAX_WEBP_FRAMES:
            raise SourceTooLargeError(f"the source is a WebP of more than {limits.MAX_WEBP_FRAMES} frames")
    elif data.startswith((b"P1", b"P2", b"P3")) and data.count(b"#") > limits.MAX_COMMENTS:
        raise SourceTooLargeError(f"the source is a PNM of more than {limits.MAX_COMMENTS} comments")


def _validate_scans(data: bytes) -> None:
    if jpeg.scan_count(data) > limits.MAX_SCANS:
        raise SourceTooLargeError(f"the source is a JPEG of more than {limits.MAX_SCANS} scans")


def _validate_blocks(blocks: Iterator[int]) -> None:
    """Validate a TIFF's tiles, which may be larger than its picture. A pixel has at most 8 bytes."""
    if any(size > 8 * get_server_config().max_pixels for size in blocks):
        raise SourceTooLargeError("the source has a tile or a strip of too many bytes")


def _validate_parts(data: bytes) -> None:
    """Validate the number of a source's parts. Parts may outnumber the source's pixels."""
    if data[:4] in tiff.ORDERS:
        return tiff.validate(data)
    for start, (parts, exif) in _READERS.items():
        if data.startswith(start):
            if any(islice(parts(data), limits.MAX_PARTS, None)):
                raise SourceTooLargeError(f"the source has more than {limits.MAX_PARTS} parts")
            for block in exif(data):
                tiff.validate_exif(block)


def _frames(image: Any, data: bytes) -> Iterator[Size]:
    if image.format == "GIF":
        yield from gif.frames(data)
    elif image.format in ("MPO", "TIFF"):
        if image.format == "MPO":
            for one in jpeg.exif_of_frames(data):
                tiff.validate_exif(one)
        with suppress(EOFError):
            for number in count():
                image.seek(number)  # reads only the header
                if image.format == "MPO":
                    _validate_scans(data[image.offset :])
                yield image.size
    else:
        yield from repeat(image.size, getattr(image, "n_frames", 1))

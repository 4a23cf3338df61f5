"""What a source is and how much of it there is, from its bytes, before anything of it is decoded."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
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

# What a source may be, by Pillow's names.
FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")

# Those for which Pillow opens a file as an AVIF.
_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")

Size = tuple[int, int]


def judge(file: BytesIO) -> Any:
    """The source as Pillow opens it, its header read.

    Raises SourceFormatError for what is no image of FORMATS, SourceInvalidError for one that is broken, and
    SourceTooLargeError for one that has too many pixels, or goes over them too often.
    """
    from PIL import Image

    data = file.getvalue()
    _judge_parts(data)
    _judge_headers(data)
    try:
        image = opened(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceTooLargeError("the source has more pixels than Pillow opens") from error
    _judge_pixels(image.size)
    if image.format in ("JPEG", "MPO"):
        _judge_scans(data)
    if image.format == "TIFF":
        if jpeg.has_arithmetic_coding(data):
            raise SourceInvalidError("the source is a TIFF of a JPEG with arithmetic coding")
        _judge_blocks(islice(tiff.blocks(data), 1))
    # Of WebP and AVIF; other decoders look at it to open a source.
    exif.judge(image.info.get("exif", b""))
    return image


def judge_frames(image: Any, data: bytes) -> int:
    """How many frames `judge`'s image has. Raises SourceTooLargeError for too many, or too many pixels."""
    limits = get_server_config()
    if image.format == "TIFF":
        _judge_blocks(tiff.blocks(data))
    frames = pixels = 0
    for width, height in _frames(image, data):
        frames += 1
        pixels += width * height
        if frames > limits.max_frames:
            raise SourceTooLargeError(f"the source has more than {limits.max_frames} frames")
        if pixels > limits.max_pixels:
            raise SourceTooLargeError(f"the first {frames} frames of the source have {pixels} pixels")
    return max(frames, 1)


def opened(file: BytesIO) -> Any:
    """By Pillow, as an image of FORMATS: it opens an EPS by running Ghostscript.

    Raises SourceFormatError, SourceInvalidError, and whatever Pillow does.
    """
    from PIL import Image, UnidentifiedImageError

    silence_libraries()
    # First without the plugins that few sources need, of which loading all takes 30 ms.
    for load_plugins in (Image.preinit, Image.init):
        with suppress(UnidentifiedImageError):
            return Image.open(file, formats=_formats(load_plugins))
    # Not Pillow's own sentence, which has an address in memory.
    if _looks_like_one(file.getvalue()[:16]):
        raise SourceInvalidError("the source is broken, or of a kind that Pillow does not read")
    raise SourceFormatError("the source is not an image of a known format")


def judge_opened(image: Any) -> None:
    """Raises SourceFormatError where an engine of sorl's has opened it with Pillow, as another format."""
    from PIL import Image

    if isinstance(image, Image.Image) and image.format not in FORMATS:
        raise SourceFormatError(f"the engine has opened the source as {image.format}")


def _looks_like_one(start: bytes) -> bool:
    from PIL import Image

    accepts = [Image.OPEN[name][1] for name in _formats(Image.init)]
    return any(accept(start) is True for accept in accepts if accept)


@lru_cache(maxsize=2)
def _formats(load_plugins: Callable[[], object]) -> tuple[str, ...]:
    """Those of FORMATS that this Pillow reads: some need a library that it may have been built without."""
    from PIL import Image

    load_plugins()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _judge_pixels(size: Size) -> None:
    width, height = size
    if width * height > get_server_config().max_pixels or max(width, height) > MAX_SIDE:
        raise SourceTooLargeError(f"the source has {width} x {height} pixels")


def _judge_headers(data: bytes) -> None:
    """Judge what Pillow allocates or computes before it knows the size of a picture, or beside it."""
    max_pixels = get_server_config().max_pixels
    is_icon = data.startswith(b"\0\0\1\0")
    # A box of 256 bytes begins as an ICO does: Pillow opens an AVIF before it, and libvips a HEIF instead.
    if data[4:8] == b"ftyp" and (is_icon or data[8:12] in _AVIF_BRANDS):
        avif.judge(data, max_pixels)
    if is_icon:
        inside = ico.picture(data)
        _judge_parts(inside)
        _judge_pixels(ico.size(BytesIO(inside)))
    elif data.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")):
        jpeg2000.judge(data, max_pixels)
    elif data.startswith(b"RIFF"):
        _judge_pixels(webp.canvas(data))
        if sum(kind == b"ANMF" for kind in webp.chunks(data)) > MAX_WEBP_FRAMES:
            raise SourceTooLargeError(f"the source is a WebP of more than {MAX_WEBP_FRAMES} frames")
    elif data.startswith((b"P1", b"P2", b"P3")) and data.count(b"#") > MAX_COMMENTS:
        raise SourceTooLargeError(f"the source is a PNM of more than {MAX_COMMENTS} comments")


def _judge_scans(data: bytes) -> None:
    if jpeg.scan_count(data) > MAX_SCANS:
        raise SourceTooLargeError(f"the source is a JPEG of more than {MAX_SCANS} scans")


def _judge_blocks(blocks: Iterator[int]) -> None:
    """Of a TIFF, whose tiles may be larger than its picture; a pixel has 8 bytes at most."""
    if any(size > 8 * get_server_config().max_pixels for size in blocks):
        raise SourceTooLargeError("the source has a tile or a strip of too many bytes")


def _judge_parts(data: bytes) -> None:
    """Of how many parts a source is, none of which has to have a pixel."""
    if data[:4] in tiff.ORDERS:
        return tiff.judge(data)
    if data.startswith(b"\xff\xd8"):
        parts: Iterator[object] = jpeg.segments(data)
        metadata = jpeg.exif(data)
    elif data.startswith(b"\x89PNG"):
        parts = png.chunks(data)
        metadata = png.exif(data)
    elif data.startswith(b"GIF8"):
        parts = gif.parts(data)
        metadata = iter(())
    elif data.startswith(b"RIFF"):
        parts = webp.chunks(data)
        metadata = iter(())
    else:
        return
    if next(islice(parts, MAX_PARTS, None), None) is not None:
        raise SourceTooLargeError(f"the source has more than {MAX_PARTS} parts")
    for one in metadata:
        exif.judge(one)


def _frames(image: Any, data: bytes) -> Iterator[Size]:
    if image.format == "GIF":
        yield from gif.frames(data)
    elif image.format in ("MPO", "TIFF"):
        if image.format == "MPO":
            for one in jpeg.exif_of_frames(data):
                exif.judge(one)
        with suppress(EOFError):
            for number in count():
                image.seek(number)  # reads the header alone
                if image.format == "MPO":
                    _judge_scans(data[image.offset :])
                yield image.size
    else:
        yield from repeat(image.size, getattr(image, "n_frames", 1))

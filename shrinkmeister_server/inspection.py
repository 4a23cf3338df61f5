"""What a source is and how much of it there is, from its bytes, before anything of it is decoded."""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from itertools import count, islice, repeat
from typing import Any

from shrinkmeister.exceptions import SourceFormatError, SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.conf import get_server_config

# What a source may be, by Pillow's names.
FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
# A decoder goes over all pixels for each scan of a progressive JPEG, and a scan can take 20 bytes. Encoders
# make some 10; libtiff, for a JPEG in a TIFF, has the same limit.
MAX_SCANS = 100

# libvips reads the directories of all pages of a TIFF to open its first one: a million take minutes.
MAX_PAGES = 1000

# Of which a library makes an object each, when it opens a source: segments of a JPEG, chunks of a PNG,
# strips or tiles of a TIFF. A PNG is written in chunks of some KB, and a TIFF in strips of a row at least.
MAX_PARTS = 100_000

# ISO/IEC 10918-1 (JPEG), table B.1: all but padding, stuffed bytes and restarts.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_NO_SEGMENT = (0x01, 0xD8)  # TEM, SOI
_SOF_SEQUENTIAL = (0xC0, 0xC1)
_EOI, _SOS = 0xD9, 0xDA
# ISO/IEC 15444-1 (JPEG 2000), A.5.1: SOC and SIZ with Xsiz, Ysiz, XOsiz and YOsiz.
_SIZ = re.compile(rb"\xff\x4f\xff\x51.{4}(.{16})", re.DOTALL)

# Byte order, and whether offsets have 8 bytes.
_TIFF = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
    # Pillow reads these too.
    b"MM*\0": (">", False),
    b"II\0*": ("<", False),
}

Size = tuple[int, int]


def judge(file: BytesIO) -> Any:
    """The source as Pillow opens it, its header read.

    What an AVIF decodes inside is not judged, only what its container says: libavif decodes 16,384 x 16,384
    pixels at most, whatever they are scaled to.

    Raises SourceFormatError for what is no image of FORMATS, SourceInvalidError for one that is broken, and
    SourceTooLargeError for one that has too many pixels, or goes over them too often.
    """
    from PIL import Image

    data = file.getvalue()
    _judge_parts(data)
    if data.startswith(b"\0\0\1\0"):
        _judge_pixels(_icon_size(data))
    try:
        image = opened(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceTooLargeError("the source has more pixels than Pillow opens") from error
    _judge_pixels(image.size)
    if image.format == "JPEG2000":
        for size in _codestream_sizes(data):
            _judge_pixels(size)
    if image.format in ("JPEG", "MPO") and _scans(data) > MAX_SCANS:
        raise SourceTooLargeError(f"the source is a JPEG of more than {MAX_SCANS} scans")
    if image.format == "TIFF":
        with suppress(EOFError):
            image.seek(MAX_PAGES)
            raise SourceTooLargeError(f"the source is a TIFF of more than {MAX_PAGES} pages")
    return image


def judge_frames(image: Any, data: bytes) -> int:
    """How many frames `judge`'s image has. Raises SourceTooLargeError for too many, or too many pixels."""
    limits = get_server_config()
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
    if width * height > get_server_config().max_pixels:
        raise SourceTooLargeError(f"the source has {width} x {height} pixels")


def _judge_parts(data: bytes) -> None:
    """Of how many parts a source is, none of which has to have a pixel."""
    if data.startswith(b"\xff\xd8"):
        parts: Iterator[object] = _segments(data)
    elif data.startswith(b"\x89PNG"):
        parts = _chunks(data)
    elif data[:4] in _TIFF:
        parts = _strips(data)
    else:
        return
    if next(islice(parts, MAX_PARTS, None), None) is not None:
        raise SourceTooLargeError(f"the source has more than {MAX_PARTS} parts")


def _segments(data: bytes) -> Iterator[int]:
    """Before the first scan of a JPEG; those between scans are bounded with these."""
    position = 2
    while found := _MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker in (_SOS, _EOI):
            return
        yield marker
        if marker not in _NO_SEGMENT:
            position += max(2, int.from_bytes(data[position : position + 2]))


def _chunks(data: bytes) -> Iterator[int]:
    """https://www.w3.org/TR/png/#5Chunk-layout"""
    position = 8
    while position < len(data):
        yield position
        position += 12 + int.from_bytes(data[position : position + 4])


def _strips(data: bytes) -> Iterator[int]:
    """The values of the tags of a TIFF's first directory: TIFF 6.0, section 2, and BigTIFF."""
    order, big = _TIFF[data[:4]]
    word, size = ("Q", 20) if big else ("L", 12)
    with suppress(struct.error):
        (position,) = struct.unpack_from(order + word, data, 8 if big else 4)
        (tags,) = struct.unpack_from(order + ("Q" if big else "H"), data, position)
        position += 8 if big else 2
        for entry in range(min(tags, MAX_PARTS)):
            _, kind, values = struct.unpack_from(f"{order}HH{word}", data, position + entry * size)
            # Bytes and texts are one object, whatever their length.
            yield from range(1 if kind in (1, 2, 7) else values)


def _icon_size(data: bytes) -> Size:
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


def _codestream_sizes(data: bytes) -> Iterator[Size]:
    """What a JPEG 2000 is decoded to, whatever its outer header says."""
    for found in _SIZ.finditer(data):
        right, bottom, left, top = struct.unpack(">4I", found[1])
        yield right - left, bottom - top


def _scans(data: bytes) -> int:
    """How often a JPEG goes over its pixels; not counted further than MAX_SCANS + 1."""
    scans = position = components = 0
    sequential = False
    while found := _MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker in _NO_SEGMENT:
            continue
        segment = data[position : position + 8]
        if marker == _EOI or len(segment) < 8:
            break
        if marker == _SOS:
            scans += 1
            # Then no decoder looks for another one, nor do we in all of the bytes.
            if scans > MAX_SCANS or (sequential and segment[2] == components):
                break
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            sequential, components = marker in _SOF_SEQUENTIAL, segment[7]
        position += max(2, int.from_bytes(segment[:2]))
    return scans


def _frames(image: Any, data: bytes) -> Iterator[Size]:
    if image.format == "GIF":
        yield from _gif_frames(data)
    elif image.format in ("MPO", "TIFF"):
        with suppress(EOFError):
            for number in count():
                image.seek(number)  # reads the header alone
                yield image.size
    else:
        yield from repeat(image.size, getattr(image, "n_frames", 1))


def _gif_frames(data: bytes) -> Iterator[Size]:
    """The size of the canvas at each frame; frames may reach over it, and Pillow makes it larger then.

    Pillow would tell by decoding each. https://www.w3.org/Graphics/GIF/spec-gif89a.txt
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _table(flags)
    with suppress(IndexError, struct.error):
        while (kind := data[position]) != 0x3B:
            position += 1
            if kind == 0x2C:
                left, top, across, down, flags = struct.unpack_from("<4HB", data, position)
                width, height = max(width, left + across), max(height, top + down)
                yield width, height
                position += 9 + _table(flags)
            elif kind != 0x21:
                continue
            position += 1
            while data[position]:
                position += 1 + data[position]
            position += 1


def _table(flags: int) -> int:
    """Bytes of a table of colours in a GIF."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

"""What decoding a JPEG 2000 costs, read from the headers of its codestreams: ISO/IEC 15444-1, Annex A.

The following codestream has 83 bytes. Its precincts have one pixel, and OpenJPEG allocates half a kilobyte
for each of them:

    FF4F SOC
    FF51 SIZ  Xsiz 7071, Ysiz 7071, XTsiz 7071, YTsiz 7071, Csiz 1
    FF52 COD  Scod 1 (own precincts), 1 layer, 0 levels, code blocks of 64 x 64, precincts of 2**0 x 2**0
    ...
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from shrinkmeister.exceptions import SourceInvalidError, SourceTooLargeError

# Pillow decodes gray, RGB and CMYK, each with or without transparency.
MAX_COMPONENTS = 4
# OpenJPEG copies about 10 KB of parameters for each tile. Encoders make tiles of at least 256 pixels.
MAX_TILES = 10_000
# OpenJPEG allocates about 500 bytes for each code block of a tile, and for each precinct. Encoders make
# code blocks of 64 x 64 or 32 x 32 samples, which are 150,000 for 50 megapixels of three components.
MAX_BLOCKS = 300_000
# OpenJPEG takes 100 to 300 ns for each packet and code block, even if the file has no data for it.
MAX_STEPS = 10_000_000
MAX_CHANGES = 256
# Different headers in one file. An encoder writes one SIZ, one COD, and a COC for each unusual component.
MAX_HEADERS = 1_000
# A code block with a segment for each coding pass takes 4 KB per layer in memory, and 62 bytes in the file.
MAX_SEGMENT_BYTES = 256_000_000
# For a picture of three components with 8 bits: OpenJPEG's integers, its output, and Pillow's picture.
BYTES_PER_PIXEL = 3 * (4 + 1) + 4
# Pillow reads each box to open the file.
MAX_BOXES = 1_000
# In bytes. A palette has at most 1,024 colours.
MAX_PALETTE = 32_768

# A header may begin at any byte, because a decoder skips unknown data. A match covers only the marker, so
# that no header hides in another one. Compressed data looks like a header at most once in 10**11 bytes.
_SIZ = re.compile(rb"\xff\x51(?=(.{38}))", re.DOTALL)
_COD = re.compile(
    rb"\xff\x52(?=\0[\x0c-\x2d]([\0-\x07]).(..)[\0\x01]([\0-\x20][\0-\x08]{2}.[\0\x01].{33}))",
    re.DOTALL,
)
_COC = re.compile(rb"\xff\x53(?=\0[\x09-\x2a][\0-\x03](.)([\0-\x20][\0-\x08]{2}.[\0\x01].{33}))", re.DOTALL)
_POC = re.compile(rb"\xff\x5f\0[\x09-\xe2][\0-\x20][\0-\x03]")
_BYPASS, _TERMALL = 0x01, 0x04

# The bits of a sample, and the distances between samples, of each component.
Components = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class SizeSegment:
    """The marker segment SIZ, A.5.1, with its fields in order. Positions are on the reference grid."""

    right: int
    bottom: int
    left: int
    top: int
    tile_width: int
    tile_height: int
    tile_left: int
    tile_top: int
    components: Components

    def is_valid(self) -> bool:
        return (
            self.left < self.right
            and self.top < self.bottom
            and self.tile_left <= self.left < self.tile_left + self.tile_width
            and self.tile_top <= self.top < self.tile_top + self.tile_height
            and all(x and y for _, x, y in self.components)
        )


@dataclass(frozen=True)
class StyleSegment:
    """A marker segment COD or COC, which describes how components are coded: A.6.1.

    Sizes are exponents of 2.
    """

    layers: int
    levels: int
    block_width: int
    block_height: int
    modes: int
    precincts: tuple[tuple[int, int], ...]

    def blocks(self, width: int, height: int) -> int:
        """Return the largest possible number of code blocks in a tile's component."""
        number = 0
        for resolution, (across, down) in enumerate(self.precincts):
            # Each resolution except the lowest has three subbands of half its size: B.5 to B.7.
            level = self.levels + 1 - max(1, resolution)
            bands = 3 if resolution else 1
            x = min(self.block_width, across - (bands == 3))
            y = min(self.block_height, down - (bands == 3))
            number += bands * _cells(width, level + x) * _cells(height, level + y)
        return number


def validate(data: bytes, max_pixels: int) -> None:
    """Raise an error for a JPEG 2000 that must not be decoded.

    Raises SourceTooLargeError if decoding takes more memory or time than a picture of `max_pixels` should,
    and SourceInvalidError if Pillow does not decode it.
    """
    _validate_boxes(data)
    sizes, styles = list(islice(_sizes(data), MAX_TILES)), list(islice(_styles(data), MAX_TILES))
    if not sizes:
        raise SourceInvalidError("the source is a JPEG 2000 without a size")
    too_many = MAX_TILES in (len(sizes), len(styles))
    if too_many or len(set(sizes)) * len(set(styles)) > MAX_HEADERS:
        raise SourceTooLargeError(f"the source is a JPEG 2000 of more than {MAX_HEADERS} headers")
    for size in set(sizes):
        width, height = size.right - size.left, size.bottom - size.top
        if width * height > max_pixels:
            raise SourceTooLargeError(f"the source has {width} x {height} pixels")
        if len(size.components) > MAX_COMPONENTS:
            raise SourceInvalidError(f"the source is a JPEG 2000 of more than {MAX_COMPONENTS} components")
        tiles = _divided(size.right - size.tile_left, size.tile_width)
        tiles *= _divided(size.bottom - size.tile_top, size.tile_height)
        if tiles > MAX_TILES:
            raise SourceTooLargeError(f"the source is a JPEG 2000 of {tiles} tiles")
        # Decoding holds the picture, and the samples of one tile, at once.
        across, down = min(width, size.tile_width), min(height, size.tile_height)
        held = 4 * width * height
        for bits, x, y in size.components:
            held += 4 * _divided(across, x) * _divided(down, y)
            # Pillow's buffer holds each component without subsampling.
            held += across * down * (1 if bits <= 8 else 2 if bits <= 16 else 4)
        if held > BYTES_PER_PIXEL * max_pixels:
            raise SourceTooLargeError(f"the samples of the source take {held} bytes")
        if styles:
            _validate_styles(size.components, across, down, tiles, set(styles), data)


def _validate_styles(
    components: Components, width: int, height: int, tiles: int, styles: set[StyleSegment], data: bytes
) -> None:
    """Raise SourceTooLargeError if decoding tiles of a size takes too many steps or segments.

    Each tile-part may have its own styles, so the worst one counts for each component.
    """
    blocks = 0
    for _, x, y in components:
        across, down = _divided(width, x), _divided(height, y)
        blocks += max(style.blocks(across, down) for style in styles)
    if blocks > MAX_BLOCKS:
        raise SourceTooLargeError(f"the source is a JPEG 2000 of {blocks} code blocks in a tile")
    layers = max(style.layers for style in styles)
    # An order by position uses the smallest precinct in each direction as its step: B.12.1.3 to B.12.1.5.
    levels = [
        (style.levels - number, one) for style in styles for number, one in enumerate(style.precincts)
    ]
    step_x = min(x for _, x, _ in components) << min(level + across for level, (across, _) in levels)
    step_y = min(y for _, _, y in components) << min(level + down for level, (_, down) in levels)
    positions = (width // step_x + 2) * (height // step_y + 2)
    resolutions = max(len(style.precincts) for style in styles)
    packets = positions * len(components) * resolutions * layers
    # Each of 32 changes of the order may go over everything, and over 255 resolutions instead of 33.
    packets *= MAX_CHANGES if _POC.search(data) else 1
    if (steps := (packets + blocks) * tiles) > MAX_STEPS:
        raise SourceTooLargeError(f"the source is a JPEG 2000 that is decoded in {steps} steps")
    if any(style.modes & (_BYPASS | _TERMALL) for style in styles):
        segments = min(len(data) * 64, blocks * layers * 4_000)
        if segments > MAX_SEGMENT_BYTES:
            raise SourceTooLargeError("the source is a JPEG 2000 of too many segments")


def _sizes(data: bytes) -> Iterator[SizeSegment]:
    for found in _SIZ.finditer(data):
        length, _, *grid, components = struct.unpack(">HH8IH", found[1])
        # If this is not a SIZ, the data may end before the components do.
        samples = data[found.start() + 40 : found.start() + 40 + 3 * components]
        if length == 38 + len(samples) == 38 + 3 * components:
            described = zip(samples[::3], samples[1::3], samples[2::3], strict=True)
            grid.append(tuple(((bits & 0x7F) + 1, x, y) for bits, x, y in described))
            size = SizeSegment(*grid)
            if size.is_valid():
                yield size


def _styles(data: bytes) -> Iterator[StyleSegment]:
    # The patterns need 33 precincts, even if the file ends before.
    data += bytes(33)
    for found in _COD.finditer(data):
        yield _style(found[1][0], int.from_bytes(found[2]), found[3])
    for found in _COC.finditer(data):
        yield _style(found[1][0], 1, found[2])


def _style(flags: int, layers: int, parameters: bytes) -> StyleSegment:
    levels, block_width, block_height, modes = parameters[:4]
    sizes = parameters[5 : 6 + levels] if flags & 1 else b"\xff" * (levels + 1)
    precincts = tuple((one & 15, one >> 4) for one in sizes)
    return StyleSegment(layers, levels, block_width + 2, block_height + 2, modes, precincts)


def _validate_boxes(data: bytes) -> None:
    """Raise SourceTooLargeError for boxes that Pillow would read without a look at the time: Annex I."""
    boxes = [(0, len(data))] if data.startswith(b"\0\0\0\x0cjP  ") else []
    number = 0
    while boxes:
        position, end = boxes.pop()
        while position + 8 <= end:
            number += 1
            if number > MAX_BOXES:
                raise SourceTooLargeError(f"the source is a JPEG 2000 of more than {MAX_BOXES} boxes")
            length, kind = struct.unpack_from(">I4s", data, position)
            start = 8
            if length == 1:
                length, start = int.from_bytes(data[position + 8 : position + 16]), 16
            if kind == b"jp2c" or length < start:
                break  # where Pillow stops too
            after = min(position + length, end)
            if kind in (b"jp2h", b"res "):
                boxes.append((position + start, after))
            if kind == b"pclr" and length > MAX_PALETTE:
                raise SourceTooLargeError(f"the source is a JPEG 2000 with a palette of {length} bytes")
            position = after


def _divided(number: int, by: int) -> int:
    return -(-number // by)  # rounded up


def _cells(length: int, exponent: int) -> int:
    """Return how many cells of 2**exponent a length touches at most, depending on where it begins."""
    return ((length - 2) >> exponent) + 2 if length > 1 else 1

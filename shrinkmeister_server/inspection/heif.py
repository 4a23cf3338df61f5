"""Compute from the boxes and HEVC bitstreams of a HEIC how much a decoder has to do.

The primary picture is one bitstream, or a grid or a pile of other pictures, each of which may be used many
times. Pictures of transparency and previews belong to others.
"""

from shrinkmeister.exceptions import SourceFormatError, SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.inspection import hevc
from shrinkmeister_server.inspection.av1 import Bits, Size
from shrinkmeister_server.inspection.isobmff import BoxReader, Group

# The brands of files with HEVC. Files of the others may contain pictures of any codec.
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_GENERAL_BRANDS = (b"mif1", b"msf1")
# A decoder may fill so many times the pixels of the largest source. In a real file, these are tiles, the
# canvas that they fill, transparency, and a preview, a gain map and depth, which are smaller.
WORK = 4
# Slices after the first one may each have all pixels of a picture. In a real file they share them.
_MIN_SLICES = 16
# In a real file, a picture consists of tiles, and is turned.
_MAX_LEVELS = 8
# Attached to a picture, and decoded with it or instead of it.
_ATTACHED = (b"auxl", b"thmb")


def is_heic(data: bytes) -> bool:
    """Return whether a file is a HEIC, or another HEIF with pictures of HEVC and none of AV1."""
    if data[4:8] != b"ftyp" or data[8:12] not in _GENERAL_BRANDS:
        return data[4:8] == b"ftyp" and data[8:12] in _BRANDS
    try:
        kinds = {kind for group in BoxReader(data).groups for kind in group.types.values()}
    except (IndexError, SourceTooLargeError):
        return False
    return b"hvc1" in kinds and b"av01" not in kinds


def validate(data: bytes, max_pixels: int) -> None:
    """Raise an error for a HEIC that must not be decoded.

    Raises SourceTooLargeError for too many pixels in one picture or in all that the decoder decodes,
    SourceFormatError for a film, and SourceInvalidError if a decoder would fail.
    """
    try:
        boxes = BoxReader(data)
        if b"moov" in boxes.top:
            raise SourceFormatError("the source is a film or an animation of HEVC")
        groups = [group for group in boxes.groups if group.primary]
        if len(groups) != 1:
            raise IndexError("not exactly one primary picture")
        _Inspection(data, boxes, groups[0], max_pixels).validate()
    except IndexError as error:
        raise SourceInvalidError("the source is a broken HEIC") from error


class _Inspection:
    def __init__(self, data: bytes, boxes: BoxReader, group: Group, max_pixels: int) -> None:
        self.data, self.boxes, self.group, self.max_pixels = data, boxes, group, max_pixels
        # Pixels that are decoded for an item, or None while they are being counted.
        self.work: dict[int, float | None] = {}
        self.attached: dict[int, list[int]] = {}
        for kind in _ATTACHED:
            for item, others in group.references.get(kind, []):
                for other in others:
                    self.attached.setdefault(other, []).append(item)
        self.parts: dict[int, list[int]] = {}
        for item, others in group.references.get(b"dimg", []):
            self.parts.setdefault(item, []).extend(others)

    def validate(self) -> None:
        self._pixels(self.group.primary, _MAX_LEVELS)

    def _pixels(self, item: int, levels: int) -> float:
        """Return how many pixels are decoded for an item, its parts, and what is attached to it."""
        if item in self.work:
            pixels = self.work[item]
            if pixels is None:
                raise IndexError("a picture that contains itself")
            return pixels
        if not levels:
            raise IndexError("too many pictures in pictures")
        self.work[item] = None
        pixels = self._own_pixels(item)
        for other in (*self.parts.get(item, []), *self.attached.get(item, [])):
            self.boxes.count()
            pixels += self._pixels(other, levels - 1)
            self._limit(pixels, WORK)
        self.work[item] = pixels
        return pixels

    def _own_pixels(self, item: int) -> float:
        kind = self.group.types.get(item)
        sizes = [self.group.properties[i - 1] for i in self.group.associations.get(item, []) if i]
        times = 1.0
        if kind == b"hvc1":
            inner, times = self._bitstream(item)
            sizes += inner
        elif kind in (b"grid", b"iovl"):
            sizes.append(self._canvas(kind, self._bytes(item)))
        elif kind != b"iden":
            raise SourceFormatError("the source is a HEIF with pictures of another codec than HEVC")
        largest = max((width * height for width, height in sizes), default=0)
        self._limit(largest, 1)
        # A decoder also fills the canvas of a grid or a pile, each time that another picture uses it.
        self._limit(largest * times, WORK)
        return largest * times

    def _bitstream(self, item: int) -> tuple[list[Size], float]:
        """Return all sizes that a bitstream names, and how many pictures it has."""
        indices = self.group.associations.get(item, [])
        found = [self.group.configurations[i] for i in indices if i in self.group.configurations]
        if len(found) != 1:
            raise IndexError("not exactly one configuration")
        start, end = found[0]
        length_size, parameters = hevc.configuration(self.data[start:end])
        sizes, pictures = [hevc.picture_size(unit) for unit in parameters], 0.0
        for kind, unit in hevc.units(self._bytes(item), length_size):
            self.boxes.count()
            if hevc.is_slice(kind):
                # The first bit of a slice says whether it begins a picture.
                pictures += 1 if unit[2:3] >= b"\x80" else 1 / _MIN_SLICES
            sizes.append(hevc.picture_size(unit))
        return [size for size in sizes if size], pictures

    def _bytes(self, item: int) -> bytes:
        start = self.group.idat if item in self.group.in_idat else 0
        return self.boxes.read(self.group.places.get(item, ()), start)

    def _canvas(self, kind: bytes, content: bytes) -> Size:
        """Return the size of a grid or a pile: ISO/IEC 23008-12, sections 6.6.2.3 and 6.6.2.2."""
        bits = Bits(content, 0, len(content))
        bits(8)
        width = 32 if bits(8) & 1 else 16
        # A grid has its rows and columns here, and a pile the colour of its background.
        bits(16 if kind == b"grid" else 64)
        return bits(width), bits(width)

    def _limit(self, pixels: float, times: int) -> None:
        if pixels > times * self.max_pixels:
            raise SourceTooLargeError(f"the pictures in the source have {pixels:.0f} pixels")

"""Compute from the boxes and AV1 bitstreams of an AVIF how much memory it takes to decode.

    meta    iinf: item 1 is "av01", iloc: it is at 300 in the file, iprp: ispe is 100 x 100, ipma: of item 1
    mdat    12 00 0A 0A (a sequence header: 16384 x 16384) 32 ... (a frame)

A decoder of this file allocates memory for 16384 x 16384 pixels, and then for 100 x 100.
"""

from collections.abc import Iterable, Iterator

from shrinkmeister.exceptions import SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.inspection import av1
from shrinkmeister_server.inspection.av1 import Size
from shrinkmeister_server.inspection.isobmff import BoxReader, Group
from shrinkmeister_server.inspection.tiff import validate_exif

# A decoder may hold this many bytes for each pixel, which is enough for 12 bits per colour and for alpha.
# With fewer bits, it may also hold a gain map and the grid that the pictures fill.
BYTES_PER_PIXEL = 8
# An AV1 decoder keeps this many frames: 8 references, and the frame that it decodes.
MAX_KEPT = 9


def validate(data: bytes, max_pixels: int) -> None:
    """Raise an error for an AVIF that must not be decoded.

    Raises SourceTooLargeError if decoding holds more than `max_pixels` pixels at once, and
    SourceInvalidError if a decoder would fail.
    """
    try:
        _Inspection(data, max_pixels).validate()
    except IndexError as error:
        raise SourceInvalidError("the source is a broken AVIF") from error


class _Inspection:
    def __init__(self, data: bytes, max_pixels: int) -> None:
        self.data = data
        self.max_pixels = max_pixels
        self.boxes = BoxReader(data)
        self.bytes, self.largest = 0.0, 1.0

    def validate(self) -> None:
        derived: list[Size] = []
        for group in self.boxes.groups:
            derived += self._validate_items(group)
            self._validate_samples(group)
        # A derived picture has as many bytes per pixel as the pictures that it consists of.
        for size in derived:
            self._add(size, self.largest)

    def _add(self, size: Size, pixel: float, times: int = 1) -> None:
        if _area(size) > self.max_pixels:
            raise SourceTooLargeError(f"a picture in the source has {size[0]} x {size[1]} pixels")
        self.bytes += _area(size) * pixel * times
        if self.bytes > BYTES_PER_PIXEL * self.max_pixels:
            raise SourceTooLargeError("the pictures in the source take too much memory in all")

    def _validate_items(self, group: Group) -> Iterator[Size]:
        """Add the pictures of all items, and yield the sizes of items that consist of other pictures.

        Raises SourceTooLargeError for too many bytes or pixels, and validates EXIF.
        """
        known: dict[object, list[tuple[Size, float]]] = {}
        for item, extents in group.places.items():
            sizes = [group.properties[i - 1] for i in group.associations.get(item, []) if i]
            largest = max(sizes, key=_area, default=(0, 0))
            kind, in_idat = group.types.get(item), item in group.in_idat
            if (key := (kind, in_idat, extents)) not in known:
                # A decoder copies the parts of an item.
                data = self.boxes.read(extents, group.idat if in_idat else 0)
                if kind == b"Exif":
                    validate_exif(data[4:])  # the offset of the header has 4 bytes
                known[key] = list(self._frames([data])) if kind == b"av01" else []
            for size, pixel in known[key]:
                self._add(max(size, largest, key=_area), pixel)
            if not known[key] and kind != b"tmap":  # no decoder applies a gain map
                yield largest

    def _frames(self, parts: Iterable[bytes]) -> Iterator[tuple[Size, float]]:
        """Yield the size of each frame of a bitstream, and its bytes per pixel."""
        sequence = None
        for data in parts:
            for _ in av1.units(data):
                self.boxes.count()
            for found in av1.frames(data, sequence):
                sequence, size = found
                self.largest = max(self.largest, sequence.bytes_per_pixel)
                yield size, sequence.bytes_per_pixel

    def _validate_samples(self, group: Group) -> None:
        """Add the largest frame once for each frame that a decoder keeps."""
        found = list(self._frames(self._samples(group)))
        largest = max([group.size, *(size for size, _ in found)], key=_area)
        self._add(largest, max((pixel for _, pixel in found), default=0), min(len(found), MAX_KEPT))

    def _samples(self, group: Group) -> Iterator[bytes]:
        sizes = iter(group.sample_sizes)
        runs = iter([*group.runs, (1 << 32, 0)])
        in_chunk, (following, samples) = 0, next(runs)
        for number, start in enumerate(group.chunks, 1):
            while number >= following:
                in_chunk = samples
                following, samples = next(runs)
            self.boxes.count(in_chunk)
            for _ in range(in_chunk):
                length = next(sizes, 0)
                yield self.data[start : start + length]
                start += length


def _area(size: Size) -> int:
    return size[0] * size[1]

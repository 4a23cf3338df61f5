"""What decoding an AVIF costs: its pictures, by its boxes and by the AV1 bitstreams inside.

    meta    iinf: item 1 is "av01", iloc: it is at 300 in the file, iprp: ispe is 100 x 100, ipma: of item 1
    mdat    12 00 0A 0A (a sequence header: 16384 x 16384) 32 ... (a frame)

A decoder allocates memory for the sequence header's size, and then for the container's.
"""

from collections.abc import Iterable, Iterator

from shrinkmeister.exceptions import SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.inspection import av1
from shrinkmeister_server.inspection.av1 import Size
from shrinkmeister_server.inspection.isobmff import BoxReader, Group
from shrinkmeister_server.inspection.tiff import validate_exif

# Decoding may hold so many for each pixel: 12 bits of all colours and of transparency. With fewer bits, it
# may also hold a gain map and the grid that the pictures fill.
BYTES_PER_PIXEL = 8
# Frames that an AV1 decoder keeps: 8 references, and the one that it decodes.
MAX_KEPT = 9
# Bytes by which all items may exceed the file. In real files, only small items overlap.
MAX_SHARED = 1_000_000


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
        self.read = 0
        self.bytes, self.largest = 0.0, 1.0

    def validate(self) -> None:
        derived: list[Size] = []
        for group in self.boxes.groups:
            derived += self._validate_items(group)
            self._validate_samples(group)
        # Their planes are those of the pictures that they consist of.
        for size in derived:
            self._add(size, self.largest)

    def _add(self, size: Size, pixel: float, times: int = 1) -> None:
        if _area(size) > self.max_pixels:
            raise SourceTooLargeError(f"a picture in the source has {size[0]} x {size[1]} pixels")
        self.bytes += _area(size) * pixel * times
        if self.bytes > BYTES_PER_PIXEL * self.max_pixels:
            raise SourceTooLargeError("the pictures in the source are too large together")

    def _validate_items(self, group: Group) -> Iterator[Size]:
        """Yield the sizes of items that consist of other pictures."""
        known: dict[object, list[tuple[Size, float]]] = {}
        for item, extents in group.places.items():
            sizes = [group.properties[i - 1] for i in group.associations.get(item, []) if i]
            largest = max(sizes, key=_area, default=(0, 0))
            kind, in_idat = group.types.get(item), item in group.in_idat
            if (key := (kind, in_idat, extents)) not in known:
                self.read += sum(length for _, length in extents)
                if self.read > 2 * len(self.data) + MAX_SHARED:
                    # A decoder copies each item that is in several places.
                    raise SourceTooLargeError("the items of the source have more bytes than the source")
                start = group.idat if in_idat else 0
                data = b"".join(self.data[start + at : start + at + length] for at, length in extents)
                if kind == b"Exif":
                    validate_exif(data[4:])  # after the offset of its header
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
        """Add the largest frame as often as a decoder keeps one."""
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

"""What decoding an AVIF needs: its boxes (ISO/IEC 14496-12, 23008-12) and the AV1 inside.

    ftyp
    meta    iinf: item 1 is "av01", iloc: where its bytes are, iprp: ispe is 100 x 100, ipma: of item 1
    mdat    12 00 0A 0A (a sequence header: 16384 x 16384) 32 ... (a frame)

A decoder allocates for what the sequence header says, and then for what the container says.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from shrinkmeister.exceptions import SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.inspection import av1, exif
from shrinkmeister_server.inspection.limits import MAX_PARTS

# What decoding holds for each pixel: 12 bits of all colors and of transparency, or with less of them also a
# gain map and the grid that the pictures fill.
BYTES_PER_PIXEL = 8
# Frames that an AV1 decoder keeps: 8 references, and the one that it decodes.
MAX_KEPT = 9

# The deepest box of a real file is in moov, trak, mdia, minf and stbl.
MAX_DEPTH = 10
# Bytes of items that are read: items of no other file have parts in common, but for some small ones.
MAX_SHARED = 1_000_000

# Kind -> where the boxes in it begin.
_CONTAINERS = {
    b"meta": 4, b"iprp": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0
}  # fmt: skip

Box = tuple[bytes, int, int]
Size = tuple[int, int]


@dataclass
class Reader:
    """Reads numbers one after the other. Raises IndexError after the end."""

    data: bytes
    position: int
    end: int

    def __call__(self, size: int) -> int:
        start, self.position = self.position, self.position + size
        if self.position > self.end:
            raise IndexError("a box that ends too early")
        return int.from_bytes(self.data[start : self.position])


@dataclass
class Group:
    """A box `meta` or `trak`, with what it says of items or of samples."""

    types: dict[int, bytes] = field(default_factory=dict)
    # Item -> ((offset, length), ...), in the file or in the box `idat`.
    places: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    in_idat: set[int] = field(default_factory=set)
    properties: list[Size] = field(default_factory=list)
    associations: dict[int, list[int]] = field(default_factory=dict)
    idat: int = 0
    size: Size = (0, 0)
    seen: set[bytes] = field(default_factory=set)
    sample_sizes: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)


class Inspection:
    """Of one file. Nothing in it can make it look at more than MAX_PARTS parts."""

    def __init__(self, data: bytes, max_pixels: int) -> None:
        self.data = data
        self.max_pixels = max_pixels
        self.parts = self.read = 0
        self.bytes, self.largest = 0.0, 1.0

    def judge(self) -> None:
        groups: list[Group] = []
        self._read(0, len(self.data), Group(), groups, 0)
        others: list[Size] = []
        for group in groups:
            others += self._judge_items(group)
            self._judge_samples(group)
        # What is made of pictures has their planes.
        for size in others:
            self._add(size, self.largest)

    def count(self, parts: int = 1) -> None:
        self.parts += parts
        if self.parts > MAX_PARTS:
            raise SourceTooLargeError(f"the source is an AVIF of more than {MAX_PARTS} parts")

    def _add(self, size: Size, pixel: float, times: int = 1) -> None:
        if _area(size) > self.max_pixels:
            raise SourceTooLargeError(f"a picture in the source has {size[0]} x {size[1]} pixels")
        self.bytes += _area(size) * pixel * times
        if self.bytes > BYTES_PER_PIXEL * self.max_pixels:
            raise SourceTooLargeError("the pictures in the source are too large together")

    def _read(self, start: int, end: int, group: Group, groups: list[Group], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise IndexError("boxes in boxes")
        for kind, first, last in self._boxes(start, end, top=depth == 0):
            if kind in _CONTAINERS:
                inner = group
                if kind in (b"meta", b"trak"):
                    inner = Group()
                    groups.append(inner)
                self._read(first + _CONTAINERS[kind], last, inner, groups, depth + 1)
                continue
            if kind in group.seen and kind in _ONCE:
                raise IndexError("a box that comes twice, of which a decoder may take the other one")
            group.seen.add(kind)
            if kind == b"ipco":
                group.properties = self._properties(first, last)
            elif kind == b"idat":
                group.idat = first
            elif handler := _HANDLERS.get(kind):
                handler(self, Reader(self.data, first, last), group)

    def _boxes(self, start: int, end: int, top: bool = False) -> Iterator[Box]:
        while start < end:
            self.count()
            if start + 8 > end:
                if top:
                    return  # a decoder has stopped before that, or fails there
                raise IndexError("a box that ends too early")
            size, kind = int.from_bytes(self.data[start : start + 4]), self.data[start + 4 : start + 8]
            first = start + 8
            if size == 1:
                first += 8
                size = int.from_bytes(self.data[start + 8 : first])
            elif size == 0 and top:
                size = end - start
            if start + size > end or start + size < first:
                if top:
                    return
                raise IndexError("a box that does not end with the one around it")
            yield kind, first, start + size
            start += size

    def _properties(self, first: int, last: int) -> list[Size]:
        """Sizes; another property has none."""
        return [
            (
                int.from_bytes(self.data[start + 4 : start + 8]),
                int.from_bytes(self.data[start + 8 : start + 12]),
            )
            if kind == b"ispe"
            else (0, 0)
            for kind, start, _ in self._boxes(first, last)
        ]

    def _item_types(self, reader: Reader, group: Group) -> None:
        version = reader(4) >> 24
        reader(2 if version == 0 else 4)
        for _, first, last in self._boxes(reader.position, reader.end):
            entry = Reader(self.data, first, last)
            version = entry(4) >> 24
            item = entry(4 if version == 3 else 2)
            entry(2)
            kind = entry(4).to_bytes(4)
            if group.types.setdefault(item, kind) != kind:
                raise IndexError("an item of two types")

    def _item_places(self, reader: Reader, group: Group) -> None:
        version = reader(4) >> 24
        sizes = reader(2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version else 0
        for _ in range(reader(4 if version == 2 else 2)):
            self.count()
            item = reader(4 if version == 2 else 2)
            method = reader(2) & 15 if version else 0
            if method > 1:
                raise IndexError("an item that is made of other items")
            reader(2)
            base, extents = reader(base_size), []
            for _ in range(reader(2)):
                self.count()
                reader(index_size)
                extents.append((base + reader(offset_size), reader(length_size)))
            if item in group.places:
                raise IndexError("an item in two places")
            group.places[item] = tuple(extents)
            if method:
                group.in_idat.add(item)

    def _item_properties(self, reader: Reader, group: Group) -> None:
        head = reader(4)
        version, long = head >> 24, head & 1
        for _ in range(reader(4)):
            self.count()
            item = reader(4 if version else 2)
            number = reader(1)
            self.count(number)
            indices = [reader(2) & 0x7FFF if long else reader(1) & 0x7F for _ in range(number)]
            group.associations.setdefault(item, []).extend(indices)

    def _track_size(self, reader: Reader, group: Group) -> None:
        reader.position = reader.end - 8
        group.size = (reader(4) >> 16, reader(4) >> 16)

    def _sample_sizes(self, reader: Reader, group: Group) -> None:
        reader(4)
        size, number = reader(4), reader(4)
        self.count(number)
        group.sample_sizes = [size or reader(4) for _ in range(number)]

    def _chunks(self, reader: Reader, group: Group, width: int = 4) -> None:
        reader(4)
        number = reader(4)
        self.count(number)
        group.chunks = [reader(width) for _ in range(number)]

    def _large_chunks(self, reader: Reader, group: Group) -> None:
        self._chunks(reader, group, 8)

    def _runs(self, reader: Reader, group: Group) -> None:
        reader(4)
        number = reader(4)
        self.count(number)
        for _ in range(number):
            run = (reader(4), reader(4))
            if group.runs and run[0] <= group.runs[-1][0]:
                raise IndexError("runs of chunks that are not in their order")
            group.runs.append(run)
            reader(4)

    def _judge_items(self, group: Group) -> Iterator[Size]:
        """Yields the sizes of items that are no pictures of their own."""
        known: dict[object, list[tuple[Size, float]]] = {}
        for item, extents in group.places.items():
            sizes = [group.properties[i - 1] for i in group.associations.get(item, []) if i]
            largest = max(sizes, key=_area, default=(0, 0))
            kind, in_idat = group.types.get(item), item in group.in_idat
            if (key := (kind, in_idat, extents)) not in known:
                self.read += sum(length for _, length in extents)
                if self.read > 2 * len(self.data) + MAX_SHARED:
                    # A decoder copies each item that is in more than one place.
                    raise SourceTooLargeError("the items of the source have more bytes than the source")
                start = group.idat if in_idat else 0
                data = b"".join(self.data[start + at : start + at + length] for at, length in extents)
                if kind == b"Exif":
                    exif.judge(data[4:])  # behind the place of its header
                known[key] = list(self._frames([data])) if kind == b"av01" else []
            for size, pixel in known[key]:
                self._add(max(size, largest, key=_area), pixel)
            if not known[key] and group.types.get(item) != b"tmap":  # a gain map is not applied
                yield largest

    def _frames(self, parts: Iterable[bytes]) -> Iterator[tuple[Size, float]]:
        """Of one bitstream: the size of each, and its bytes for a pixel."""
        sequence = None
        for data in parts:
            for _ in av1.units(data):
                self.count()
            for found in av1.frames(data, sequence):
                sequence, size = found
                self.largest = max(self.largest, sequence.bytes)
                yield size, sequence.bytes

    def _judge_samples(self, group: Group) -> None:
        """The largest frame counts as often as a decoder keeps one."""
        found = list(self._frames(self.data[at : at + length] for at, length in self._samples(group)))
        largest = max([group.size, *(size for size, _ in found)], key=_area)
        self._add(largest, max((pixel for _, pixel in found), default=0), min(len(found), MAX_KEPT))

    def _samples(self, group: Group) -> Iterator[tuple[int, int]]:
        sizes = iter(group.sample_sizes)
        runs = iter([*group.runs, (1 << 32, 0)])
        in_chunk, (following, samples) = 0, next(runs)
        for number, start in enumerate(group.chunks, 1):
            while number >= following:
                in_chunk = samples
                following, samples = next(runs)
            self.count(in_chunk)
            for _ in range(in_chunk):
                length = next(sizes, 0)
                yield start, length
                start += length


_HANDLERS = {
    b"iinf": Inspection._item_types,
    b"iloc": Inspection._item_places,
    b"ipma": Inspection._item_properties,
    b"tkhd": Inspection._track_size,
    b"stsz": Inspection._sample_sizes,
    b"stco": Inspection._chunks,
    b"co64": Inspection._large_chunks,
    b"stsc": Inspection._runs,
}
_ONCE = {b"idat", b"ipco", *_HANDLERS} - {b"ipma"}


def judge(data: bytes, max_pixels: int) -> None:
    """Raises SourceTooLargeError for what decodes to more pixels than `max_pixels` at once, and
    SourceInvalidError for what a decoder fails for.
    """
    try:
        Inspection(data, max_pixels).judge()
    except IndexError as error:
        raise SourceInvalidError("the source is a broken AVIF") from error


def _area(size: Size) -> int:
    return size[0] * size[1]

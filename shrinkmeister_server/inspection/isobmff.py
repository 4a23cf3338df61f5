"""The boxes of an AVIF, as far as they describe pictures: ISO/IEC 14496-12 and 23008-12.

    ftyp
    meta    iinf: item 1 is "av01", iloc: where its bytes are, iprp: ispe is 100 x 100, ipma: of item 1
    mdat    the bytes of the items

All readers raise IndexError for a box that is broken or ambiguous.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from shrinkmeister.exceptions import SourceTooLargeError
from shrinkmeister_server.inspection.limits import MAX_PARTS

# In a real file, the deepest box is inside moov, trak, mdia, minf and stbl.
MAX_DEPTH = 10

# The kinds of boxes that contain boxes, and the bytes before the first one.
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
    """A box `meta` or `trak`: its items and its samples."""

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


class PartCounter:
    """Counts all that a file makes its reader look at. Raises SourceTooLargeError above MAX_PARTS."""

    parts = 0

    def __call__(self, parts: int = 1) -> None:
        self.parts += parts
        if self.parts > MAX_PARTS:
            raise SourceTooLargeError(f"the source is an AVIF of more than {MAX_PARTS} parts")


def read_groups(data: bytes, count: PartCounter) -> list[Group]:
    """Return the boxes `meta` and `trak` of a file."""
    reader = _BoxReader(data, count)
    reader.read(0, len(data), Group(), 0)
    return reader.groups


class _BoxReader:
    def __init__(self, data: bytes, count: PartCounter) -> None:
        self.data = data
        self.count = count
        self.groups: list[Group] = []

    def read(self, start: int, end: int, group: Group, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise IndexError("too many boxes in boxes")
        for kind, first, last in self._boxes(start, end, top=depth == 0):
            if kind in _CONTAINERS:
                inner = group
                if kind in (b"meta", b"trak"):
                    inner = Group()
                    self.groups.append(inner)
                self.read(first + _CONTAINERS[kind], last, inner, depth + 1)
            elif handler := _HANDLERS.get(kind):
                if kind in group.seen and kind != b"ipma":
                    raise IndexError("a box that comes twice, of which a decoder may use the other one")
                group.seen.add(kind)
                handler(self, Reader(self.data, first, last), group)

    def _boxes(self, start: int, end: int, top: bool = False) -> Iterator[Box]:
        while start < end:
            self.count()
            if start + 8 > end:
                if top:
                    return  # a decoder has stopped before, or fails here
                raise IndexError("a box that ends too early")
            size, kind = self._number(start), self.data[start + 4 : start + 8]
            first = start + 8
            if size == 1:
                first += 8
                size = self._number(start + 8, 8)
            elif size == 0 and top:
                size = end - start
            if start + size > end or start + size < first:
                if top:
                    return
                raise IndexError("a box that ends outside of the box around it")
            yield kind, first, start + size
            start += size

    def _number(self, position: int, size: int = 4) -> int:
        return int.from_bytes(self.data[position : position + size])

    def _idat(self, reader: Reader, group: Group) -> None:
        group.idat = reader.position

    def _properties(self, reader: Reader, group: Group) -> None:
        """Read sizes. Other properties count as (0, 0)."""
        for kind, start, _ in self._boxes(reader.position, reader.end):
            size = self._number(start + 4), self._number(start + 8)
            group.properties.append(size if kind == b"ispe" else (0, 0))

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

    def _chunks(self, reader: Reader, group: Group) -> None:
        group.chunks = self._table(reader, 4)

    def _large_chunks(self, reader: Reader, group: Group) -> None:
        group.chunks = self._table(reader, 8)

    def _runs(self, reader: Reader, group: Group) -> None:
        # First chunk, samples in each chunk, and an index.
        group.runs = [(run >> 64, run >> 32 & 0xFFFFFFFF) for run in self._table(reader, 12)]
        if any(one[0] >= other[0] for one, other in pairwise(group.runs)):
            raise IndexError("runs of chunks in the wrong order")

    def _table(self, reader: Reader, width: int) -> list[int]:
        reader(4)
        number = reader(4)
        self.count(number)
        return [reader(width) for _ in range(number)]


_HANDLERS = {
    b"idat": _BoxReader._idat,
    b"ipco": _BoxReader._properties,
    b"iinf": _BoxReader._item_types,
    b"iloc": _BoxReader._item_places,
    b"ipma": _BoxReader._item_properties,
    b"tkhd": _BoxReader._track_size,
    b"stsz": _BoxReader._sample_sizes,
    b"stco": _BoxReader._chunks,
    b"co64": _BoxReader._large_chunks,
    b"stsc": _BoxReader._runs,
}

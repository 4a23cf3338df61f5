"""The boxes of an AVIF or a HEIC, as far as they describe pictures: ISO/IEC 14496-12 and 23008-12.

All readers raise IndexError for a box that is broken or ambiguous.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from shrinkmeister.exceptions import SourceTooLargeError
from shrinkmeister_server.inspection.av1 import Bits, Size
from shrinkmeister_server.inspection.limits import MAX_PARTS

# Brands with which Pillow opens a file as an AVIF.
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")

# In a real file, the deepest box is inside moov, trak, mdia, minf and stbl.
MAX_DEPTH = 10

# All items together may have twice the file's bytes and this many. In real files, only small items overlap.
MAX_SHARED = 1_000_000

# The kinds of boxes that contain boxes, and the bytes before the first one.
_CONTAINERS = {
    b"meta": 4, b"iprp": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0
}  # fmt: skip
_ONCE = {b"pitm", b"iref", b"idat", b"ipco", b"iinf", b"iloc", b"tkhd", b"stsz", b"stco", b"co64", b"stsc"}


@dataclass
class Group:
    """A box `meta` or `trak`: its items and its samples."""

    types: dict[int, bytes] = field(default_factory=dict)
    # Item -> ((offset, length), ...), in the file or in the box `idat`.
    places: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    in_idat: set[int] = field(default_factory=set)
    properties: list[Size] = field(default_factory=list)
    # Property -> primaries and transfer, as in ITU-T H.273.
    codes: dict[int, tuple[int, int]] = field(default_factory=dict)
    associations: dict[int, list[int]] = field(default_factory=dict)
    # Index of a property -> start and end of a decoder's configuration.
    configurations: dict[int, tuple[int, int]] = field(default_factory=dict)
    primary: int = 0
    # Kind -> (item, items that it refers to), ...
    references: dict[bytes, list[tuple[int, list[int]]]] = field(default_factory=dict)
    idat: int = 0
    size: Size = (0, 0)
    seen: set[bytes] = field(default_factory=set)
    sample_sizes: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)


class BoxReader:
    """Reads the boxes of a file, and the kinds of those around all others.

    Raises SourceTooLargeError for more than MAX_PARTS parts.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.parts = self.bytes = 0
        self.top: set[bytes] = set()
        self.groups: list[Group] = []
        self._read(0, len(data), Group())

    @property
    def codes(self) -> tuple[int, int] | None:
        """Return the primaries and the transfer of the primary picture, if the file states them."""
        for group in self.groups:
            for index in group.associations.get(group.primary, []):
                if index in group.codes:
                    return group.codes[index]
        return None

    def count(self, parts: int = 1) -> None:
        self.parts += parts
        if self.parts > MAX_PARTS:
            raise SourceTooLargeError(f"the source has more than {MAX_PARTS} parts")

    def read(self, extents: Iterable[tuple[int, int]], start: int = 0) -> bytes:
        """Return the bytes of an item. Raises SourceTooLargeError if all items have too many.

        extents: offsets from `start`, and lengths. They may overlap those of other items
        """
        extents = list(extents)
        self.bytes += sum(length for _, length in extents)
        if self.bytes > 2 * len(self.data) + MAX_SHARED:
            raise SourceTooLargeError("the items of the source have more than twice its bytes")
        return b"".join(self.data[start + at : start + at + length] for at, length in extents)

    def _read(self, start: int, end: int, group: Group, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise IndexError("too many boxes in boxes")
        for kind, first, last in self._boxes(start, end, top=depth == 0):
            if depth == 0:
                self.top.add(kind)
            if kind in _CONTAINERS:
                inner = group
                if kind in (b"meta", b"trak"):
                    inner = Group()
                    self.groups.append(inner)
                self._read(first + _CONTAINERS[kind], last, inner, depth + 1)
            else:
                self._read_box(kind, first, last, group)

    def _read_box(self, kind: bytes, first: int, last: int, group: Group) -> None:
        if kind in _ONCE and kind in group.seen:
            raise IndexError("a box that comes twice, of which a decoder may use the other one")
        group.seen.add(kind)
        bits = Bits(self.data, first, last)
        match kind:
            case b"idat":
                group.idat = first
            case b"ipco":
                # Other properties than sizes count as (0, 0).
                for name, start, end in self._boxes(first, last):
                    if name == b"hvcC":
                        group.configurations[len(group.properties) + 1] = start, end
                    sides = self._number(start + 4), self._number(start + 8)
                    group.properties.append(sides if name == b"ispe" else (0, 0))
                    if name == b"colr" and self.data.startswith(b"nclx", start):
                        codes = self._number(start + 4, 2), self._number(start + 6, 2)
                        group.codes[len(group.properties)] = codes
            case b"pitm":
                group.primary = bits(32 if bits(32) >> 24 else 16)
            case b"iref":
                self._read_references(bits, group)
            case b"iinf":
                self._read_types(bits, group)
            case b"iloc":
                self._read_places(bits, group)
            case b"ipma":
                self._read_associations(bits, group)
            case b"tkhd":
                group.size = self._number(last - 8) >> 16, self._number(last - 4) >> 16
            case b"stsz":
                _, size, number = bits(32), bits(32), bits(32)
                self.count(number)
                group.sample_sizes = [size or bits(32) for _ in range(number)]
            case b"stco" | b"co64":
                group.chunks = self._table(bits, 32 if kind == b"stco" else 64)
            case b"stsc":
                # First chunk, samples in each chunk, and an index.
                group.runs = [(run >> 64, run >> 32 & 0xFFFFFFFF) for run in self._table(bits, 96)]
                if any(one[0] >= other[0] for one, other in pairwise(group.runs)):
                    raise IndexError("runs of chunks in the wrong order")

    def _boxes(self, start: int, end: int, top: bool = False) -> Iterator[tuple[bytes, int, int]]:
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

    def _read_types(self, bits: Bits, group: Group) -> None:
        bits(32 if bits(32) >> 24 else 16)
        for _, first, last in self._boxes(bits.position // 8, bits.end // 8):
            entry = Bits(self.data, first, last)
            item = entry(32 if entry(32) >> 24 == 3 else 16)
            entry(16)
            kind = entry(32).to_bytes(4)
            if group.types.setdefault(item, kind) != kind:
                raise IndexError("an item of two types")

    def _read_references(self, bits: Bits, group: Group) -> None:
        width = 32 if bits(32) >> 24 else 16
        for kind, first, last in self._boxes(bits.position // 8, bits.end // 8):
            entry = Bits(self.data, first, last)
            item, number = entry(width), entry(16)
            self.count(number)
            group.references.setdefault(kind, []).append((item, [entry(width) for _ in range(number)]))

    def _read_places(self, bits: Bits, group: Group) -> None:
        version = bits(32) >> 24
        offset_bits, length_bits, base_bits, index_bits = (8 * bits(4) for _ in range(4))
        for _ in range(bits(32 if version == 2 else 16)):
            self.count()
            item = bits(32 if version == 2 else 16)
            method = bits(16) & 15 if version else 0
            if method > 1:
                raise IndexError("an item that is made of other items")
            bits(16)
            base, extents = bits(base_bits), []
            for _ in range(bits(16)):
                self.count()
                bits(index_bits if version else 0)
                extents.append((base + bits(offset_bits), bits(length_bits)))
            if item in group.places:
                raise IndexError("an item in two places")
            group.places[item] = tuple(extents)
            if method:
                group.in_idat.add(item)

    def _read_associations(self, bits: Bits, group: Group) -> None:
        head = bits(32)
        for _ in range(bits(32)):
            self.count()
            item = bits(32 if head >> 24 else 16)
            number = bits(8)
            self.count(number)
            # The first bit of an index says whether a reader has to know the property.
            indices = [bits(16) & 0x7FFF if head & 1 else bits(8) & 0x7F for _ in range(number)]
            group.associations.setdefault(item, []).extend(indices)

    def _table(self, bits: Bits, width: int) -> list[int]:
        _, number = bits(32), bits(32)
        self.count(number)
        return [bits(width) for _ in range(number)]

"""Validate the directories of TIFF (TIFF 6.0, section 2), BigTIFF and EXIF, which share one form."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from shrinkmeister.exceptions import SourceTooLargeError
from shrinkmeister_server.inspection.limits import MAX_EXIF_BYTES, MAX_EXIF_VALUES, MAX_PAGES, MAX_PARTS

# Each value has the byte order for struct, and whether offsets have 8 bytes, as in BigTIFF.
ORDERS = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
    # Pillow also reads these.
    b"MM*\0": (">", False),
    b"II\0*": ("<", False),
}
WIDTH, LENGTH, BITS, SAMPLES, ROWS_PER_STRIP = 256, 257, 258, 277, 278
TILE_WIDTH, TILE_LENGTH, TILE_DEPTH = 322, 323, 32998
_OF_BLOCKS = (WIDTH, LENGTH, BITS, SAMPLES, ROWS_PER_STRIP, TILE_WIDTH, TILE_LENGTH, TILE_DEPTH)
COMPRESSION, PHOTOMETRIC, PLANAR, SUBSAMPLING = 259, 262, 284, 530
YCBCR = 6
JPEG_COMPRESSIONS = (6, 7)
# These tags refer to more directories that Pillow and libexif read: Exif, GPS and Interoperability.
_INNER = (0x8769, 0x8825, 0xA005)

# _SIZES has the bytes of one value of each type. _NUMBERS has struct's letters of the whole numbers.
_SIZES = dict.fromkeys((1, 2, 6, 7), 1) | dict.fromkeys((3, 8), 2) | dict.fromkeys((4, 9, 11, 13), 4)
_SIZES |= dict.fromkeys((5, 10, 12, 16, 17, 18), 8)
_NUMBERS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}
# Libraries make one object for all values of these types, which are bytes and text, and one object for each
# value of another type. Pillow takes 20 microseconds for a fraction.
_ONE_OBJECT = (1, 2, 7)
_FRACTIONS = (5, 10)

# EXIF may begin with this word. Pillow removes the word up to two times.
_PREFIX = re.compile(rb"(?:Exif\0\0){0,2}")


@dataclass(frozen=True)
class Entry:
    """A tag of a directory.

    position  the offset of the values in the file
    apart     whether the values are outside of the directory
    """

    tag: int
    kind: int
    count: int
    position: int
    apart: bool


Directory = list[Entry]


class Directories:
    """Reads the directories of one file. Raises SourceTooLargeError for more than MAX_PARTS entries."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order, self._big = ORDERS[data[:4]]
        self._word = "Q" if self._big else "L"
        self._entries = 0

    def pages(self) -> Iterator[Directory]:
        """Yield the directory of each page. Stop at a page that refers back to an earlier one."""
        seen = set[int]()
        position = self._number(self._word, 8 if self._big else 4)
        while position and position not in seen:
            seen.add(position)
            directory, position = self._directory(position)
            yield directory

    def inner(self, directory: Directory) -> Iterator[Directory]:
        """Yield each directory that a directory refers to, at any depth, once."""
        seen = set[int]()
        waiting = [directory]
        while waiting:
            pointers = [one for one in waiting.pop() if one.tag in _INNER]
            for position in {self.numbers(one)[0] for one in pointers if one.kind in _NUMBERS} - seen:
                seen.add(position)
                found, _ = self._directory(position)
                yield found
                waiting.append(found)

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """Return the values of an entry, or an empty tuple if they are not whole numbers."""
        if entry.kind not in _NUMBERS:
            return ()
        return self._unpack(f"{entry.count}{_NUMBERS[entry.kind]}", entry.position)

    def _directory(self, position: int) -> tuple[Directory, int]:
        """Return the entries whose values are in the file, and the position of the next directory."""
        count, size, inline = ("Q", 20, 8) if self._big else ("H", 12, 4)
        number = self._number(count, position)
        first = position + struct.calcsize("=" + count)
        directory: Directory = []
        for start in range(first, min(first + number * size, len(self._data) - size + 1), size):
            self._entries += 1
            if self._entries > MAX_PARTS:
                raise SourceTooLargeError(f"the source has more than {MAX_PARTS} tags")
            tag, kind, values = self._unpack(f"HH{self._word}", start)
            at = start + size - inline
            total = values * _SIZES.get(kind, 0)
            if apart := total > inline:
                (at,) = self._unpack(self._word, at)
            if 0 < total <= len(self._data) - at:
                directory.append(Entry(tag, kind, values, at, apart))
        return directory, self._number(self._word, first + number * size)

    def _number(self, form: str, position: int) -> int:
        """Return the number at a position, or 0 if the position is outside of the file."""
        try:
            (number,) = self._unpack(form, position)
        except struct.error:
            return 0
        return number

    def _unpack(self, form: str, position: int) -> tuple[int, ...]:
        if not 0 <= position <= len(self._data):
            raise struct.error
        return struct.unpack_from(self._order + form, self._data, position)


def validate(data: bytes, max_values: int = MAX_PARTS) -> None:
    """Raise SourceTooLargeError for too many pages, tags or values, or too many shared values.

    Several tags may refer to the same bytes. Libraries copy these bytes for each tag.
    """
    directories = Directories(data)
    copied = 0
    for number, page in enumerate(directories.pages()):
        if number == MAX_PAGES:
            raise SourceTooLargeError(f"the source is a TIFF of more than {MAX_PAGES} pages")
        copied += _validate(page, max_values, len(data))
        if copied > 10 * (len(data) + 10_000_000):
            raise SourceTooLargeError("the source has pages that share their values")
        for directory in directories.inner(page):
            _validate(directory, MAX_EXIF_VALUES, len(data))


def validate_exif(data: bytes) -> None:
    """Raise SourceTooLargeError for more EXIF (CIPA DC-008) than cameras and editors write."""
    if len(data) > MAX_EXIF_BYTES:
        raise SourceTooLargeError(f"the source has more than {MAX_EXIF_BYTES} bytes of EXIF")
    data = _PREFIX.sub(b"", data, count=1)
    if data[:4] in ORDERS and len(data) >= 16:
        validate(data, MAX_EXIF_VALUES)


def is_raw_ycbcr(data: bytes) -> bool:
    """Return whether the first page has an uncompressed or losslessly compressed Y, Cb and Cr per pixel."""
    tags = _first_page(data)
    compression = tags.get(COMPRESSION, (1,))[0]
    is_full = tags.get(SUBSAMPLING, (2, 2)) == (1, 1)
    return tags.get(PHOTOMETRIC, (0,))[0] == YCBCR and is_full and compression not in JPEG_COMPRESSIONS


def has_deep_planes(data: bytes) -> bool:
    """Return whether the first page has a plane for each colour, with more than 8 bits per sample."""
    tags = _first_page(data)
    return (
        tags.get(PLANAR, (1,))[0] == 2 and max(tags.get(BITS, (1,))) > 8 and tags.get(SAMPLES, (1,))[0] > 1
    )


def _first_page(data: bytes) -> dict[int, tuple[int, ...]]:
    """Return the tags of the first page that describe its pixels."""
    directories = Directories(data)
    page = next(directories.pages(), [])
    kinds = (BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR, SUBSAMPLING)
    return {one.tag: numbers for one in page if one.tag in kinds and (numbers := directories.numbers(one))}


def _validate(directory: Directory, max_values: int, length: int) -> int:
    """Return how many bytes of values a library copies for a directory.

    Raises SourceTooLargeError for too many values, fractions or copied bytes.
    """
    values = sum(1 if one.kind in _ONE_OBJECT else one.count for one in directory)
    fractions = sum(one.count for one in directory if one.kind in _FRACTIONS)
    if values > max_values or fractions > MAX_EXIF_VALUES:
        raise SourceTooLargeError(f"a directory has {values} values, {fractions} of them fractions")
    copied = sum(one.count * _SIZES[one.kind] for one in directory if one.apart)
    if copied > 2 * length:
        raise SourceTooLargeError("the source has tags that share their values")
    return copied


def blocks(data: bytes) -> Iterator[int]:
    """Yield the bytes of one tile or strip for each page. A decoder allocates at least as many."""
    directories = Directories(data)
    for page in directories.pages():
        tags: dict[int, int] = {}
        for entry in page:
            if entry.tag in _OF_BLOCKS:
                # If a page has a tag twice, libraries disagree about which one they use.
                tags[entry.tag] = max(tags.get(entry.tag, 0), *directories.numbers(entry), 0)
        length = tags.get(LENGTH, 0)
        strip = tags.get(WIDTH, 0) * min(tags.get(ROWS_PER_STRIP, length), length)
        tile = tags.get(TILE_WIDTH, 0) * tags.get(TILE_LENGTH, 0) * tags.get(TILE_DEPTH, 1)
        yield max(strip, tile) * tags.get(SAMPLES, 1) * tags.get(BITS, 1) // 8

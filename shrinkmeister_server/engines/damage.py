"""What is missing at the end of a JPEG, and how much of it may be missing: ISO/IEC 10918-1.

A decoder fills the missing part with gray, and an end marker hides from it that anything is missing. So the
end of the data is found by an experiment: random bits are inserted there, and the picture is decoded again
at an eighth of its size. If the data ends early, the decoder reads the bits as the missing rows, and these
rows change. If the data is complete, it skips the bits.
"""

from dataclasses import dataclass
from hashlib import shake_128
from itertools import islice
from typing import Any

from shrinkmeister.exceptions import SourceInvalidError
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.inspection import jpeg, open_image
from shrinkmeister_server.inspection.limits import MAX_PARTS
from shrinkmeister_server.time_limit import TimedBytes, TimeLimit

# The part of the rows that may be missing, with THUMBNAIL_ALLOW_TRUNCATED.
MAX_MISSING = 0.1
# A decoder fills what is missing with the middle of all levels, give or take rounding.
GRAY = (127, 128, 129)

_END = b"\xff\xd9"
_SOS, _EOI, _DRI = 0xDA, 0xD9, 0xDD
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PROGRESSIVE = (0xC2, 0xCA)


def _bits(seed: int) -> bytes:
    return shake_128(bytes([seed])).digest(2000).replace(b"\xff", b"\xfe")


_BITS = _bits(0)
# A decoder that waits for a restart marker skips all bits before it. It accepts one of eight markers.
_RESTARTS = b"".join(bytes((0xFF, 0xD0 + number % 8)) + _bits(number) for number in range(16))


@dataclass(frozen=True)
class Scan:
    """The header of a scan of a progressive JPEG.

    first, last  the coefficients that it has; the first one of all makes the coarse picture
    refines      whether it refines levels that an earlier scan has brought
    complete     whether another marker follows its data
    """

    components: frozenset[int]
    first: int
    last: int
    refines: bool
    complete: bool


@dataclass(frozen=True)
class Layout:
    """The first picture in a file.

    end         the offset at which its data ends
    marked      whether the end has its marker
    restarts    whether its data may have restart markers
    components  the components of its frame, the luma first
    """

    end: int
    marked: bool
    progressive: bool
    restarts: bool
    components: tuple[int, ...]
    scans: tuple[Scan, ...]


def validate_end(data: bytes, limit: TimeLimit) -> None:
    """Raise SourceInvalidError if more of a JPEG is missing than the settings allow."""
    layout = _layout(data)
    missing = _missing(data, layout, limit)
    if missing > (MAX_MISSING if get_server_config().allow_truncated else 0):
        raise SourceInvalidError(
            f"the source is a JPEG of which the last {missing:.0%} of the rows are missing"
        )


def repaired(data: bytes, limit: TimeLimit) -> bytes | None:
    """Return a JPEG with an end marker, or None if it has one already.

    Raises SourceInvalidError if more of it is missing than the settings allow.
    """
    layout = _layout(data)
    if layout.marked:
        return None
    if layout.progressive and not _has_detail(layout):
        raise SourceInvalidError("the source is a progressive JPEG of which the first scans are missing")
    validate_end(data, limit)
    return data[: layout.end] + _END


def _layout(data: bytes) -> Layout:
    progressive, restarts, components = False, False, tuple[int, ...]()
    headers: list[bytes] = []
    end, marked = len(data.rstrip(b"\xff")), False
    for marker, start, stop in islice(jpeg.markers(data, 2), 2 * MAX_PARTS):
        if marker == _EOI or stop > len(data):
            end, marked = start - 2, marker == _EOI
            break
        segment = data[start:stop]
        if marker in _FRAMES and not components:
            progressive, components = marker in _PROGRESSIVE, tuple(segment[8::3])
        elif marker == _DRI:
            restarts = True
        elif marker == _SOS and len(segment) > 5:
            headers.append(segment)
    scans = tuple(
        Scan(
            components=frozenset(header[3:-3:2]),
            first=header[-3],
            last=header[-2],
            refines=header[-1] >> 4 > 0,
            complete=marked or number < len(headers),
        )
        for number, header in enumerate(headers, 1)
    )
    return Layout(end, marked, progressive, restarts, components, scans)


def _has_detail(layout: Layout) -> bool:
    """Return whether the scans of a progressive JPEG have all its colours, and all the detail of its luma.

    Later scans make the levels finer, which is hardly visible in a thumbnail.
    """
    luma = set(layout.components[:1])
    colours, detail = set[int](), set[int]()
    for scan in layout.scans:
        # What is missing of the luma in an incomplete scan can be counted.
        if scan.first == 0 and (scan.complete or luma & scan.components):
            colours |= scan.components
        if scan.complete and luma & scan.components:
            detail |= {*range(scan.first, scan.last + 1)}
    return set(layout.components) <= colours and detail >= {*range(64)}


def _missing(data: bytes, layout: Layout, limit: TimeLimit) -> float:
    """Return the part of the rows that a JPEG has no data for."""
    from PIL import ImageChops

    if not layout.scans or set(layout.components).difference(*(scan.components for scan in layout.scans)):
        return 1  # a whole colour is missing
    if layout.progressive and (layout.scans[-1].first > 0 or layout.scans[-1].refines):
        return 0  # only detail is missing, because the scan of the coarse picture is complete
    start = data[: layout.end].rstrip(b"\xff")  # markers may have more than one of these bytes
    expected = _decoded(start + _END, layout.progressive, limit)
    rows = expected.height
    for bits in (_BITS, _RESTARTS) if layout.restarts else (_BITS,):
        changed = ImageChops.difference(expected, _decoded(start + bits + _END, layout.progressive, limit))
        if box := changed.getbbox():
            rows = min(rows, box[1])
    return float(1 - rows / expected.height)


def _decoded(data: bytes, progressive: bool, limit: TimeLimit) -> Any:
    """Decode a JPEG at an eighth of its size, and only the luma of a progressive one.

    At this size, luma depends on the coarse picture alone.
    """
    picture = open_image(TimedBytes(data, limit))
    eighth = max(1, picture.width // 8), max(1, picture.height // 8)
    picture.draft("L" if progressive else None, eighth)
    return picture.convert("L" if progressive else "RGB")

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
GRAY = range(126, 131)

_END = b"\xff\xd9"
_SOS, _EOI = 0xDA, 0xD9
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PROGRESSIVE = (0xC2, 0xCA)


def _bits(seed: bytes) -> bytes:
    return shake_128(seed).digest(2000).replace(b"\xff", b"\xfe")


# A decoder that waits for a restart marker skips all other bits, so one attempt has these markers.
_INSERTED = (
    _bits(b"one"),
    _bits(b"two"),
    b"".join(bytes((0xFF, 0xD0 + number % 8)) + _bits(bytes([number])) for number in range(16)),
)


@dataclass(frozen=True)
class Scan:
    """The header of a scan. complete: whether another marker follows its data"""

    components: frozenset[int]
    first: int
    last: int
    complete: bool


@dataclass(frozen=True)
class Layout:
    """The first picture in a file.

    end         the offset at which its data ends
    marked      whether the end has its marker
    components  the components of its frame, the luma first
    """

    end: int
    marked: bool
    progressive: bool
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
    progressive, components = False, tuple[int, ...]()
    scans: list[tuple[frozenset[int], int, int]] = []
    end, marked = len(data.rstrip(b"\xff")), False
    for marker, start, stop in islice(jpeg.markers(data, 2), 2 * MAX_PARTS):
        if marker == _EOI or stop > len(data):
            end, marked = start - 2, marker == _EOI
            break
        segment = data[start:stop]
        if marker in _FRAMES and not components:
            progressive, components = marker in _PROGRESSIVE, tuple(segment[8::3])
        elif marker == _SOS and len(segment) > 5:
            scans.append((frozenset(segment[3:-3:2]), segment[-3], segment[-2]))
    last = len(scans) - 1
    return Layout(
        end,
        marked,
        progressive,
        components,
        tuple(Scan(*scan, complete=marked or number < last) for number, scan in enumerate(scans)),
    )


def _has_detail(layout: Layout) -> bool:
    """Return whether the scans of a progressive JPEG have all its colours, and all the detail of its luma.

    Later scans make the levels finer, which is hardly visible in a thumbnail.
    """
    colours, detail = set[int](), set[int]()
    for scan in layout.scans:
        if scan.first == 0:
            colours |= scan.components
        if scan.complete and layout.components[0] in scan.components:
            detail |= {*range(scan.first, scan.last + 1)}
    return set(layout.components) <= colours and detail >= {*range(64)}


def _missing(data: bytes, layout: Layout, limit: TimeLimit) -> float:
    """Return the part of the rows that a JPEG has no data for."""
    from PIL import ImageChops

    if not layout.scans or not set(layout.components) <= set[int]().union(
        *(scan.components for scan in layout.scans)
    ):
        return 1
    if layout.progressive and layout.scans[-1].first > 0:
        return 0  # only detail is missing, because the scan of the coarse picture is complete
    start = data[: layout.end]
    expected = _decoded(start + _END, layout.progressive, limit)
    rows = expected.height
    for bits in _INSERTED:
        changed = ImageChops.difference(expected, _decoded(start + bits + _END, layout.progressive, limit))
        if box := changed.getbbox():
            rows = min(rows, box[1])
    return float(1 - rows / expected.height)


def _decoded(data: bytes, progressive: bool, limit: TimeLimit) -> Any:
    """Decode a JPEG at an eighth of its size, and only the luma of a progressive one.

    At this size, luma depends on the coarse picture alone.
    """
    picture = open_image(TimedBytes(data, limit))
    picture.draft("L" if progressive else None, (picture.width // 8, picture.height // 8))
    return picture.convert("L" if progressive else "RGB")

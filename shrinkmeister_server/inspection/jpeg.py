"""The segments and scans of a JPEG: ISO/IEC 10918-1."""

import re
from collections.abc import Iterator
from itertools import islice

from shrinkmeister.exceptions import SourceTooLargeError
from shrinkmeister_server.inspection.limits import MAX_EXIF_SEGMENTS, MAX_PARTS, MAX_SCANS

# Table B.1, without padding, stuffed bytes and restarts.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_NO_SEGMENT = (0x01, 0xD8)  # TEM, SOI
_SOF_SEQUENTIAL = (0xC0, 0xC1)
_SOF_ARITHMETIC = (0xC9, 0xCA)
# A decoder needs five times as long for a scan with arithmetic coding of the same bytes.
_ARITHMETIC_SCANS = 5
_EOI, _SOS = 0xD9, 0xDA
# The header of a frame with 8 or 12 bits and 1 to 4 components.
_ARITHMETIC_HEAD = re.compile(
    rb"\xff[\xc9\xca]\0(?:\x0b[\x08\x0c].{4}\x01|\x0e[\x08\x0c].{4}\x02|\x11[\x08\x0c].{4}\x03|\x14[\x08\x0c].{4}\x04)",
    re.DOTALL,
)
_APP1, _EXIF = 0xE1, b"Exif\0\0"
_EXIF_SEGMENT = re.compile(rb"\xff\xe1(..)" + _EXIF, re.DOTALL)


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment before the first scan, and the start and end of its data.

    The limit on these segments also limits those between scans.
    """
    for marker, start, end in markers(data, 2):
        if marker in (_SOS, _EOI):
            return
        yield marker, min(start + 2, end), end


def markers(data: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Yield each marker, and where its segment starts and ends."""
    while found := _MARKER.search(data, position):
        marker, start = data[found.start() + 1], found.end()
        size = 0 if marker in _NO_SEGMENT else max(2, int.from_bytes(data[start : start + 2]))
        position = start + size
        yield marker, start, position


def exif(data: bytes) -> Iterator[bytes]:
    """Yield each segment of EXIF, and all of them joined, as Pillow reads them."""
    found = [
        data[start:end]
        for marker, start, end in islice(segments(data), MAX_PARTS)
        if marker == _APP1 and data.startswith(_EXIF, start)
    ]
    return _with_whole(found)


def exif_of_frames(data: bytes) -> Iterator[bytes]:
    """Yield the same for segments anywhere in the file, such as those in the frames of an MPO."""
    found = [
        data[one.end() - len(_EXIF) : one.start() + 2 + int.from_bytes(one[1])]
        for one in islice(_EXIF_SEGMENT.finditer(data), MAX_PARTS)
    ]
    return _with_whole(found)


def _with_whole(segments: list[bytes]) -> Iterator[bytes]:
    # For each segment, Pillow copies all of those before it.
    if len(segments) > MAX_EXIF_SEGMENTS:
        raise SourceTooLargeError(f"the source has {len(segments)} segments of EXIF")
    yield from segments
    yield b"".join(one.removeprefix(_EXIF) for one in segments)


def scan_count(data: bytes) -> int:
    """Return how often a decoder goes over a JPEG's pixels. Counting stops above MAX_SCANS."""
    scans = components = 0
    each, sequential = 1, False
    for marker, start, _ in markers(data, 0):
        if marker in _NO_SEGMENT:
            continue
        segment = data[start : start + 8]
        if marker == _EOI or len(segment) < 8:
            break
        if marker == _SOS:
            scans += each
            # No decoder looks for a scan after one of all components, so the rest need not be searched.
            if scans > MAX_SCANS or (sequential and segment[2] == components):
                break
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            sequential, components = marker in _SOF_SEQUENTIAL, segment[7]
            if marker in _SOF_ARITHMETIC:
                each = _ARITHMETIC_SCANS
    return scans


def has_arithmetic_coding(data: bytes) -> bool:
    """Return whether other data contains a JPEG with arithmetic coding anywhere.

    No encoder writes one into a TIFF. In a TIFF, each strip and plane may refer to the same hundred scans.
    """
    return _ARITHMETIC_HEAD.search(data) is not None

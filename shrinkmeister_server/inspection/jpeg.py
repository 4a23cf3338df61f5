"""The segments and scans of a JPEG: ISO/IEC 10918-1."""

import re
from collections.abc import Iterator

from shrinkmeister_server.inspection.limits import MAX_SCANS

# Table B.1: all but padding, stuffed bytes and restarts.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_NO_SEGMENT = (0x01, 0xD8)  # TEM, SOI
_SOF_SEQUENTIAL = (0xC0, 0xC1)
_EOI, _SOS = 0xD9, 0xDA


def segments(data: bytes) -> Iterator[int]:
    """Before the first scan of a JPEG; those between scans are bounded with these."""
    position = 2
    while found := _MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker in (_SOS, _EOI):
            return
        yield marker
        if marker not in _NO_SEGMENT:
            position += max(2, int.from_bytes(data[position : position + 2]))


def scan_count(data: bytes) -> int:
    """How often a JPEG goes over its pixels; not counted further than MAX_SCANS + 1."""
    scans = position = components = 0
    sequential = False
    while found := _MARKER.search(data, position):
        marker, position = data[found.start() + 1], found.end()
        if marker in _NO_SEGMENT:
            continue
        segment = data[position : position + 8]
        if marker == _EOI or len(segment) < 8:
            break
        if marker == _SOS:
            scans += 1
            # Then no decoder looks for another one, nor do we in all of the bytes.
            if scans > MAX_SCANS or (sequential and segment[2] == components):
                break
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            sequential, components = marker in _SOF_SEQUENTIAL, segment[7]
        position += max(2, int.from_bytes(segment[:2]))
    return scans

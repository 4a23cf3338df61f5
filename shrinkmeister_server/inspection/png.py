"""The chunks of a PNG."""

from collections.abc import Iterator


def chunks(data: bytes) -> Iterator[int]:
    """https://www.w3.org/TR/png/#5Chunk-layout"""
    position = 8
    while position < len(data):
        yield position
        position += 12 + int.from_bytes(data[position : position + 4])

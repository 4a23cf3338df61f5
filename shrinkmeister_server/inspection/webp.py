"""The canvas and the chunks of a WebP: https://developers.google.com/speed/webp/docs/riff_container"""

from collections.abc import Iterator


def canvas(data: bytes) -> tuple[int, int]:
    """Return the size of two pictures that libwebp allocates to open an extended file; otherwise (0, 0)."""
    if data[12:16] != b"VP8X" or len(data) < 30:
        return 0, 0
    return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1


def chunks(data: bytes) -> Iterator[bytes]:
    position = 12
    while position + 8 <= len(data):
        yield data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + (size & 1)

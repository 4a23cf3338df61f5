"""BMP, ICO, PNM and WebP files whose few bytes make a decoder allocate or compute a lot."""

import struct
from collections.abc import Callable

from tests.support import hostile
from tests.support.pictures import picture


def icon_of_many_chunks(number: int) -> bytes:
    return hostile.icon(hostile.many_chunks(number))


def animated_webp(frames: int) -> bytes:
    """Of frames of a pixel, which all have the same 36 bytes."""
    still = picture((1, 1), "WEBP", lossless=True)[12:]
    frame = bytes(6) + bytes(6) + bytes(3) + b"\2" + still
    frame = b"ANMF" + struct.pack("<I", len(frame)) + frame
    head = b"VP8X" + struct.pack("<IB", 10, 2) + bytes(9) + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    body = b"WEBP" + head + frame * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def many_webp_chunks(number: int) -> bytes:
    """A small picture with so many empty chunks that mean nothing behind it."""
    still = picture((16, 16), "WEBP")[12:]
    body = (
        b"WEBPVP8X"
        + struct.pack("<IB", 10, 0)
        + bytes(3)
        + b"\x0f\0\0\x0f\0\0"
        + still
        + b"abcd\0\0\0\0" * number
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def commented_pnm(comments: int) -> bytes:
    """A plain one, in which Pillow copies all that it has read for each comment."""
    return b"P2 100 100 255\n" + b"#\n" * comments


def canvas_of_an_animation(width: int, height: int) -> bytes:
    """Of one frame of a pixel."""
    data = animated_webp(1)
    return data[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + data[30:]


# Kind -> a file, which is refused as too large.
SOURCES: dict[str, Callable[[], bytes]] = {
    "ICO with a PNG of many chunks": lambda: icon_of_many_chunks(100_010),
    "ICO with a BMP": lambda: hostile.rle_icon((20_000, 20_000)),
    "BMP that is wide": lambda: hostile.bmp((49_000_000, 1), 1, b"\1\0\0\0\0\0\0\1"),
    "BMP that is high": lambda: hostile.bmp((1, 49_000_000), 0, b""),
    "PGM that is high": lambda: b"P5 1 49000000 255\n",
    "PFM": lambda: b"Pf 7100 7100 1.0\n",
    "PGM of many comments": lambda: commented_pnm(500_000),
    "PNG that is high": lambda: hostile.png((1, 49_000_000), pixels=bytes(100)),
    "WebP of many frames": lambda: animated_webp(20_000),
    "WebP of many chunks": lambda: many_webp_chunks(100_010),
    "WebP of a large canvas": lambda: canvas_of_an_animation(13_000, 13_000),
}
# Kind -> a file that is just not too large.
ALMOST: dict[str, Callable[[], bytes]] = {
    "WebP of many frames": lambda: animated_webp(4_000),
    "PGM of many comments": lambda: commented_pnm(1_000),
    "PGM that is high": lambda: b"P5 500 99000 255\n",
    "PNG that is high": lambda: hostile.png((500, 99_000), pixels=bytes(100)),
    "a BMP of a bit a pixel in an ICO": lambda: hostile.rle_icon((4_900, 4_900)),
}

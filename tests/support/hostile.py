"""Sources that somebody has made to do harm, as small as they can be."""

import re
import struct
from io import BytesIO
from zlib import compress, crc32

from PIL import Image

from tests.support.pictures import picture

Size = tuple[int, int]


def png(size: Size, *chunks: tuple[bytes, bytes], pixels: bytes = b"") -> bytes:
    """8 bits of gray; of so many pixels as its data has."""
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", compress(pixels, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))
        for name, data in parts
    )


def black_png(size: Size) -> bytes:
    """A sound one: of 144 megapixels it has 140 kB."""
    width, height = size
    return png(size, pixels=bytes((width + 1) * height))


def icon(inside: bytes, says: Size = (16, 16)) -> bytes:
    """An ICO whose directory says another size than that of the picture inside."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, *says, 0, 0, 1, 32, len(inside), 22) + inside


def rle_icon(size: Size) -> bytes:
    """An ICO with a run-length encoded bitmap."""
    width, height = size
    header = struct.pack("<IiiHHIIiiII", 40, width, 2 * height, 1, 8, 1, 4, 0, 0, 256, 0)
    return icon(header + bytes(1024) + b"\0\1\0\1")


def bmp(size: Size, compression: int, pixels: bytes) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, compression, len(pixels), 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + bytes(1024) + pixels


def gif(screen: Size, *frames: Size) -> bytes:
    """Of one colour; frames may be larger than their screen. Of a frame only its first pixel is there."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    images = (b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x44\x01\x00" for size in frames)
    return head + b"".join(images) + b";"


def webp(size: Size) -> bytes:
    """An extended one: a canvas, and a picture of another size."""
    inside = picture((16, 16), "WEBP")[12:]
    width, height = ((side - 1).to_bytes(3, "little") for side in size)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + width + height + inside
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(*directories: dict[int, int], following: int | None = None) -> bytes:
    """Of tags that are one number each; after the last directory comes 0, or the one that is named."""
    data = bytearray(struct.pack("<2sHI", b"II", 42, 8))
    for number, tags in enumerate(directories):
        here = len(data)
        after = here + 2 + 12 * len(tags) + 4
        if number == len(directories) - 1:
            after = 0 if following is None else following
        data += struct.pack("<H", len(tags))
        data += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
        data += struct.pack("<I", after)
    return bytes(data)


def page(size: Size, **others: int) -> dict[int, int]:
    """The directory of a gray page, whose strip lies at the file's beginning."""
    width, height = size
    known = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: height, 279: 64}
    return known | {int(tag.removeprefix("tag")): value for tag, value in others.items()}


def jpeg2000(inner: Size, data: bytes | None = None) -> bytes:
    """Whose outer header says another size than its codestream."""
    data = data or picture((64, 48), "JPEG2000")
    at = data.index(b"\xff\x4f\xff\x51") + 8
    return data[:at] + struct.pack(">II", *inner) + data[at + 8 :]


def avif(size: Size) -> bytes:
    """Whose container says another size (the box ispe) than its pictures."""
    data = picture((64, 48), "AVIF")
    return re.sub(rb"ispe\0{4}.{8}", b"ispe\0\0\0\0" + struct.pack(">II", *size), data, flags=re.DOTALL)


def scans(number: int) -> bytes:
    """A progressive JPEG of one colour, whose last scan has been repeated: 15 bytes for all its pixels."""
    file = BytesIO()
    Image.new("L", (640, 480), 77).save(file, "JPEG", progressive=True)
    data = bytearray(file.getvalue())
    starts = [found.start() for found in re.finditer(rb"\xff\xda\0\x08\x01..[^\0]", data, re.DOTALL)]
    for start in starts:
        data[start + 9] = 0  # not a refinement, and of all bits: so it may come again
    last = bytes(data[starts[-1] : -2])
    return bytes(data[:-2]) + last * (number - data.count(b"\xff\xda")) + b"\xff\xd9"


def arithmetic_scans(number: int) -> bytes:
    """The same with the head of one of arithmetic coding; its scans are not of it."""
    return scans(number).replace(b"\xff\xc2", b"\xff\xca", 1)


def many_segments(number: int) -> bytes:
    """A small JPEG with so many empty segments in its head."""
    data = picture()
    return data[:2] + b"\xff\xe5\x00\x02" * number + data[2:]


def many_chunks(number: int) -> bytes:
    """A small PNG with so many empty chunks that mean nothing."""
    data = picture(format="PNG")
    chunk = bytes(4) + b"abCd" + struct.pack(">I", crc32(b"abCd"))
    return data[:33] + chunk * number + data[33:]


def many_strips(number: int) -> bytes:
    """A TIFF of 100 pixels whose directory has so many places of strips."""
    entries = [(256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 3, number, 122), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, 1, 10)]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    head += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return head + bytes(2 * number)

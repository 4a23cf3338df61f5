"""What small files make a decoder allocate: each kind in a process of its own, with a limit of its own."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple
from zlib import compress

import pytest
import pyvips
from PIL import Image

from shrinkmeister.exceptions import SourceInvalidError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import render
from tests import ROOT
from tests.server.inspection.test_hostile_images import ENGINES
from tests.support import hostile, hostile_parts
from tests.support.hostile_parts import LONG, RATIONAL, SHORT, UNDEFINED, exif, page, tiff, tiled
from tests.support.pictures import encoded, picture

pytestmark = [
    pytest.mark.outside,
    pytest.mark.makes_thumbnails,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

TOO_LARGE, INVALID, MADE = "SourceTooLargeError", "SourceInvalidError", "made"


class Kind(NamedTuple):
    """megabytes  that the process takes at most, beyond what it has; by engine"""

    make: Callable[[], bytes]
    answer: str = TOO_LARGE
    megabytes: dict[str, int] = {"pillow": 32, "vips": 32}
    options: dict[str, Any] = {}


def strip(size: tuple[int, int], compression: int, bits: int = 8, rows: int | None = None) -> bytes:
    """A gray TIFF of one strip, all of which is there."""
    data = compress(bytes(size[0] * size[1] * bits // 8))
    return tiff(
        data,
        page(
            size,
            (259, SHORT, 1, compression),
            (278, LONG, 1, rows or size[1]),
            data=(16, len(data)),
            bits=bits,
        ),
    )


def fractions(number: int) -> bytes:
    return struct.pack("<II", 1, 3) * number


def exif_of_fractions(number: int) -> bytes:
    return exif([(282, RATIONAL, number, 26)], fractions(number))


def inner_fractions(number: int) -> bytes:
    """In the Exif directory, which the first one points to."""
    return exif(
        [(0x8769, LONG, 1, 26)],
        hostile_parts.directory([(0x9000, RATIONAL, number, 44)]) + fractions(number),
    )


def tiff_with_fractions(number: int) -> bytes:
    blob = hostile_parts.directory([(0x9000, RATIONAL, number, 34)]) + fractions(number)
    return tiff(blob, page((64, 48), (0x8769, LONG, 1, 16)))


def gray_jpeg(size: tuple[int, int], mode: str, **options: Any) -> bytes:
    return encoded(Image.new(mode, size), "JPEG", **options)


def mpo(frames: int, metadata: bytes) -> bytes:
    """Whose second picture has EXIF of its own."""
    images = [Image.new("RGB", (64, 48), color) for color in ("red", "blue")]
    data = encoded(images[0], "MPO", save_all=True, append_images=images[1:] * (frames - 1))
    second = data.index(b"\xff\xd8\xff", 4)
    return data[: second + 2] + hostile_parts.exif_segments(metadata) + data[second + 2 :]


def mpo_of_scans(number: int) -> bytes:
    """Whose second picture is a progressive JPEG of so many scans."""
    data = mpo(2, b"")
    return data[: data.index(b"\xff\xd8\xff", 4)] + hostile.scans(number)


def tiff_of_planes(picture: bytes) -> bytes:
    """Of four colours, which are all the same JPEG of 640 x 480 pixels."""
    numbers = struct.pack("<4H4I4I", *[8] * 4, *[56] * 4, *[len(picture)] * 4)
    planes = [(258, SHORT, 4, 16), (259, SHORT, 1, hostile_parts.JPEG), (284, SHORT, 1, 2)]
    planes += [(273, LONG, 4, 24), (279, LONG, 4, 40)]
    return tiff(numbers + picture, page((640, 480), *planes, samples=4))


def gif(middle: bytes) -> bytes:
    data = hostile.gif((10, 10), (10, 10))
    return data[:19] + middle + data[19:]


FRAME = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
OVERLAPPING = [(40_000 + number, UNDEFINED, 500_000, 16) for number in range(3_000)]
LARGE = {"pillow": 400, "vips": 400}
KINDS: dict[str, Kind] = {
    "TIFF with a tile of 2 GB": Kind(hostile_parts.large_tile),
    "TIFF with a tile of 2 GB on its second page": Kind(
        lambda: tiff(bytes(3072), page((64, 48), data=(16, 3072)), tiled((64, 48), (46_336, 46_336))),
        options={"format": "GIF"},
        answer="by engine",
    ),
    "TIFF with a tile that is deep": Kind(
        lambda: tiff(compress(bytes(99)), tiled((64, 48), (1024, 1024), (32998, LONG, 1, 2_000)))
    ),
    "TIFF whose tile comes twice": Kind(
        lambda: tiff(
            compress(bytes(99)),
            [*tiled((64, 48), (64, 48)), (322, LONG, 1, 90_000), (323, LONG, 1, 90_000)],
        )
    ),
    "TIFF of one row, faxed": Kind(
        lambda: tiff(bytes(99), page((50_000_000, 1), (259, SHORT, 1, 3), bits=1)), options={"crop": None}
    ),
    "TIFF of one column": Kind(lambda: strip((1, 50_000_000), hostile_parts.DEFLATE)),
    "TIFF of one strip": Kind(lambda: strip((7_000, 7_000), hostile_parts.DEFLATE), MADE, LARGE),
    "TIFF of one strip, floats": Kind(lambda: strip((7_000, 7_000), hostile_parts.DEFLATE, 64), INVALID),
    "TIFF whose tags share their values": Kind(lambda: tiff(bytes(500_000), page((64, 48), *OVERLAPPING))),
    "TIFF of rows that are no fax": Kind(
        lambda: tiff(
            Random(1).randbytes(99_000),
            page((1_000, 1_000), (259, SHORT, 1, 3), data=(16, 99_000), bits=1),
        ),
        MADE,
        {"pillow": 32, "vips": 32},
    ),
    "TIFF whose pages share their values": Kind(
        lambda: tiff(bytes(500_000), *[page((64, 48), (40_000, UNDEFINED, 500_000, 16))] * 999)
    ),
    "TIFF of many tags": Kind(
        lambda: tiff(
            b"",
            [*page((64, 48)), *[(number % 60_000 + 1_000, SHORT, 1, 0) for number in range(101_000)]],
            big=True,
        )
    ),
    "TIFF with fractions in its EXIF": Kind(lambda: tiff_with_fractions(100_000)),
    "PNG of one row": Kind(lambda: hostile_parts.deep_png((50_000_000, 1)), options={"crop": None}),
    "PNG, deep": Kind(lambda: hostile_parts.deep_png((5_000, 5_000)), MADE, {"pillow": 250, "vips": 250}),
    "PNG, deep and interlaced": Kind(
        lambda: hostile_parts.deep_png((5_000, 5_000), interlaced=True), MADE, {"pillow": 250, "vips": 450}
    ),
    "PNG with fractions in its EXIF": Kind(lambda: hostile_parts.exif_png(exif_of_fractions(100_000))),
    "PNG with EXIF behind its pixels": Kind(
        lambda: hostile_parts.exif_png(inner_fractions(100_000), after=True)
    ),
    "PNG with EXIF whose tags share their values": Kind(
        lambda: hostile_parts.exif_png(exif([(number, UNDEFINED, 5_000, 8) for number in range(60_000)]))
    ),
    "PNG with EXIF in a text": Kind(
        lambda: hostile.png((9, 9), (b"tEXt", b"exif\0Exif\0\0" + exif_of_fractions(100_000)))
    ),
    "PNG with EXIF in digits": Kind(
        lambda: hostile.png((9, 9), (b"tEXt", b"Raw profile type exif\0" + bytes(2_000_001)))
    ),
    "PNG with texts of 100 MB behind its pixels": Kind(
        lambda: hostile_parts.after_pixels(b"zTXt", b"a\0\0" + compress(bytes(100_000_000))), MADE
    ),
    "APNG of more frames than it has": Kind(
        lambda: hostile.png(
            (64, 48),
            (b"acTL", struct.pack(">II", 2**31, 0)),
            (b"fcTL", struct.pack(">5IHHBB", 0, 64, 48, 0, 0, 1, 1, 0, 0)),
            pixels=bytes(65 * 48),
        ),
        options={"format": "GIF"},
        answer="by engine",
    ),
    "JPEG with fractions in its EXIF": Kind(lambda: hostile_parts.exif_jpeg(exif_of_fractions(100_000))),
    "JPEG with EXIF in many segments": Kind(lambda: hostile_parts.exif_jpeg(bytes(65), 1)),
    "JPEG, progressive": Kind(
        lambda: gray_jpeg((7_000, 7_000), "RGB", progressive=True, subsampling=0), MADE, LARGE
    ),
    "JPEG, progressive, of four colours": Kind(
        lambda: gray_jpeg((5_000, 5_000), "CMYK", progressive=True, subsampling=0),
        MADE,
        {"pillow": 250, "vips": 300},
    ),
    "MPO with fractions in a later frame": Kind(
        lambda: mpo(2, exif_of_fractions(100_000)), options={"format": "GIF"}, answer="by engine"
    ),
    "MPO with many scans in a later frame": Kind(
        lambda: mpo_of_scans(101), options={"format": "GIF"}, answer="by engine"
    ),
    "TIFF of a JPEG": Kind(lambda: tiff_of_planes(hostile.scans(20)), MADE),
    "TIFF of a JPEG with arithmetic coding": Kind(
        lambda: tiff_of_planes(hostile.arithmetic_scans(20)), INVALID
    ),
    "WebP with fractions in its EXIF": Kind(lambda: hostile_parts.exif_webp(inner_fractions(100_000))),
    "AVIF with fractions in its EXIF": Kind(
        lambda: hostile_parts.exif_avif(exif([(40_000, RATIONAL, 20_000, 26)], fractions(20_000)))
    ),
    "GIF of small blocks": Kind(lambda: gif(b"!\xfe" + b"\1a" * 110_000 + b"\0")),
    "GIF of bytes between blocks": Kind(lambda: gif(bytes(110_000))),
    "GIF of empty extensions": Kind(lambda: gif(b"!\xf9\0" * 110_000)),
    "GIF of many frames": Kind(lambda: gif(FRAME * 60_000)),
}
if ".avif" not in Image.registered_extensions():
    del KINDS["AVIF with fractions in its EXIF"]
# Only Pillow makes an animation of a TIFF, a PNG or an MPO.
BY_ENGINE = {"pillow": TOO_LARGE, "vips": MADE}

CHILD = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["sorl.thumbnail"], THUMBNAIL_BUCKET="b", THUMBNAIL_ENGINE=sys.argv[1])
django.setup()
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.protocol.spec import Source
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.rendering.render import render
from shrinkmeister_server.observability.timing import Timing
from tests.support.pictures import picture
from tests.server.inspection.test_hostile_parts import KINDS

def memory(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))

def made(data, **options):
    options = {"crop": "center", **options}
    render(data, ThumbnailSpec(Source("s3", "photos", "one.jpg"), "30x20", options), ("2",), Timing())

for format in ("JPEG", "PNG", "TIFF", "GIF", "WEBP"):
    for target in ("JPEG", "GIF"):
        made(picture((64, 48), format), format=target)
found = {}
for name, kind in KINDS.items():
    data = kind.make()
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # VmHWM begins again
    before = memory("VmRSS")
    try:
        made(data, **kind.options)
        answer = "made"
    except ShrinkmeisterError as error:
        answer = type(error).__name__
    found[name] = answer, memory("VmHWM") - before
json.dump(found, sys.stdout)
"""


@cache
def measured(engine: str) -> tuple[dict[str, tuple[str, int]], str]:
    """What became of each kind and the megabytes that it took; and what stood on stderr."""
    command = [sys.executable, "-c", CHILD, ENGINES[engine]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_small_file_makes_a_decoder_allocate(engine: str, kind: str) -> None:
    answer, megabytes = measured(engine)[0][kind]
    expected = KINDS[kind].answer
    if kind == "TIFF of rows that are no fax" and engine == "vips":
        expected = INVALID  # libtiff reports an error for each row, which Pillow ignores
    if expected == "by engine":
        expected = BY_ENGINE[engine]
    assert answer == expected
    assert megabytes <= KINDS[kind].megabytes[engine]


@pytest.mark.parametrize("engine", ENGINES)
def test_none_of_them_writes_past_the_log(engine: str) -> None:
    assert measured(engine)[1] == ""


def pyramid(**options: Any) -> bytes:
    image = pyvips.Image.new_from_buffer(picture((700, 500), "PNG"), "")
    return bytes(image.write_to_buffer(".tif", **options))


REAL: dict[str, Callable[[], bytes]] = {
    **{
        f"TIFF, {name}": partial(picture, (640, 480), "TIFF", "RGB", compression=name)
        for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
    },
    **{
        f"TIFF, {name}": partial(picture, (640, 480), "TIFF", "1", compression=name)
        for name in ("group3", "group4", "tiff_ccitt")
    },
    "TIFF of one strip": partial(picture, (640, 480), "TIFF", tiffinfo={278: 480}, compression="tiff_lzw"),
    "BigTIFF": partial(picture, (640, 480), "TIFF", big_tiff=True),
    "TIFF in tiles": lambda: pyramid(tile=True, compression="deflate"),
    "TIFF in large tiles": lambda: pyramid(tile=True, tile_width=1024, tile_height=1024, compression="lzw"),
    "TIFF as a pyramid": lambda: pyramid(tile=True, pyramid=True, subifd=True, compression="jpeg"),
    "TIFF of pages": lambda: pyramid(tile=True, pyramid=True, bigtiff=True),
    "JPEG, 4:1:1": partial(picture, (640, 480), "JPEG", subsampling="4:1:1"),
    "JPEG, progressive": partial(picture, (640, 480), "JPEG", progressive=True, orientation=6),
    "MPO": lambda: encoded(
        Image.new("RGB", (640, 480)), "MPO", save_all=True, append_images=[Image.new("RGB", (320, 240))]
    ),
    "PNG, interlaced": lambda: hostile_parts.deep_png((320, 240), interlaced=True),
    "PNG with EXIF": lambda: picture((320, 240), "PNG", orientation=8),
    "WebP with EXIF": lambda: picture((320, 240), "WEBP", orientation=8),
    "APNG": lambda: animated("PNG"),
    "GIF": lambda: animated("GIF"),
}


def animated(format: str) -> bytes:
    frames = [Image.effect_noise((320, 240), 90) for _ in range(20)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_encoders_write_is_made(engine: str, kind: str, settings: Any) -> None:
    settings.THUMBNAIL_ENGINE = ENGINES[engine]
    for format in ("JPEG", "GIF"):
        spec = ThumbnailSpec(
            Source("s3", "photos", "one.jpg"), "30x20", {"crop": "center", "format": format}
        )
        try:
            made = render(REAL[kind](), spec, (), Timing()).thumbnail
        except SourceInvalidError:
            # libvips may come without these. Its picture would be black.
            assert (engine, kind) in (("vips", "TIFF, lzma"), ("vips", "TIFF, zstd"))
            return
        assert (made.width, made.height) == (30, 20)

"""What a few bytes make a decoder allocate or compute: JPEG 2000, AVIF, HEIC, ICO, BMP, WebP and PNM.

Each kind of file is refused with the right error, and what it takes of the memory is measured in a process
of its own. docs/reference/limits.md has the table.
"""

import json
import subprocess
import sys
from functools import cache
from io import BytesIO
from itertools import product
from typing import Any

import pytest
from PIL import Image, features

from shrinkmeister.exceptions import SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.inspection import validate
from tests import ROOT
from tests.support import hostile_avif, hostile_heic, hostile_jpeg2000, hostile_plain
from tests.support.pictures import encoded, picture
from tests.support.sides import Server

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.survives("hostile images, of both engines")]

ENGINES = {
    "pillow": "shrinkmeister_server.engines.pillow.Engine",
    "vips": "shrinkmeister_server.engines.vips.Engine",
    # The inspection is its only guard.
    "sorl": "sorl.thumbnail.engines.pil_engine.Engine",
}
MODULES = {
    "AVIF": hostile_avif,
    "HEIC": hostile_heic,
    "JPEG2000": hostile_jpeg2000,
    "others": hostile_plain,
}
# What an engine that refuses a file may take: the file once more, and what its libraries load.
MEGABYTES = 32


@cache
def measured(engine: str, module: str, sources: str) -> dict[str, tuple[str | None, int]]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.peaks"]
    command += [ENGINES[engine], module, sources]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def cases(sources: str) -> list[Any]:
    return [
        pytest.param(engine, module.__name__, kind, id=f"{engine}-{format}-{kind}")
        for format, module in MODULES.items()
        for kind in getattr(module, sources, {})
        for engine in ENGINES
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("engine", "module", "kind"), cases("SOURCES"))
def test_a_file_that_is_too_large(engine: str, module: str, kind: str) -> None:
    error, megabytes = measured(engine, module, "SOURCES")[kind]
    assert error == "SourceTooLargeError"
    assert megabytes <= MEGABYTES


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("engine", "module", "kind"), cases("ALMOST"))
def test_a_file_that_is_almost_too_large(engine: str, module: str, kind: str) -> None:
    _, megabytes = measured(engine, module, "ALMOST")[kind]
    assert megabytes <= 256


def judged(data: bytes) -> Any:
    return validate(BytesIO(data))


@pytest.mark.parametrize("progression", ["LRCP", "RPCL", "CPRL"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg_2000_as_encoders_write_it(mode: str, progression: str) -> None:
    image = Image.open(BytesIO(picture((600, 400)))).convert(mode)
    tiles, precincts, blocks = ((600, 400), (128, 100)), ((512, 512), (128, 128)), ((64, 64), (16, 16))
    for tile, precinct, block, resolutions in product(tiles, precincts, blocks, (1, 6)):
        data = encoded(
            image,
            "JPEG2000",
            tile_size=tile,
            precinct_size=precinct,
            codeblock_size=block,
            num_resolutions=resolutions,
            quality_layers=[40, 20, 10],
            progression=progression,
            irreversible=resolutions == 6,
        )
        assert judged(data).size == (600, 400)


def test_jpeg_2000_of_two_bytes_a_sample() -> None:
    assert judged(encoded(Image.new("I;16", (600, 400), 777), "JPEG2000")).mode == "I;16"


@pytest.mark.skipif(not features.check("avif"), reason="Pillow has no AVIF here")
class TestAvif:
    @pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
    @pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
    def test_as_pillow_writes_it(self, mode: str, subsampling: str) -> None:
        image = Image.open(BytesIO(picture((600, 400)))).convert(mode)
        data = encoded(image, "AVIF", subsampling=subsampling, tile_rows=1, tile_cols=1)
        assert judged(data).size == (600, 400)

    def test_an_animation(self) -> None:
        images = [Image.new("RGBA", (64, 48), (number, 0, 0, number)) for number in range(100)]
        data = encoded(images[0], "AVIF", save_all=True, append_images=images[1:])
        assert judged(data).n_frames == 100

    @pytest.mark.libvips
    @pytest.mark.parametrize("bits", [8, 10, 12])
    @pytest.mark.parametrize("bands", [3, 4])
    def test_as_libheif_writes_it(self, bands: int, bits: int, server: Server) -> None:
        import pyvips

        image = pyvips.Image.black(600, 400, bands=bands).cast("ushort") + 7
        data = image.write_to_buffer(".avif", bitdepth=bits, lossless=bits == 12)
        assert judged(data).size == (600, 400)

    def test_the_largest_one_is_judged_by_its_frame_alone(self, settings: Any) -> None:
        data = hostile_avif.one((600, 400), (600, 400))
        settings.THUMBNAIL_MAX_PIXELS = 600 * 400
        assert judged(data).size == (600, 400)
        settings.THUMBNAIL_MAX_PIXELS -= 1
        with pytest.raises(SourceTooLargeError):
            judged(data)

    def test_units_that_do_not_end(self) -> None:
        data = b"\x0a\xff\xff"
        source = hostile_avif.avif(
            [hostile_avif.Item(b"av01", [1], [(0, len(data))])], [hostile_avif.ispe((9, 9))], data
        )
        with pytest.raises(SourceInvalidError):
            judged(source)

    @pytest.mark.parametrize("kind", [b"iloc", b"iinf"])
    def test_a_box_that_comes_twice(self, kind: bytes) -> None:
        data = hostile_avif.one((100, 100), (100, 100))
        at = data.index(kind) - 4
        copy = data[at : at + int.from_bytes(data[at : at + 4])]
        start = data.index(b"meta") - 4
        longer = (int.from_bytes(data[start : start + 4]) + len(copy)).to_bytes(4)
        assert judged(data).size == (100, 100)
        with pytest.raises(SourceInvalidError):
            judged(data[:start] + longer + data[start + 4 : at] + copy + data[at:])

    def test_boxes_in_boxes(self) -> None:
        data = b""
        for _ in range(5_000):
            data = hostile_avif.box(b"moov", data)
        with pytest.raises(SourceInvalidError):
            judged(hostile_avif.box(b"ftyp", b"avif\0\0\0\0") + data)


@pytest.mark.parametrize("sizes", [[(16, 16)], [(16, 16), (32, 32), (48, 48), (256, 256)]])
@pytest.mark.parametrize("bitmap_format", ["png", "bmp"])
def test_ico_as_pillow_writes_it(bitmap_format: str, sizes: list[tuple[int, int]]) -> None:
    image = Image.open(BytesIO(picture((256, 256)))).convert("RGBA")
    data = encoded(image, "ICO", sizes=sizes, bitmap_format=bitmap_format)
    assert judged(data).size == sizes[-1]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp_of_each_depth(mode: str) -> None:
    assert judged(encoded(Image.open(BytesIO(picture((600, 400)))).convert(mode), "BMP")).size == (600, 400)


@pytest.mark.parametrize(
    "data",
    [
        b"P1\n# a comment\n2 2\n0 1\n# another one\n1 0\n",
        b"P2 2 2 15\n0 1 2 # and one\n3\n",
        b"P3 1 1 255\n0 1 2\n",
        encoded(Image.new("1", (9, 9)), "PPM"),
        encoded(Image.new("L", (9, 9)), "PPM") + b"#" * 2_000,
        encoded(Image.new("I;16", (9, 9)), "PPM"),
        encoded(Image.new("F", (9, 9)), "PPM"),
    ],
    ids=["P1", "P2", "P3", "P4", "P5", "P5 of 16 bits", "Pf"],
)
def test_each_kind_of_pnm(data: bytes) -> None:
    assert judged(data).format == "PPM"


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("frames", [1, 120])
def test_webp_as_pillow_writes_it(frames: int, lossless: bool) -> None:
    images = [Image.new("RGBA", (64, 48), (2 * number, 0, 0, number)) for number in range(frames)]
    data = encoded(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=lossless)
    assert judged(data).n_frames == frames

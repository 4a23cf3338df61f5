"""A source that is shrunk on load stays where it is, whatever its sides leave after a division by 8."""

from io import BytesIO
from itertools import product
from math import pi, sin
from typing import Any

import pytest
from PIL import Image, ImageOps

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import get_engine, render
from tests.support.pictures import ORIENTATION, encoded
from tests.support.sides import Server

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.slow]

ENGINES = ("shrinkmeister_server.engines.pillow.Engine", "shrinkmeister_server.engines.vips.Engine")
WAVE = 103  # pixels of the source: a wave of 6 pixels in the smallest thumbnail
# Decoded at an eighth, a quarter and a half, with as little left to scale as an engine allows.
WIDTHS = (51, 102, 204)
# In pixels of the thumbnail. Rounding takes 0.03; a row that is dropped or added, 0.1 or more.
MOST = 0.05


@pytest.fixture(params=ENGINES, ids=["pillow", "vips"])
def engine(request: pytest.FixtureRequest, server: Server, settings: Any) -> str:
    settings.THUMBNAIL_ENGINE = request.param
    settings.THUMBNAIL_MAX_SECONDS = 600  # a busy machine must not fail a comparison of pictures
    return str(request.param)


@pytest.mark.parametrize("remainder", range(8))
def test_no_part_of_a_picture_is_shifted(remainder: int, engine: str) -> None:
    source = waves(816 + remainder, 612 + (remainder + 3) % 8)
    for orientation, width in product(range(1, 9), WIDTHS):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        turned = ImageOps.exif_transpose(with_exif(source, exif))
        spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), str(width), {"format": "PNG"})
        data = encoded(source, "JPEG", quality=95, exif=exif)
        with Image.open(BytesIO(render(data, spec, (), Timing()).thumbnail.data)) as ours:
            expected = turned.resize(ours.size, Image.Resampling.LANCZOS)
            for box in quarters(*ours.size):
                shift = shifts(ours.convert("L").crop(box), expected.crop(box))
                assert max(map(abs, shift)) < MOST, (orientation, width, box)


def test_each_of_these_thumbnails_is_shrunk_on_load(engine: str) -> None:
    one = get_engine()
    image = one.get_image(BytesIO(encoded(waves(823, 618), "JPEG")))
    sizes = [
        one._scaled_size(image, (width, width * 9), {"crop": None, "upscale": True}) for width in WIDTHS
    ]
    assert [one._reduction(image, [size]) for size in sizes] == [8, 4, 2]


@pytest.mark.parametrize("size", [(60_001, 801), (801, 60_001), (40_003, 19), (17, 17)])
def test_long_and_tiny_sources(size: tuple[int, int], engine: str) -> None:
    data = encoded(Image.new("L", size, 90), "JPEG")
    for geometry in ("10", "5x5", "2x2", "1"):
        spec = ThumbnailSpec(
            Source("s3", "photos", "one.jpg"), geometry, {"format": "PNG", "crop": "center"}
        )
        with Image.open(BytesIO(render(data, spec, (), Timing()).thumbnail.data)) as image:
            assert image.size[0] == int(geometry.partition("x")[0])
            assert image.convert("L").getextrema() == (90, 90)


def waves(width: int, height: int) -> Image.Image:
    across = Image.new("L", (width, 1))
    across.putdata([round(64 + 60 * sin(2 * pi * (x + 0.5) / WAVE)) for x in range(width)])
    down = Image.new("L", (1, height))
    down.putdata([round(64 + 60 * sin(2 * pi * (y + 0.5) / WAVE)) for y in range(height)])
    return Image.blend(across.resize((width, height)), down.resize((width, height)), 0.5)


def with_exif(image: Image.Image, exif: Image.Exif) -> Image.Image:
    copy = image.copy()
    copy.info["exif"] = exif.tobytes()
    return copy


def quarters(width: int, height: int) -> list[tuple[int, int, int, int]]:
    x, y = width // 2, height // 2
    return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]


def shifts(ours: Image.Image, expected: Image.Image) -> tuple[float, float]:
    """Return by how many pixels one picture is shifted against another one: the best fit of its slopes.

    Waves along both sides are independent, so that each side's slopes fit only that side's shift.
    """
    width, height = ours.size
    one, other = ours.tobytes(), expected.tobytes()
    products, squares = [0.0, 0.0], [0.0, 0.0]
    for x, y in product(range(1, width - 1), range(1, height - 1)):
        at = y * width + x
        change = one[at] - other[at]
        slopes = (other[at + 1] - other[at - 1]) / 2, (other[at + width] - other[at - width]) / 2
        for side, slope in enumerate(slopes):
            products[side] -= slope * change
            squares[side] += slope * slope
    return products[0] / squares[0], products[1] / squares[1]

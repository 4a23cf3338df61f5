"""JPEGs that end early, with or without an end marker, and JPEGs with other data around the picture."""

import re
from io import BytesIO
from random import Random
from typing import Any

import pytest
from PIL import Image

from shrinkmeister.exceptions import SourceInvalidError, SourceTooLargeError
from shrinkmeister_server.engines.damage import repaired, validate_end
from shrinkmeister_server.rendering.render import Picture
from shrinkmeister_server.time_limit import NEVER
from tests.server.engines.test_engines import PILLOW, VIPS, difference, made
from tests.support.pictures import encoded, picture
from tests.support.sides import Server

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.slow]

END = b"\xff\xd9"
SIZE = (640, 480)
GRAY = (128, 128, 128)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "full chroma": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 5},
    "rows of restarts": {"restart_marker_rows": 2},
    "CMYK": {"mode": "CMYK"},
}
# These options need the whole source, and sorl's own code makes their thumbnails.
WHOLE: list[dict[str, Any]] = [{"cropbox": (0, 0, 640, 480)}, {"crop": "smart"}, {"remove_border": True}]


@pytest.fixture(params=[PILLOW, VIPS], ids=["pillow", "vips"])
def engine(request: pytest.FixtureRequest, server: Server) -> str:
    return str(request.param)


def noise(seed: int = 1, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture whose rows all take about as many bytes."""
    return Image.frombytes("RGB", size, Random(seed).randbytes(size[0] * size[1] * 3))


def source(kind: str) -> bytes:
    options = dict(KINDS[kind])
    image = noise().convert(options.pop("mode", "RGB"))
    return encoded(image, "JPEG", quality=40, **options)


def cut(data: bytes, part: float, marked: bool) -> bytes:
    data = data[: int(len(data) * part)].rstrip(b"\xff")
    return data + END if marked else data


def last_pixel(thumbnail: Picture) -> Any:
    with Image.open(BytesIO(thumbnail.data)) as image:
        return image.convert("RGB").getpixel((thumbnail.width - 1, thumbnail.height - 1))


@pytest.mark.parametrize("marked", [False, True], ids=["cut", "with an end marker"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.93])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("progressive", "CMYK")])
def test_a_jpeg_that_ends_early_is_refused(
    kind: str, part: float, marked: bool, engine: str, settings: Any
) -> None:
    with pytest.raises(SourceInvalidError):
        made(engine, settings, cut(source(kind), part, marked), "100", format="PNG")


@pytest.mark.parametrize("options", WHOLE, ids=str)
def test_also_where_the_whole_source_is_needed(options: dict[str, Any], engine: str, settings: Any) -> None:
    with pytest.raises(SourceInvalidError):
        made(engine, settings, cut(source("plain"), 0.5, marked=True), "100x80", **options)


def test_also_where_it_is_enlarged(engine: str, settings: Any) -> None:
    with pytest.raises(SourceInvalidError):
        made(engine, settings, cut(source("plain"), 0.5, marked=True), "800")


@pytest.mark.parametrize("marked", [False, True], ids=["cut", "with an end marker"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "progressive"])
def test_with_the_setting_a_tenth_of_the_rows_may_be_missing(
    kind: str, marked: bool, engine: str, settings: Any
) -> None:
    settings.THUMBNAIL_ALLOW_TRUNCATED = True
    data = source(kind)
    thumbnail = made(engine, settings, cut(data, 0.94, marked), "100", format="PNG")[0]
    assert (thumbnail.width, thumbnail.height) == (100, 75)
    if kind != "CMYK":
        assert last_pixel(thumbnail) == GRAY
    if kind != "CMYK" or not marked:  # gray in CMYK is another gray in RGB, and is not noticed
        with pytest.raises(SourceInvalidError):
            made(engine, settings, cut(data, 0.5, marked), "100", format="PNG")


def test_a_progressive_jpeg_may_lack_its_last_scans(engine: str, settings: Any) -> None:
    data = source("progressive")
    with pytest.raises(SourceInvalidError):
        made(engine, settings, cut(data, 0.97, marked=False), "100")
    settings.THUMBNAIL_ALLOW_TRUNCATED = True
    thumbnail = made(engine, settings, cut(data, 0.97, marked=False), "100", format="PNG")[0]
    assert (thumbnail.width, thumbnail.height) == (100, 75)
    assert last_pixel(thumbnail) != GRAY
    third_scan = [found.start() for found in re.finditer(b"\xff\xda", data)][2]
    with pytest.raises(SourceInvalidError):
        made(engine, settings, data[: third_scan + 100].rstrip(b"\xff"), "100")


def test_a_progressive_jpeg_that_ends_while_it_refines_the_coarse_picture(
    engine: str, settings: Any
) -> None:
    settings.THUMBNAIL_ALLOW_TRUNCATED = True
    data = picture(SIZE, quality=90, progressive=True)
    # The header of a scan of three components, of the first coefficient, whose last bit follows.
    header = data.index(b"\x00\x00\x10", data.index(b"\xff\xda"))
    assert data[header - 11 : header - 8] == b"\xff\xda\0"
    thumbnail = made(engine, settings, data[: header + 300].rstrip(b"\xff"), "100", format="PNG")[0]
    whole = made(engine, settings, data, "100", format="PNG")[0]
    assert difference(thumbnail.data, whole.data) < 6


def test_a_progressive_jpeg_that_ends_in_its_first_scan_is_refused(engine: str, settings: Any) -> None:
    settings.THUMBNAIL_ALLOW_TRUNCATED = True
    data = source("progressive")
    first = data[: data.index(b"\xff\xda")]
    with pytest.raises(SourceInvalidError):
        made(engine, settings, data[: len(first) + 400].rstrip(b"\xff") + END, "100")


def test_a_jpeg_that_is_gray_at_its_end_is_whole(engine: str, settings: Any) -> None:
    gray = Image.new("RGB", SIZE, GRAY)
    gray.paste(noise(2, (640, 100)))
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 3}):
        data = encoded(gray, "JPEG", **options)
        assert last_pixel(made(engine, settings, data, "100", format="PNG")[0]) == GRAY


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3), (17, 9)], ids=str)
def test_small_gray_jpegs_are_whole(size: tuple[int, int], engine: str, settings: Any) -> None:
    for mode in ("RGB", "L", "CMYK"):
        for progressive in (False, True):
            gray = Image.new("RGB", size, GRAY).convert(mode)
            data = encoded(gray, "JPEG", quality=95, progressive=progressive)
            assert made(engine, settings, data, "20x20", upscale=False)[0].width <= size[0]


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xc2\0\x08\x08\0\x10\0\x10\0\xff\xda\0\x06\0\0\x3f\0" + bytes(50),
        b"\xff\xd8\xff\xc2\0\x02\xff\xda\0\x02" + bytes(50),
        b"\xff\xd8" + 100_000 * b"\xff\xda\0\x02",
    ],
    ids=["start", "start and end", "no component", "no header", "many scans"],
)
def test_broken_headers_are_refused(data: bytes, allowed: bool, engine: str, settings: Any) -> None:
    settings.THUMBNAIL_ALLOW_TRUNCATED = allowed
    with pytest.raises((SourceInvalidError, SourceTooLargeError)):
        made(engine, settings, data, "20x20")


def test_a_file_in_which_only_the_end_marker_is_missing(engine: str, settings: Any) -> None:
    data = source("plain").removesuffix(END)
    with pytest.raises(SourceInvalidError):
        made(engine, settings, data, "100")
    settings.THUMBNAIL_ALLOW_TRUNCATED = True
    whole = made(PILLOW, settings, data + END, "100", format="PNG")
    assert made(engine, settings, data, "100", format="PNG") == whole


@pytest.mark.parametrize(
    ("part", "missing"), [(0.1, 0.9), (0.5, 0.5), (0.93, 0.07)], ids=["tenth", "half", "most"]
)
def test_the_missing_rows_are_counted(part: float, missing: float, server: Server, settings: Any) -> None:
    data = cut(source("plain"), part, marked=False)
    with pytest.raises(SourceInvalidError) as raised:
        validate_end(data, NEVER)
    percent = int(str(raised.value).split("%")[0].split()[-1])
    assert abs(percent - 100 * missing) <= 100 * 16 / 480 + 2  # a row of blocks, and the size of the header


def test_a_whole_jpeg_needs_no_repair(server: Server) -> None:
    data = source("plain")
    assert repaired(data, NEVER) is None
    validate_end(data, NEVER)


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2) + data


def segments_of_an_app(marker: int, size: int) -> bytes:
    return segment(marker, bytes(65000)) * (size // 65000)


def test_twenty_megabytes_of_segments(engine: str, settings: Any) -> None:
    data = source("plain")
    expected = made(engine, settings, data, "100", format="PNG")
    for marker in (0xE2, 0xEB, 0xFE):  # FlashPix and MPF, JUMBF, a comment
        large = data[:2] + segments_of_an_app(marker, 20_000_000) + data[2:]
        assert made(engine, settings, large, "100", format="PNG") == expected


@pytest.mark.parametrize("part", [0.5, 1])
def test_what_follows_the_picture_is_no_part_of_it(part: float, engine: str, settings: Any) -> None:
    """A motion photo has a video there, and an Ultra HDR photo a JPEG with its gain map."""
    data = source("plain")
    video = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 400
    gain_map = encoded(Image.new("L", (160, 120), 40), "JPEG")
    for after in (video, gain_map, gain_map + video):
        if part == 1:
            expected = made(engine, settings, data, "100", format="PNG")
            assert made(engine, settings, data + after, "100", format="PNG") == expected
        else:
            with pytest.raises(SourceInvalidError):
                made(engine, settings, cut(data, part, marked=True) + after, "100")


def test_an_mpo_shows_its_first_picture(engine: str, settings: Any) -> None:
    file = BytesIO()
    first = Image.open(BytesIO(picture(SIZE, quality=90)))
    first.save(file, "MPO", save_all=True, append_images=[Image.new("RGB", SIZE, "blue")], quality=90)
    thumbnails = made(engine, settings, file.getvalue(), "100", format="PNG")
    expected = made(engine, settings, picture(SIZE, quality=90), "100", format="PNG")
    assert [(one.width, one.height) for one in thumbnails] == [(100, 75), (200, 150)]
    assert last_pixel(thumbnails[0]) == last_pixel(expected[0])

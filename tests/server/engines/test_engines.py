"""The engines that shrink on load: sorl's sizes to the pixel, and pictures that nobody can tell apart."""

import sys
from ctypes import cdll
from io import BytesIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import Image, ImageChops, ImageStat
from sorl.thumbnail.engines.base import EngineBase

from shrinkmeister.conf import SettingError
from shrinkmeister.exceptions import ShrinkmeisterError, SourceInvalidError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.engines.shrinking import ShrinkingEngine
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import Picture, get_engine, render
from tests.sorl.test_same_pictures import COMBINATIONS, SOURCES
from tests.support.pictures import ORIENTATION, encoded, photograph, picture, ssim
from tests.support.sides import Server
from tests.support.sorls import Sorl

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.slow]

PILLOW = "shrinkmeister_server.engines.pillow.Engine"
VIPS = "shrinkmeister_server.engines.vips.Engine"
SORLS = {
    PILLOW: "sorl.thumbnail.engines.pil_engine.Engine",
    VIPS: "sorl.thumbnail.engines.vips_engine.Engine",
}
# Pillow 11.3 and later; libvips writes it anyway.
READS_AVIF = ".avif" in Image.registered_extensions()
WHOLE = ({"cropbox": (100, 200, 900, 800)}, {"remove_border": True}, {"crop": "smart"})


@pytest.fixture(params=SORLS, ids=["pillow", "vips"])
def engine(request: pytest.FixtureRequest, server: Server) -> str:
    return str(request.param)


def made(engine: str, settings: Any, data: bytes, geometry: str, **options: Any) -> list[Picture]:
    """The thumbnail and its @2x."""
    settings.THUMBNAIL_ENGINE = engine
    settings.THUMBNAIL_MAX_SECONDS = 600  # a busy machine must not fail a comparison of pictures
    spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), geometry, options)
    rendering = render(data, spec, ("2",), Timing())
    return [rendering.thumbnail, rendering.resolutions["2"]]


def beside_sorls(
    engine: str, settings: Any, data: bytes, geometry: str, **options: Any
) -> list[tuple[Picture, Picture]]:
    ours = made(engine, settings, data, geometry, **options)
    return list(zip(ours, made(SORLS[engine], settings, data, geometry, **options), strict=True))


@pytest.mark.parametrize("name", SOURCES)
def test_sizes_are_those_of_sorls_engine(name: str, engine: str, settings: Any) -> None:
    """And each is the same picture: shrinking, turning and cropping have not moved anything."""
    compared = 0
    # sorl's libvips engine crops the first frame of an animation to a wrong size.
    is_animation = name == "animated.gif" and engine == VIPS
    sorls = SORLS[PILLOW if is_animation else engine]
    beside = SOURCES[name]
    if name == "deep.png" and engine == PILLOW:
        # With sorl's engine, grays of 16 bits are white.
        deep = Image.open(BytesIO(beside))
        beside = encoded(deep.point(lambda value: value * (255 / 65535) + 0.5).convert("L"), "PNG")
    for geometry, options in COMBINATIONS:
        row = (geometry, options)
        # sorl's libvips engine makes another grey than Pillow, and other colours of ink: test_colours.py.
        has_other_colours = options.get("colorspace") == "GRAY" or name.startswith("cmyk")
        if is_animation and (options.get("remove_border") or options.get("crop") == "smart"):
            continue  # sorl's engines disagree
        try:
            theirs = made(sorls, settings, beside, geometry, **options)
        except ShrinkmeisterError as error:
            if engine == VIPS and name.endswith(".bmp"):
                continue  # Pillow makes these: test_automatic.py compares them
            with pytest.raises(type(error)):
                made(engine, settings, SOURCES[name], geometry, **options)
            continue
        ours = made(engine, settings, SOURCES[name], geometry, **options)
        for one, other in zip(ours, theirs, strict=True):
            assert (one.width, one.height) == (other.width, other.height), row
            compared += 1
            if min(one.width, one.height) < 8 or (options.get("format") == "AVIF" and not READS_AVIF):
                continue
            if engine == VIPS and has_other_colours:
                continue
            # Subsampled colour and dithering differ by as much; a picture that is turned wrongly, by 50.
            # The libraries weigh colours differently in a gray.
            assert difference(one.data, other.data) < (15 if is_animation else 6), row
    assert compared > 0 or (engine == VIPS and name.endswith(".bmp"))


def difference(one: bytes, other: bytes) -> float:
    """Of two images of one size, in the band where it is largest: the mean over all pixels, of 255."""
    with Image.open(BytesIO(one)) as first, Image.open(BytesIO(other)) as second:
        assert (first.format, first.size) == (second.format, second.size)
        changed = ImageChops.difference(first.convert("RGBA"), second.convert("RGBA"))
        return max(ImageStat.Stat(changed).mean)


@pytest.fixture(scope="module")
def photographs() -> dict[str, bytes]:
    image = photograph((3008, 2256))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return {
        "jpeg": encoded(image, "JPEG", quality=90),
        "turned jpeg": encoded(image, "JPEG", quality=90, exif=exif),
        "odd jpeg": encoded(image.crop((0, 0, 3003, 2251)), "JPEG", quality=90),
        "gray jpeg": encoded(image.convert("L"), "JPEG", quality=90),
        "progressive jpeg": encoded(image, "JPEG", quality=90, progressive=True, subsampling=0),
        "png": encoded(image.resize((1500, 1125)), "PNG", compress_level=1),
        "webp": encoded(image.resize((1500, 1125)), "WEBP", quality=90, method=0),
    }


@pytest.mark.parametrize(
    "kind", ["jpeg", "turned jpeg", "odd jpeg", "gray jpeg", "progressive jpeg", "png", "webp"]
)
@pytest.mark.parametrize(
    ("geometry", "options"),
    [("300x200", {"crop": "center"}), ("150", {}), ("90x90", {"crop": "left top"}), ("640x480", {})],
)
def test_photographs_are_as_similar_as_eyes_can_tell(
    kind: str,
    geometry: str,
    options: dict[str, Any],
    engine: str,
    settings: Any,
    photographs: dict[str, bytes],
) -> None:
    """Written as PNG: a JPEG of quality 95 is less like its own pixels than these are like each other."""
    pairs = beside_sorls(engine, settings, photographs[kind], geometry, **options, format="PNG")
    for ours, theirs in pairs:
        assert ssim(ours.data, theirs.data) >= 0.998


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_sources_that_are_enlarged(orientation: int, engine: str, settings: Any) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    small = encoded(photograph((160, 120), orientation), "PNG", exif=exif)
    for ours, theirs in beside_sorls(engine, settings, small, "300", format="PNG"):
        assert ssim(ours.data, theirs.data) >= 0.995  # a shift of half a pixel is 0.9 or less


@pytest.mark.parametrize("options", WHOLE, ids=str)
def test_what_needs_the_whole_source_is_sorls_own(
    options: dict[str, Any], engine: str, settings: Any, photographs: dict[str, bytes]
) -> None:
    pairs = beside_sorls(engine, settings, photographs["jpeg"], "300x200", **options, format="PNG")
    assert [difference(ours.data, theirs.data) for ours, theirs in pairs] == [0, 0]


def test_a_source_is_decoded_once_and_no_more_of_it_than_needed(
    engine: str, settings: Any, photographs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    settings.THUMBNAIL_ENGINE = engine
    kind = type(get_engine())
    original = kind._decoded

    def counted(self: Any, image: Any, reduction: int, several: bool) -> Any:
        decoded.append(reduction)
        return original(self, image, reduction, several)

    monkeypatch.setattr(kind, "_decoded", counted)
    made(engine, settings, photographs["jpeg"], "150x100", crop="center")  # and 300x200 at @2x
    assert decoded == [4]


@pytest.mark.parametrize(
    ("size", "target", "reduction"),
    [
        ((4000, 3000), (250, 187), 8),
        ((4000, 3000), (251, 188), 4),
        ((4000, 3000), (999, 749), 2),
        ((4000, 3000), (1001, 751), 1),
        ((4000, 30), (300, 2), 4),
        ((4000, 3), (300, 1), 1),
        ((4000, 3000), None, 1),
    ],
)
def test_the_decoded_picture_has_twice_the_thumbnails_sides(
    size: tuple[int, int], target: tuple[int, int] | None, reduction: int, server: Server
) -> None:
    engine = get_engine()
    image = engine.get_image(BytesIO(encoded(Image.new("L", size), "JPEG")))
    assert engine._reduction(image, [target]) == reduction


def test_with_sorls_own_backend(
    engine: str, settings: Any, sorl: Sorl, photographs: dict[str, bytes]
) -> None:
    """Which asks for the thumbnail first, and for its larger resolution then."""
    settings.THUMBNAIL_ENGINE = engine
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    sorl_default_engine(engine)
    storages["default"].save("one.jpg", ContentFile(photographs["turned jpeg"]))
    thumbnail, larger = (sorl.read("one.jpg", "120x160", suffix) for suffix in ("", "@2x"))
    expected = made(engine, settings, photographs["turned jpeg"], "120x160")
    assert ssim(thumbnail, expected[0].data) > 0.99
    assert ssim(larger, expected[1].data) > 0.99


def sorl_default_engine(path: str) -> None:
    from sorl.thumbnail import default

    default.engine._setup()
    assert type(default.engine._wrapped).__module__ == path.rpartition(".")[0]


def test_a_truncated_source_is_refused(engine: str, settings: Any, photographs: dict[str, bytes]) -> None:
    data = photographs["jpeg"]
    with pytest.raises(SourceInvalidError):
        made(engine, settings, data[: len(data) // 2], "300x200")


def test_an_engine_says_what_a_valid_image_is(engine: str, settings: Any) -> None:
    settings.THUMBNAIL_ENGINE = engine
    valid: EngineBase = get_engine()
    assert isinstance(valid, ShrinkingEngine)
    assert valid.is_valid_image(picture())
    assert not valid.is_valid_image(picture()[:-200])
    assert not valid.is_valid_image(b"text")


@pytest.mark.libvips
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_vips_writes_files_as_small_as_pillows(
    format: str, settings: Any, server: Server, photographs: Any
) -> None:
    options = {"format": format}
    sizes = [len(made(e, settings, photographs["jpeg"], "300", **options)[0].data) for e in (PILLOW, VIPS)]
    assert sizes[1] < sizes[0] * 1.1


def test_an_old_libvips_is_named(server: Server, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, VIPS.rpartition(".")[0], raising=False)
    monkeypatch.setattr("pyvips.at_least_libvips", lambda *version: False)
    settings.THUMBNAIL_ENGINE = VIPS
    with pytest.raises(SettingError, match=r"too old: 8\.15") as raised:
        get_engine()
    assert raised.value.id == "shrinkmeister.E101"
    assert "pip install --force-reinstall --no-deps pyvips-binary" in str(raised.value)


def test_a_library_that_is_missing_is_a_wrong_setting(server: Server, settings: Any) -> None:
    """cffi raises OSError where there is no libvips.so."""
    settings.THUMBNAIL_ENGINE = "tests.server.engines.test_engines.Unbound"
    with pytest.raises(SettingError) as raised:
        get_engine()
    assert raised.value.id == "shrinkmeister.E101"


class Unbound:
    def __init__(self) -> None:
        cdll.LoadLibrary("libnosuchlibrary.so.42")

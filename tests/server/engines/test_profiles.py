"""Colour profiles: what survives of a source's, and that its colours look as before."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms
from sorl.thumbnail import get_thumbnail

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.engines.colours.profiles import Profile
from shrinkmeister_server.rendering.render import get_engine
from tests.server.inspection.test_hostile_images import ENGINES
from tests.server.test_server import save, spec_of, stored, url_of
from tests.support import profiles
from tests.support.profiles import SECRET, picture_with, profile
from tests.support.sides import Server

pytestmark = pytest.mark.makes_thumbnails

SOURCES = [
    name
    for name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
    if f".{name.lower()}" in Image.registered_extensions()
]
TARGETS = ["JPEG", "PNG", "GIF", "WEBP", *(["AVIF"] if "AVIF" in SOURCES else [])]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GOOD: dict[str, bytes] = {
    "parametric": profile(profiles.rgb()),
    "power": profile(profiles.rgb(profiles.POWER_OF_2), version=2),
    "table": profile(profiles.rgb(profiles.table()), version=2),
    "table, of version 4": profile(profiles.rgb(profiles.table(1024))),
    "sRGB": SRGB,
}
LUT = profile(profiles.tables(), connection=b"Lab ", version=2)
# Each of which looks like a profile, and none of which says how these colours look.
BAD: dict[str, bytes] = {
    "a text": SECRET,
    "16 MB": profile({**profiles.rgb(), b"data": SECRET * 700_000}),
    "of CMYK": profile(profiles.rgb(), space=b"CMYK"),
    "of Lab": profile(profiles.rgb(), connection=b"Lab "),
    "of another kind": GOOD["power"].replace(b"mntr", b"link", 1),
    "without its signature": GOOD["power"].replace(b"acsp", b"xxxx", 1),
    "cut off": GOOD["power"][:-100],
    "a tag outside": GOOD["power"][:136] + b"\xff\xff\xff\xf0" + GOOD["power"][140:],
    "too many tags": profile({**profiles.rgb(), **{f"{n:04d}".encode(): b"" for n in range(100)}}),
    "no primaries": profile({b"rTRC": profiles.POWER_OF_2}),
    "other primaries": profile({**profiles.rgb(), b"gXYZ": profiles.xyz((0.9, 0.9, 0.9))}),
    "a text for a curve": profile(profiles.rgb(b"curv\0\0\0\0\0\0\0\x0b" + SECRET)),
    "a text for a curve's numbers": profile(profiles.rgb(b"para\0\0\0\0\0\4\0\0" + SECRET * 2)),
    "a text for a primary": profile({**profiles.rgb(), b"rXYZ": b"XYZ \0\0\0\0" + SECRET}),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, server: Server, media: Path, settings: Any) -> str:
    settings.THUMBNAIL_ENGINE = ENGINES[request.param]
    return str(request.param)


@pytest.fixture
def made(engine: str, server: Server, media: Path) -> Callable[..., bytes]:
    """The thumbnail, of the source's own size."""

    def make(data: bytes, format: str = "PNG", **options: Any) -> bytes:
        save("photos/managed.jpg", data)
        spec = spec_of("photos/managed.jpg", "64x48", format=format, **options)
        return stored(media, server.get(url_of(spec)))

    return make


def profile_of(data: bytes) -> Any:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image.info.get("icc_profile")


def as_shown(data: bytes) -> Image.Image:
    """As a browser shows it that knows profiles, on a display of sRGB."""
    with Image.open(BytesIO(data)) as image:
        icc = image.info.get("icc_profile")
        picture = image if image.mode == "L" else image.convert("RGB")
        if not icc:
            return picture.convert("RGB")
        source, display = ImageCms.ImageCmsProfile(BytesIO(icc)), ImageCms.createProfile("sRGB")
        shown = ImageCms.profileToProfile(picture, source, display, outputMode="RGB")
        assert shown is not None
        return shown


def difference(one: bytes, other: bytes) -> int:
    """The largest of a channel of a pixel."""
    extrema = ImageChops.difference(as_shown(one), as_shown(other)).getextrema()
    return max(int(high) for _, high in extrema)  # type: ignore[misc]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_but_its_numbers_survives(source: str, target: str, made: Any) -> None:
    data = picture_with(GOOD["parametric"], source)
    assert SECRET in profile_of(data)
    thumbnail = made(data, format=target)
    icc = profile_of(thumbnail)
    for content in (thumbnail, icc or b""):
        assert b"SECRET" not in content
        assert b"<scr" not in content
    if target == "GIF":
        assert icc is None
    else:
        assert len(icc) < 600
        assert Profile.parse(icc) == Profile.parse(GOOD["parametric"])


@pytest.mark.parametrize("kind", [*BAD, "of tables"])
def test_what_is_no_profile_of_these_colours_does_not_survive(kind: str, made: Any) -> None:
    icc = {**BAD, "of tables": LUT}[kind]
    for source in ("JPEG", "WEBP", "TIFF"):
        if len(icc) > 10_000_000 and source == "WEBP":
            continue  # in lossless ones it takes minutes
        thumbnail = made(picture_with(icc, source), format="JPEG")
        assert profile_of(thumbnail) is None
        assert len(thumbnail) < 4_000


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_look_as_before(kind: str, mode: str, made: Any) -> None:
    data = picture_with(GOOD[kind], "PNG", mode)
    plain = picture_with(b"", "PNG", mode)
    thumbnail = made(data)
    assert difference(thumbnail, data) <= 1
    if kind != "sRGB":
        assert difference(thumbnail, plain) > 20


def test_colours_of_tables_become_those_of_srgb(made: Any) -> None:
    data = picture_with(LUT, "PNG")
    thumbnail = made(data)
    assert profile_of(thumbnail) is None
    assert difference(thumbnail, data) <= 3
    assert difference(thumbnail, picture_with(b"", "PNG")) > 20


def test_gray_of_a_printer_looks_as_before(made: Any) -> None:
    """As Photoshop writes it: Dot Gain 20%."""
    icc = profile(profiles.gray(profiles.table(256)), space=b"GRAY", version=2).replace(b"mntr", b"prtr", 1)
    data = picture_with(icc, "PNG", "L")
    assert difference(made(data), data) <= 1
    assert difference(made(data), picture_with(b"", "PNG", "L")) > 5


@pytest.mark.libvips
@pytest.mark.parametrize("colorspace", ["RGB", "GRAY"])
@pytest.mark.parametrize("crop", ["center", "smart"])
@pytest.mark.parametrize("source", ["JPEG", "TIFF"])
def test_cmyk_gets_no_profile_of_libvips(
    source: str, crop: str, colorspace: str, server: Server, settings: Any
) -> None:
    """libvips converts with one of its own, and frees what it leaves of it in the picture."""
    settings.THUMBNAIL_ENGINE = ENGINES["vips"]
    engine = get_engine()
    spec = ThumbnailSpec(
        Source("s3", "photos", "one.jpg"), "30x20", {"crop": crop, "colorspace": colorspace}
    )
    image = engine.get_image(BytesIO(picture_with(b"", source, "CMYK")))
    thumbnail = engine.create(image, (30, 20), spec.full_options())
    assert not thumbnail.get_typeof("icc-profile-data")


@pytest.mark.parametrize("colorspace", ["RGB", "GRAY"])
def test_gray_looks_as_before(colorspace: str, made: Any) -> None:
    """sorl makes RGB of it, for which its own profile is no good."""
    data = picture_with(profile(profiles.gray(), space=b"GRAY"), "PNG", "L")
    thumbnail = made(data, format="PNG", colorspace=colorspace)
    icc = ImageCms.ImageCmsProfile(BytesIO(profile_of(thumbnail)))
    assert icc.profile.xcolor_space.strip() == ("GRAY" if colorspace == "GRAY" else "RGB")
    assert difference(thumbnail, data) <= 1


def test_a_profile_of_cmyk_is_not_one_of_the_thumbnail(made: Any) -> None:
    data = picture_with(profile(profiles.rgb(), space=b"CMYK"), "JPEG", "CMYK")
    assert profile_of(made(data, format="JPEG")) is None


def test_an_animation_has_none(made: Any) -> None:
    frames = [Image.new("RGB", (64, 48), color) for color in ("red", "blue")]
    file = BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], icc_profile=GOOD["parametric"])
    assert b"SECRET" not in made(file.getvalue(), format="GIF")


def test_the_eager_mode(media: Path, settings: Any) -> None:
    settings.THUMBNAIL_EAGER = True
    settings.THUMBNAIL_ENGINE = ENGINES["pillow"]
    for name in ("THUMBNAIL_SERVER_URL", "THUMBNAIL_SOURCES"):
        setattr(settings, name, None)
    save("photos/managed.jpg", picture_with(GOOD["table"], "JPEG"))
    thumbnail = get_thumbnail("photos/managed.jpg", "32x24")
    content = (media / thumbnail.name).read_bytes()
    assert b"SECRET" not in content
    assert Profile.parse(profile_of(content)) == Profile.parse(GOOD["table"])


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_written_is_written_again_as_it_is(kind: str) -> None:
    once = Profile.parse(GOOD[kind])
    assert once
    written = once.written("RGB")
    assert Profile.parse(written) == once
    assert ImageCms.ImageCmsProfile(BytesIO(written)).profile.profile_description == "Colours"

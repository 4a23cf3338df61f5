"""The same pictures: with sorl's engine, what our server makes is byte for byte what sorl makes of it.

And what the client says about a size before that, when it says it is certain, is the real one.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import Image, ImageCms
from sorl.thumbnail import get_thumbnail

from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.geometry import certain_sides
from tests.conftest import SAME_PICTURES
from tests.support.pictures import picture, size_of
from tests.support.sides import Server
from tests.support.sorls import Sorl

pytestmark = pytest.mark.slow


def palette(transparent: bool) -> bytes:
    file = BytesIO()
    image = Image.open(BytesIO(picture((210, 140), "PNG"))).quantize(64)
    image.save(file, "PNG", **({"transparency": 3} if transparent else {}))
    return file.getvalue()


def deep_png() -> bytes:
    file = BytesIO()
    gradient = Image.linear_gradient("L").resize((160, 120)).convert("I")
    gradient.point(lambda value: value * 257).convert("I;16").save(file, "PNG")
    return file.getvalue()


def animation() -> bytes:
    frames = [Image.open(BytesIO(picture((120, 80), "PNG"))).rotate(60 * n) for n in range(4)]
    file = BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], duration=[40, 80, 120, 160], loop=0
    )
    return file.getvalue()


def bordered() -> bytes:
    file = BytesIO()
    image = Image.new("RGB", (240, 180), "white")
    noise = Image.effect_noise((180, 120), 90).convert("RGB")
    image.paste(noise, (30, 30))
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SOURCES: dict[str, bytes] = {
    "photo.jpg": picture((400, 300)),
    "portrait.jpg": picture((301, 499)),
    **{f"orientation-{n}.jpg": picture((180, 120), orientation=n) for n in range(1, 9)},
    "alpha.png": picture((200, 150), "PNG", "RGBA"),
    "gray-alpha.png": picture((200, 150), "PNG", "LA"),
    "turned.png": picture((123, 77), "PNG", orientation=6),
    "palette.png": palette(transparent=False),
    "palette-transparent.png": palette(transparent=True),
    "deep.png": deep_png(),
    "still.gif": picture((150, 100), "GIF"),
    "animated.gif": animation(),
    "photo.webp": picture((220, 160), "WEBP"),
    "alpha.webp": picture((220, 160), "WEBP", "RGBA"),
    "turned.webp": picture((220, 160), "WEBP", orientation=8),
    "cmyk.jpg": picture((200, 160), "JPEG", "CMYK"),
    "gray.jpg": picture((200, 160), "JPEG", "L"),
    "profile.jpg": picture((240, 160), icc_profile=SRGB),
    "sliver.jpg": picture((1, 54)),
    "sliver.png": picture((54, 1), "PNG", "RGBA"),
    "bar.jpg": picture((900, 7)),
    "dot.png": picture((1, 1), "PNG"),
    "bordered.jpg": bordered(),
    "picture.tiff": picture((140, 90), "TIFF"),
    "picture.bmp": picture((140, 90), "BMP"),
}
COMBINATIONS: list[tuple[str, dict[str, Any]]] = [
    ("100", {}),
    ("x70", {"format": "PNG"}),
    ("90x90", {}),
    ("90x60", {"crop": "center"}),
    ("60x90", {"crop": "left top"}),
    ("80x80", {"crop": "10px 25%", "quality": 60}),
    ("80x80", {"crop": "right", "progressive": False}),
    ("50x70", {"crop": "smart"}),
    ("500x400", {"crop": "smart", "upscale": False}),
    ("110", {"crop": "smart", "format": "WEBP"}),
    ("90x90", {"crop": "noop"}),
    ("640x480", {"upscale": False}),
    ("640x480", {"upscale": False, "crop": "bottom"}),
    ("120x90", {"padding": True, "padding_color": "#336699"}),
    ("300x200", {"padding": True, "upscale": False, "format": "PNG"}),
    ("70", {"orientation": False}),
    ("70x50", {"orientation": False, "crop": "center"}),
    ("60", {"cropbox": "5,3,45,33"}),
    ("60x40", {"cropbox": (5, 3, 45, 33), "crop": "center"}),
    ("80", {"colorspace": "GRAY"}),
    ("80", {"colorspace": None, "format": "PNG"}),
    ("90x60", {"rounded": 12, "crop": "center"}),
    ("90x60", {"rounded": "12", "format": "PNG"}),
    ("80", {"blur": 3}),
    ("80x60", {"blur": "2", "crop": "center", "format": "PNG"}),
    ("100", {"remove_border": True}),
    ("60x60", {"format": "GIF", "crop": "center"}),
    ("75", {"format": "WEBP", "quality": 50}),
    ("40x30", {"format": "AVIF", "crop": "center"}),
    ("100x80", {"flatten": True, "crop": "center"}),
    ("100", {"an_option_of_a_site": ["a", 1, None], "version": 3}),
]
ENGINE = "sorl.thumbnail.engines.pil_engine.Engine"
# What the client does not know, although it knows the size of the source, and why.
UNCERTAIN = {
    "remove_border": "what is left is known only to who has looked at the picture",
    "cropbox of a turned source": "sorl's Pillow engine loses the orientation, its vips engine does not",
    "smart crop of a source smaller than its box, not upscaled": "sorl's engines cut off different parts",
}


def why_uncertain(options: dict[str, Any], flipped: bool) -> str:
    if options.get("remove_border"):
        return "remove_border"
    if options.get("cropbox") and flipped:
        return "cropbox of a turned source"
    if options.get("crop") == "smart" and options.get("upscale") is False:
        return "smart crop of a source smaller than its box, not upscaled"
    return "no reason"


@pytest.fixture
def server(server: Server, settings: Any) -> Server:
    settings.THUMBNAIL_ENGINE = ENGINE
    settings.THUMBNAIL_MAX_SIDE = 65_500  # a JPEG's; what is made of the sliver has nearly as many
    return server


# (source, geometry, options) -> what is known of the size before.
Table = dict[tuple[str, str, str], str]


@pytest.fixture(scope="module")
def table() -> Table:
    return {}


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_pictures(
    name: str,
    server: Server,
    sorl: Sorl,
    media: Path,
    settings: Any,
    table: Table,
    record_property: Callable[[str, int], None],
) -> None:
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    storages["default"].save(name, ContentFile(SOURCES[name]))
    for geometry, options in COMBINATIONS:
        try:
            expected = sorl.read(name, geometry, **options), sorl.read(name, geometry, "@2x", **options)
        except Exception as error:
            expected, failure = None, error
        before = get_thumbnail(name, geometry, **options)
        answer = server.get(before.url)
        row = (name, geometry, str(options))
        if expected is None:
            assert answer.status_code == 422, (row, failure)
            table[row] = "neither makes it"
            continue
        assert answer.status_code == 302, (row, answer.content)
        made = str(answer["Location"]).removeprefix("https://example.com/media/")
        larger = made.replace(".", "@2x.")
        assert ((media / made).read_bytes(), (media / larger).read_bytes()) == expected, row

        real = size_of(expected[0])
        assert before.certain_size in (None, real), row
        spec = make_spec(name, geometry, options, get_config())
        # As of a spec whose size depends on its source: else the look-up leaves that out.
        dependent = replace(spec, geometry="1", options={"version": spec.options.get("version")})
        source = get_shared_cache().lookups.look_up(dependent).source
        assert source is not None
        predicted = certain_sides(spec, source)
        assert predicted == real or not all(predicted), row
        table[row] = "certain" if all(predicted) else why_uncertain(options, source.flipped)
    for kind, rows in Counter(kind for row, kind in table.items() if row[0] == name).items():
        record_property(SAME_PICTURES + kind, rows)


@pytest.mark.makes_thumbnails
def test_what_is_uncertain_is_listed(table: Table) -> None:
    """After the table: few combinations, each of a kind that has a reason, and no kind too many."""
    if len(table) < len(SOURCES) * len(COMBINATIONS):
        pytest.fail("the table is not complete: this test runs behind it")
    kinds = set(table.values())
    assert kinds == {"certain", "neither makes it", *UNCERTAIN}
    pictures = [kind for kind in table.values() if kind != "neither makes it"]
    assert len(pictures) >= 200
    assert sum(kind in UNCERTAIN for kind in pictures) < len(pictures) / 10


@pytest.mark.parametrize(
    ("setting", "value", "name", "options"),
    [
        ("THUMBNAIL_FLATTEN", True, "alpha.png", {}),
        ("THUMBNAIL_FLATTEN", True, "alpha.png", {"flatten": "off"}),
        ("THUMBNAIL_PRESERVE_FORMAT", True, "alpha.png", {}),
        ("THUMBNAIL_PRESERVE_FORMAT", True, "photo.webp", {"crop": "center"}),
        ("THUMBNAIL_PRESERVE_FORMAT", True, "animated.gif", {}),
        ("THUMBNAIL_ORIENTATION", False, "orientation-6.jpg", {}),
        ("THUMBNAIL_PROGRESSIVE", False, "photo.jpg", {}),
        ("THUMBNAIL_BLUR", 2, "photo.jpg", {}),
    ],
)
def test_the_same_pictures_with_settings(
    setting: str,
    value: Any,
    name: str,
    options: dict[str, Any],
    server: Server,
    sorl: Sorl,
    media: Path,
    settings: Any,
) -> None:
    setattr(settings, setting, value)
    storages["default"].save(name, ContentFile(SOURCES[name]))
    expected = sorl.read(name, "90x60", **options)
    answer = server.get(get_thumbnail(name, "90x60", **options).url)
    made = str(answer["Location"]).removeprefix("https://example.com/media/")
    assert (media / made).read_bytes() == expected

"""The colours of sources of each kind, from both engines: what Chromium 156 shows on a display of sRGB."""

import struct
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from random import Random
from typing import Any
from zlib import compress, crc32

import pytest
from PIL import Image, ImageOps, features

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.engines.colours.profiles import space_of, tables_of
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import render
from tests.server.engines.test_profiles import GOOD, LUT, as_shown, profile_of
from tests.server.inspection.test_hostile_images import ENGINES
from tests.support import profiles
from tests.support.profiles import profile

pytestmark = [
    pytest.mark.makes_thumbnails,
    pytest.mark.skipif(not features.check("littlecms2"), reason="Pillow has no library for colours"),
]

Make = Callable[..., bytes]
Colour = tuple[int, ...]

SIZE = (64, 48)
COLOUR = (200, 100, 140)
CMYK = profile(profiles.cmyk(), space=b"CMYK", connection=b"Lab ", version=2)
GRAY = profile(profiles.gray(), space=b"GRAY", version=2)
POWER_OF_2 = profile(profiles.rgb(profiles.POWER_OF_2), version=2)
SRGB_PLACES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_PLACES = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


@pytest.fixture(params=ENGINES)
def made(request: pytest.FixtureRequest, settings: Any) -> Make:
    """Makes a thumbnail of a source, of its own size."""
    settings.THUMBNAIL_ENGINE = ENGINES[request.param]

    def make(data: bytes, format: str = "PNG", **options: Any) -> bytes:
        options = {"format": format, "quality": 100, **options}
        spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), "64x48", options)
        return render(data, spec, (), Timing()).thumbnail.data

    return make


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))


def gamma(power: float) -> tuple[bytes, bytes]:
    return b"gAMA", round(power * 100_000).to_bytes(4)


def places(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


def codes(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes((primaries, transfer, matrix, full_range))


def icc(data: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"name\0\0" + compress(data)


def png(*chunks: tuple[bytes, bytes], mode: str = "RGB", colour: Any = COLOUR) -> bytes:
    file = BytesIO()
    Image.new(mode, SIZE, colour).save(file, "PNG")
    data = file.getvalue()
    return data[:33] + b"".join(chunk(*one) for one in chunks) + data[33:]


def jpeg(mode: str, colour: Any, icc_profile: bytes = b"", format: str = "JPEG") -> bytes:
    file = BytesIO()
    more = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    Image.new(mode, SIZE, colour).save(file, format, icc_profile=icc_profile, **more)
    return file.getvalue()


def shown(data: bytes) -> Colour:
    pixel = as_shown(data).getpixel((20, 20))
    assert isinstance(pixel, tuple)
    return tuple(map(int, pixel))


def assert_close(one: Colour, other: Colour, tolerance: int = 2) -> None:
    assert all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True)), (one, other)


STATED: dict[str, tuple[tuple[tuple[bytes, bytes], ...], Colour]] = {
    "nothing": ((), COLOUR),
    "a gamma": ((gamma(1),), (229, 168, 194)),
    "a gamma like sRGB's": ((gamma(0.45455),), COLOUR),
    "primaries without a gamma": ((places(*P3_PLACES),), COLOUR),
    "a gamma and primaries": ((gamma(1), places(*SRGB_PLACES)), (229, 168, 194)),
    "primaries on a line": ((gamma(1), places(0.3, 0.3, *[0.5, 0.2] * 3)), COLOUR),
    "a white of nothing": ((gamma(1), places(0.3, 0, *P3_PLACES[2:])), COLOUR),
    "sRGB and a gamma": (((b"sRGB", b"\0"), gamma(1), places(*P3_PLACES)), COLOUR),
    "a profile and a gamma": ((icc(POWER_OF_2), (b"sRGB", b"\0"), gamma(1)), (220, 103, 150)),
    "a broken profile and a gamma": ((icc(b"x" * 200), gamma(1)), (229, 168, 194)),
    "a cut profile and a gamma": (((b"iCCP", b"a\0\0xx"), gamma(1)), (229, 168, 194)),
    "a profile of grey and a gamma": ((icc(GRAY), gamma(1)), COLOUR),
    "Display P3": ((codes(12, 13),), (215, 93, 141)),
    "Display P3 and a profile": ((codes(12, 13), icc(POWER_OF_2)), (215, 93, 141)),
    "BT.2020": ((codes(9, 13),), (239, 75, 142)),
    "DCI-P3": ((codes(11, 13),), (211, 92, 141)),
    "BT.601": ((codes(6, 13),), (196, 104, 140)),
    "a curve of television": ((codes(1, 1),), (197, 92, 134)),
    "unknown code points, and a gamma": ((codes(2, 2), gamma(1)), (229, 168, 194)),
    "code points of a narrow range": ((codes(12, 13, 0, 0),), COLOUR),
    "a gamma of 0": ((gamma(0),), COLOUR),
}


@pytest.mark.parametrize("kind", STATED)
def test_what_a_png_states(kind: str, made: Make) -> None:
    chunks, expected = STATED[kind]
    thumbnail = made(png(*chunks))
    assert_close(shown(thumbnail), expected)
    assert len(profile_of(thumbnail) or b"") < 600
    # GIF cannot carry a profile, so its pixels are converted. Its palette may be coarse.
    gif = made(png(*chunks), format="GIF")
    assert profile_of(gif) is None
    assert_close(shown(gif), expected, 8)


@pytest.mark.parametrize(
    ("transfer", "shades"),
    [
        (16, {8: 0, 56: 22, 104: 83, 152: 198, 176: 237, 248: 255}),
        (18, {8: 1, 56: 36, 104: 78, 152: 125, 200: 202, 248: 250}),
    ],
)
def test_hdr_looks_almost_as_in_a_browser(transfer: int, shades: dict[int, int], made: Make) -> None:
    for shade, expected in shades.items():
        thumbnail = made(png(codes(9, transfer), colour=(shade,) * 3))
        assert_close(shown(thumbnail), (expected,) * 3, 9)
        assert len(profile_of(thumbnail)) < 1200


@pytest.mark.skipif(not features.check("avif"), reason="Pillow has no AVIF")
@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((1, 13), COLOUR),
        ((1, 1), COLOUR),
        ((2, 2), COLOUR),
        ((12, 13), (215, 93, 141)),
        ((9, 14), (239, 75, 142)),
        ((1, 8), (229, 168, 194)),
    ],
)
def test_code_points_of_an_avif(codes: tuple[int, int], expected: Colour, made: Make) -> None:
    file = BytesIO()
    Image.new("RGB", SIZE, COLOUR).save(file, "AVIF", quality=100, subsampling="4:4:4")
    before, box, after = file.getvalue().partition(b"colrnclx")
    assert box
    data = before + box + struct.pack(">HH", *codes) + after[4:]
    assert_close(shown(made(data)), expected, 4)


INKS: dict[Colour, Colour] = {  # as a browser shows them without a profile
    (0, 0, 0, 0): (255, 255, 255),
    (255, 0, 0, 0): (0, 255, 255),
    (40, 120, 200, 60): (164, 103, 42),
    (0, 0, 0, 255): (0, 0, 0),
}
PRINTED: dict[Colour, Colour] = {  # through CMYK
    (0, 0, 0, 0): (255, 255, 255),
    (255, 0, 0, 0): (0, 221, 255),
    (0, 255, 0, 0): (255, 121, 191),
    (0, 0, 255, 0): (255, 238, 97),
    (64, 64, 64, 0): (228, 212, 206),
    (0, 0, 0, 128): (140, 128, 124),
    (255, 255, 255, 255): (30, 9, 0),
}


def adobe(data: bytes, transform: int | None) -> bytes:
    """Return the JPEG with another transform in Adobe's segment, or without that segment."""
    start = data.index(b"\xff\xee\0\x0eAdobe")
    if transform is None:
        return data[:start] + data[start + 16 :]
    return data[: start + 15] + bytes((transform,)) + data[start + 16 :]


def ycck(inks: Colour) -> Colour:
    """Return the components of a JPEG in YCCK as Pillow takes them. It inverts all four."""
    colour = Image.new("RGB", (1, 1), inks[:3])
    components = ImageOps.invert(Image.merge("RGB", colour.convert("YCbCr").split())).getpixel((0, 0))
    assert isinstance(components, tuple)
    return (*map(int, components), inks[3])


@pytest.mark.parametrize("kind", ["Adobe", "plain", "YCCK", "TIFF"])
@pytest.mark.parametrize(("icc_profile", "table"), [(b"", INKS), (CMYK, PRINTED), (POWER_OF_2, INKS)])
def test_ink(kind: str, icc_profile: bytes, table: dict[Colour, Colour], made: Make) -> None:
    for inks, expected in table.items():
        if kind == "TIFF":
            data = jpeg("CMYK", inks, icc_profile, "TIFF")
        elif kind == "YCCK":
            data = adobe(jpeg("CMYK", ycck(inks), icc_profile), 2)
        else:
            data = jpeg("CMYK", inks, icc_profile)
            data = adobe(data, None) if kind == "plain" else data
        for crop in ("", "smart"):
            thumbnail = made(data, crop=crop)
            assert profile_of(thumbnail) is None
            assert_close(shown(thumbnail), expected, 3)
            assert len(thumbnail) < 1000


@pytest.mark.parametrize(
    ("mode", "colour", "icc_profile", "expected"),
    [
        ("RGB", COLOUR, CMYK, COLOUR),
        ("RGB", COLOUR, GRAY, COLOUR),
        ("L", 66, GRAY, (73, 73, 73)),
        ("L", 66, POWER_OF_2, (73, 73, 73)),
        ("L", 66, GOOD["parametric"], (66, 66, 66)),
        ("L", 66, CMYK, (66, 66, 66)),
        ("RGB", COLOUR, GOOD["sRGB"], COLOUR),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_a_profile_of_another_space_is_ignored(
    format: str, mode: str, colour: Any, icc_profile: bytes, expected: Colour, made: Make
) -> None:
    assert_close(shown(made(jpeg(mode, colour, icc_profile, format))), expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_profiles_of_other_modes(mode: str, made: Make) -> None:
    file = BytesIO()
    Image.new("RGB", SIZE, COLOUR).quantize(2).convert(mode).save(
        file, "PNG", icc_profile=GOOD["parametric"]
    )
    expected = shown(jpeg("RGB", COLOUR, GOOD["parametric"], "PNG"))
    assert_close(shown(made(file.getvalue())), expected)
    assert_close(shown(made(file.getvalue(), format="GIF")), expected, 8)


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), COLOUR])
def test_gray_is_the_same_from_both(colour: Colour, made: Make) -> None:
    expected = Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
    with Image.open(BytesIO(made(png(colour=colour), colorspace="GRAY"))) as thumbnail:
        assert thumbnail.mode == "L"
        assert_close((int(thumbnail.getpixel((9, 9))),), (int(expected),), 1)  # type: ignore[arg-type]


def test_gray_of_tables(made: Make) -> None:
    colour = shown(made(jpeg("RGB", COLOUR, LUT, "PNG")))
    thumbnail = made(jpeg("RGB", COLOUR, LUT, "PNG"), colorspace="GRAY")
    expected = Image.new("RGB", (1, 1), colour).convert("L").convert("RGB").getpixel((0, 0))
    assert isinstance(expected, tuple)
    assert_close(shown(thumbnail), expected)


def test_a_profile_of_srgb_is_left_out(made: Make) -> None:
    assert profile_of(made(jpeg("RGB", COLOUR, GOOD["sRGB"]), format="JPEG")) is None


def test_broken_tables_are_ignored(made: Make) -> None:
    broken = CMYK.replace(b"mft1\0\0\0\0\4\3", b"mft1\0\0\0\0\4\x09")
    assert broken != CMYK
    inks, expected = (40, 120, 200, 60), (164, 103, 42)
    assert_close(shown(made(jpeg("CMYK", inks, broken))), expected, 3)


def transparent(kind: str) -> bytes:
    """A picture that is red on the right, and whose transparent pixels are green."""
    file = BytesIO()
    image = Image.new("P", SIZE, 1)
    image.putpalette([0, 200, 0, 255, 0, 0])
    image.paste(0, (0, 0, 32, 48))
    if kind == "GIF":
        image.save(file, "GIF", transparency=0)
    elif kind == "P":
        image.save(file, "PNG", transparency=0)
    elif kind == "RGB":
        image.convert("RGB").save(file, "PNG", transparency=(0, 200, 0))
    else:
        image.info["transparency"] = 0
        image.convert("RGBA").save(
            file, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})
        )
    return file.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "P", "RGB", "PNG", "WEBP"])
def test_transparency_in_a_jpeg(kind: str, made: Make, settings: Any) -> None:
    data = transparent(kind)
    assert_close(shown(made(data, format="JPEG")), (0, 200, 0), 4)
    assert_close(shown(made(data, format="JPEG", crop="smart")), (0, 200, 0), 4)
    settings.THUMBNAIL_FLATTEN = True
    assert_close(shown(made(data, format="JPEG", flatten=True)), (255, 255, 255), 4)
    padded = made(data, format="JPEG", flatten=True, padding=True, padding_color="#204060")
    assert_close(shown(padded), (0x20, 0x40, 0x60), 4)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_transparent_colour_stays_sharp(mode: str, made: Make) -> None:
    """After scaling, no other pixel is transparent because it has that colour by chance."""
    image = Image.linear_gradient("L").resize((128, 96)).convert(mode)
    file = BytesIO()
    image.save(file, "PNG", transparency=image.getpixel((0, 40)))
    with Image.open(BytesIO(made(file.getvalue()))) as thumbnail:
        alpha = set(thumbnail.convert("RGBA").getchannel("A").tobytes())
    assert 0 not in alpha
    assert len(alpha) > 1


def test_half_transparent_pixels_are_mixed(made: Make, settings: Any) -> None:
    settings.THUMBNAIL_FLATTEN = True
    data = png(mode="RGBA", colour=(200, 0, 0, 128))
    assert_close(shown(made(data, format="JPEG", flatten=True)), (227, 127, 127), 4)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_profile_does_not_prevent_a_thumbnail(seed: int, made: Make) -> None:
    random = Random(seed)
    for mode, colour, icc_profile in (
        ("CMYK", (40, 120, 200, 60), CMYK),
        ("RGB", COLOUR, LUT),
        ("L", 66, GRAY),
    ):
        damaged = bytearray(icc_profile)
        for _ in range(random.choice((1, 4, 16))):
            damaged[random.randrange(min(400, len(damaged)))] = random.randrange(256)
        thumbnail = made(jpeg(mode, colour, bytes(damaged)))
        assert len(profile_of(thumbnail) or b"") < 3000


def test_tags_that_all_contain_the_whole_profile(made: Make) -> None:
    """They are not copied."""
    whole = bytearray(profile({f"{n:04d}".encode(): b"" for n in range(90)}, space=b"CMYK") + bytes(60_000))
    whole[:4] = len(whole).to_bytes(4)
    for place in range(132, 132 + 12 * 93, 12):
        whole[place + 4 : place + 12] = struct.pack(">II", 0, len(whole))
    assert space_of(bytes(whole)) == b"CMYK"
    tracemalloc.start()
    try:
        assert tables_of(bytes(whole)) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert_close(shown(made(jpeg("CMYK", (255, 0, 0, 0), bytes(whole)))), (0, 255, 255))


SIXTEEN_BITS: list[tuple[tuple[bytes, bytes], Colour]] = [
    (icc(POWER_OF_2), (220, 103, 150)),
    (codes(12, 13), (215, 93, 141)),
    (gamma(1), (229, 168, 194)),
]


@pytest.mark.parametrize(("one", "expected"), SIXTEEN_BITS)
def test_16_bits(one: tuple[bytes, bytes], expected: Colour, made: Make) -> None:
    rows = (b"\0" + struct.pack(">3H", *(257 * value for value in COLOUR)) * SIZE[0]) * SIZE[1]
    header = struct.pack(">2I5B", *SIZE, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), one, (b"IDAT", compress(rows)), (b"IEND", b"")]
    assert_close(shown(made(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks))), expected)


def test_a_photograph_of_ink_is_shrunk(made: Make) -> None:
    """Scaled decoding and scaling leave the colour of a plain picture as it is."""
    file = BytesIO()
    Image.new("CMYK", (800, 600), (64, 64, 64, 0)).save(file, "JPEG", quality=100, icc_profile=CMYK)
    assert_close(shown(made(file.getvalue(), format="JPEG")), (228, 212, 206), 3)

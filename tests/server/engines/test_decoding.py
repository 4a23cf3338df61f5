"""Sources that are damaged, turned, deep or animated: an error, or the picture that browsers show."""

import struct
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from itertools import product
from typing import Any

import pytest
from PIL import Image, ImageOps

from shrinkmeister.exceptions import SourceInvalidError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import Rendering, render
from tests.support.pictures import encoded, picture
from tests.support.sides import Server
from tests.support.tiffs import EXTRA, FORMAT, SUBSAMPLING, pixels, tiff

pytestmark = [pytest.mark.makes_thumbnails]

PILLOW = "shrinkmeister_server.engines.pillow.Engine"
VIPS = "shrinkmeister_server.engines.vips.Engine"
SORL = "sorl.thumbnail.engines.pil_engine.Engine"
READS_AVIF = ".avif" in Image.registered_extensions()
needs_avif = pytest.mark.skipif(not READS_AVIF, reason="Pillow has no AVIF")


@pytest.fixture(params=[PILLOW, VIPS], ids=["pillow", "vips"])
def engine(request: pytest.FixtureRequest, server: Server) -> str:
    return str(request.param)


def rendered(engine: str, settings: Any, data: bytes, geometry: str = "32x32", **options: Any) -> Rendering:
    settings.THUMBNAIL_ENGINE = engine
    settings.THUMBNAIL_MAX_SECONDS = 600
    spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), geometry, {"format": "PNG"} | options)
    return render(data, spec, (), Timing())


def shown(rendering: Rendering) -> Any:
    image = Image.open(BytesIO(rendering.thumbnail.data))
    assert image.size == (rendering.thumbnail.width, rendering.thumbnail.height)
    return image.convert("RGBA")


def assert_alike(image: Any, points: Mapping[tuple[int, int], tuple[int, ...]], most: int = 6) -> None:
    for place, wanted in points.items():
        found = image.getpixel(place)
        assert all(abs(one - other) <= most for one, other in zip(found, wanted, strict=True)), (
            place,
            found,
        )


def chunk(name: bytes, data: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png(parts: list[bytes], header: tuple[int, ...] = (64, 48, 8, 2), before: bytes = b"") -> bytes:
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBB3x", *header)) + before
    return start + b"".join(parts) + chunk(b"IEND", b"")


def idats() -> list[bytes]:
    """The data of a PNG of 64 x 48 pixels, without compression, in six parts."""
    row = b"\0" + bytes(range(192))
    data = zlib.compress(row * 48, 0)
    size = len(data) // 6 + 1
    return [data[start : start + size] for start in range(0, len(data), size)]


def damaged(kind: str) -> bytes:
    parts = [chunk(b"IDAT", part) for part in idats()]
    match kind:
        case "lost":
            del parts[3]
        case "lost at the end":
            del parts[4:]
        case "wrong checksum":
            parts[3] = chunk(b"IDAT", idats()[3], 5)
        case "no zlib":
            parts[2] = chunk(b"IDAT", b"\xff" * len(idats()[2]))
        case "cut":
            return png(parts)[:5000]
    return png(parts)


class TestDamage:
    def test_a_png_that_is_whole(self, engine: str, settings: Any) -> None:
        assert_alike(
            shown(rendered(engine, settings, png([chunk(b"IDAT", part) for part in idats()]))),
            {(1, 1): (9, 10, 11, 255)},
            5,
        )

    @pytest.mark.parametrize("library", [PILLOW, VIPS, SORL])
    @pytest.mark.parametrize("kind", ["lost", "lost at the end", "wrong checksum", "no zlib", "cut"])
    @pytest.mark.parametrize("options", [{}, {"cropbox": "0,0,40,40"}], ids=["scaled", "cropped"])
    def test_a_png(self, library: str, kind: str, options: Any, server: Server, settings: Any) -> None:
        with pytest.raises(SourceInvalidError):
            rendered(library, settings, damaged(kind), **options)

    @pytest.mark.parametrize("library", [PILLOW, VIPS, SORL])
    @pytest.mark.parametrize("kind", ["whole", "lost", "no zlib"])
    def test_a_text_that_pillow_refuses(
        self, library: str, kind: str, server: Server, settings: Any
    ) -> None:
        """It is behind the pixels, so these are all that matters."""
        data = damaged(kind)
        text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000)))
        data = data[:-12] + text + data[-12:]
        if kind == "whole":
            assert shown(rendered(library, settings, data)).size == (32, 24)
        else:
            with pytest.raises(SourceInvalidError):
                rendered(library, settings, data)

    def test_a_checksum_that_no_decoder_needs(self, settings: Any, server: Server) -> None:
        text = chunk(b"tEXt", b"a\0b", 5)
        data = png([chunk(b"IDAT", part) for part in idats()] + [text])
        assert shown(rendered(VIPS, settings, data)).size == (32, 24)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    @pytest.mark.parametrize(
        "format",
        ["BMP", "GIF", "JPEG", "JPEG2000", "PPM", "TIFF", "WEBP", pytest.param("AVIF", marks=needs_avif)],
    )
    def test_a_file_that_is_cut(self, format: str, share: float, engine: str, settings: Any) -> None:
        data = picture((400, 300), format)
        with pytest.raises(SourceInvalidError):
            rendered(engine, settings, data[: int(len(data) * share)])

    @pytest.mark.parametrize("compression", ["zstd", "lzma", "webp"])
    def test_a_tiff_that_libvips_cannot_decode(self, compression: str, engine: str, settings: Any) -> None:
        """It may be an error, but never a black picture."""
        try:
            data = picture((64, 48), "TIFF", compression=compression)
        except OSError:
            pytest.skip("Pillow's libtiff does not write it")
        try:
            image = shown(rendered(engine, settings, data))
        except SourceInvalidError:
            assert engine == VIPS
        else:
            assert image.getpixel((30, 22))[0] > 200


def gray(order: str, kind: str, scale: float) -> bytes:
    return pixels(lambda x: struct.pack(order + kind, type(scale)(x * scale)))


# From black on the left to 63,000 of 65,535 on the right, which is 245.
RAMP = {(1, 12): (8, 8, 8, 255), (16, 12): (126, 126, 126, 255), (30, 12): (237, 237, 237, 255)}
NUMBERS = {
    "H": (16, 1000, 1),
    "h": (16, 500, 2),
    "I": (32, 65536000, 1),
    "i": (32, 32768000, 2),
    "f": (32, 1000 / 65535, 3),
}


def deep_tiff(order: str, kind: str) -> bytes:
    bits, scale, form = NUMBERS[kind]
    return tiff([gray(order, kind, scale)], bits, 1, tags={FORMAT: [form]}, order=order)


GRAYS: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: deep_png(),
    "PPM": lambda: b"P5 64 48 65535\n" + gray(">", "H", 1000),
    "JPEG 2000": lambda: encoded(Image.open(BytesIO(deep_png())), "JPEG2000"),
    **{
        f"TIFF of {kind}, {order}": partial(deep_tiff, order, kind)
        for order, kind in product("<>", NUMBERS)
    },
    "TIFF, white is zero": lambda: tiff([pixels(lambda x: struct.pack("<H", 65535 - 1000 * x))], 16, 0),
}


def deep_png(before: bytes = b"") -> bytes:
    row = b"\0" + b"".join(struct.pack(">H", 1000 * x) for x in range(64))
    return png([chunk(b"IDAT", zlib.compress(row * 48))], (64, 48, 16, 0), before)


class TestDepth:
    @pytest.mark.parametrize("options", [{}, {"cropbox": "0,0,64,48"}], ids=["scaled", "cropped"])
    @pytest.mark.parametrize("kind", GRAYS)
    def test_gray(self, kind: str, options: Any, engine: str, settings: Any) -> None:
        data = GRAYS[kind]()
        if engine == VIPS and kind in ("PPM", "JPEG 2000"):
            pytest.skip("libvips' loaders of these are not allowed")
        try:
            Image.open(BytesIO(data))
        except OSError:
            assert kind == "TIFF of I, >"  # Pillow does not open it
            with pytest.raises(SourceInvalidError):
                rendered(engine, settings, data, **options)
        else:
            assert_alike(shown(rendered(engine, settings, data, **options)), RAMP)

    def test_12_bits(self, server: Server, settings: Any) -> None:
        row = b"".join((x * 60 << 12 | (x + 1) * 60).to_bytes(3) for x in range(0, 64, 2))
        source = tiff([row * 48], 12, 1)
        gray = {(x, 12): (round((2 * x + 0.5) * 60 / 4095 * 255),) * 3 + (255,) for x in (1, 16, 30)}
        assert_alike(shown(rendered(PILLOW, settings, source)), gray)

    def test_a_transparent_gray(self, engine: str, settings: Any) -> None:
        """2000 is transparent, but neither 1000 nor 3000."""
        data = deep_png(chunk(b"tRNS", struct.pack(">H", 2000)))
        image = shown(rendered(engine, settings, data, "64x48"))
        assert [image.getpixel((x, 9))[3] for x in (1, 2, 3)] == [255, 0, 255]

    def test_a_turned_gray(self, engine: str, settings: Any) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        rendering = rendered(engine, settings, deep_png(chunk(b"eXIf", exif.tobytes()[6:])))
        assert shown(rendering).size == (24, 32)
        assert (rendering.source.width, rendering.source.height, rendering.source.flipped) == (64, 48, True)


def ycbcr(x: int) -> list[int]:
    return list(Image.new("RGB", (1, 1), (4 * x, 0, 255 - 4 * x)).convert("YCbCr").tobytes())


COLOURS = {(1, 12): (10, 0, 245, 255), (16, 12): (130, 0, 125, 255), (30, 12): (242, 0, 13, 255)}


class TestTiffs:
    @pytest.mark.parametrize("size", [1, 2])
    def test_ycbcr(self, size: int, engine: str, settings: Any) -> None:
        """libvips returned Y, Cb and Cr as red, green and blue if no colour is shared by several pixels."""
        data = pixels(lambda x: bytes(ycbcr(x)[:1] * size**2 + ycbcr(x)[1:]), size)
        source = tiff([data], 8, 6, 3, {SUBSAMPLING: [size, size]})
        if engine == PILLOW and size > 1:
            with pytest.raises(SourceInvalidError):
                rendered(engine, settings, source)
        else:
            assert_alike(shown(rendered(engine, settings, source)), COLOURS, 9)

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_planes_of_16_bits(self, order: str, engine: str, settings: Any) -> None:
        planes = [
            pixels(lambda x: struct.pack(order + "H", 1028 * x)),
            pixels(lambda x: bytes(2)),
            pixels(lambda x: struct.pack(order + "H", 65535 - 1028 * x)),
        ]
        source = tiff(planes, 16, 2, 3, order=order)
        if engine == PILLOW:
            for options in ({}, {"cropbox": "0,0,64,48"}):
                with pytest.raises(SourceInvalidError):
                    rendered(engine, settings, source, **options)
        else:
            assert_alike(shown(rendered(engine, settings, source)), COLOURS)

    def test_planes_of_8_bits(self, engine: str, settings: Any) -> None:
        planes = [
            pixels(lambda x: bytes([4 * x])),
            pixels(lambda x: bytes(1)),
            pixels(lambda x: bytes([255 - 4 * x])),
        ]
        assert_alike(shown(rendered(engine, settings, tiff(planes, 8, 2, 3))), COLOURS)

    @pytest.mark.parametrize(("kind", "red"), [(1, 200), (2, 100)], ids=["associated", "unassociated"])
    def test_alpha(self, kind: int, red: int, engine: str, settings: Any) -> None:
        source = tiff([pixels(lambda x: bytes([100, 0, 0, 128]))], 8, 2, 4, {EXTRA: [kind]})
        assert_alike(shown(rendered(engine, settings, source)), {(16, 12): (red, 0, 0, 128)})

    @pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
    def test_modes(self, mode: str, engine: str, settings: Any) -> None:
        image = Image.new("RGBA", (64, 48), (255, 255, 255, 255)).convert(mode)
        assert_alike(shown(rendered(engine, settings, encoded(image, "TIFF"))), {(16, 12): (255,) * 4}, 1)


@needs_avif
class TestAvif:
    @pytest.mark.parametrize("options", [{}, {"cropbox": "0,0,24,32"}], ids=["scaled", "cropped"])
    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_irot_and_imir(self, orientation: int, options: Any, engine: str, settings: Any) -> None:
        """Red grows to the right and green downwards, before the boxes turn the picture."""
        data = picture((64, 48), "AVIF", orientation=orientation)
        assert b"irot" in data or b"imir" in data
        upright: Any = Image.open(BytesIO(picture((64, 48), "PNG", orientation=orientation)))
        wanted: Any = ImageOps.exif_transpose(upright).convert("RGBA")
        rendering = rendered(engine, settings, data, **options)
        source = rendering.source
        assert (source.width, source.height, source.flipped) == (*wanted.size, False)
        if options:
            wanted = wanted.crop((0, 0, 24, 32))
        image = shown(rendering)
        wanted = wanted.resize(image.size)
        assert_alike(image, {at: wanted.getpixel(at) for at in ((2, 2), (20, 3), (3, 20), (20, 20))}, 12)

    def test_a_sequence(self, server: Server, settings: Any) -> None:
        first, second = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")
        data = encoded(first, "AVIF", save_all=True, append_images=[second])
        assert data[8:12] == b"avis"
        assert_alike(shown(rendered(PILLOW, settings, data)), {(16, 12): (255, 0, 0, 255)})


def animation(size: tuple[int, int], transparent: bool) -> bytes:
    """Frames with other colours and other palettes. Frames are not solid, or encoders would join them."""
    colours = [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)]
    frames = []
    for number, colour in enumerate(colours):
        background = (0, 0, 0, 0) if transparent else (10 * number, 90, 200, 255)
        frame = Image.new("RGBA", size, background)
        frame.paste(colour, (size[0] // 5, size[1] // 5, size[0] * 3 // 5, size[1] * 3 // 5))
        frames.append(frame)
    times = [100, 200, 300]
    return encoded(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=times, loop=3, disposal=2
    )


GEOMETRIES = [
    (geometry, crop, upscale, padding)
    for geometry, crop, upscale, padding in product(
        ("200x200", "50x50", "300x120", "80x200", "200", "x33"),
        (None, "center", "noop", "10px 5px"),
        (True, False),
        (True, False),
    )
]


class TestAnimations:
    @pytest.mark.slow
    @pytest.mark.parametrize("transparent", [False, True])
    @pytest.mark.parametrize("size", [(100, 100), (120, 60), (37, 91)], ids=str)
    def test_sizes_are_those_of_sorls_pillow_engine(
        self, size: tuple[int, int], transparent: bool, engine: str, settings: Any
    ) -> None:
        data = animation(size, transparent)
        for geometry, crop, upscale, padding in GEOMETRIES:
            options = {"format": "GIF", "crop": crop, "upscale": upscale, "padding": padding}
            ours = rendered(engine, settings, data, geometry, **options)
            theirs = rendered(SORL, settings, data, geometry, **options)
            assert shown(ours).size == shown(theirs).size, options

    @pytest.mark.parametrize(
        "options", [{"crop": "center"}, {"cropbox": "0,0,100,50"}, {"crop": "smart"}], ids=str
    )
    @pytest.mark.parametrize("transparent", [False, True])
    def test_an_enlarged_one(self, transparent: bool, options: Any, engine: str, settings: Any) -> None:
        data = animation((100, 100), transparent)
        made = rendered(engine, settings, data, "200x100", format="GIF", **options).thumbnail
        assert (made.width, made.height) == (200, 100)
        opened: Any = Image.open(BytesIO(made.data))
        with opened as image:
            assert (image.size, image.n_frames, image.info["loop"]) == ((200, 100), 3, 3)
            for number, colour in enumerate([(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)]):
                image.seek(number)
                assert image.info["duration"] == 100 * (number + 1)
                assert_alike(image.convert("RGBA"), {(80, 60): colour}, 20)
                if transparent:
                    assert image.convert("RGBA").getpixel((195, 95))[3] == 0


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


PHONES: dict[str, Callable[[bytes], bytes]] = {
    "20 MB of segments": lambda photo: photo[:2] + segment(0xE2, bytes(65_000)) * 310 + photo[2:],
    "a film behind it": lambda photo: photo + b"\0\0\0\x18ftypmp42" + bytes(500_000),
    "a gain map behind it": lambda photo: photo + encoded(Image.new("L", (32, 24), 255), "JPEG"),
    "an MPO": lambda photo: encoded(
        Image.open(BytesIO(photo)), "MPO", save_all=True, append_images=[Image.new("RGB", (32, 24), "blue")]
    ),
}


class TestPhones:
    @pytest.mark.parametrize("kind", PHONES)
    def test_the_first_picture_is_shown(self, kind: str, engine: str, settings: Any) -> None:
        photo = picture((64, 48), "JPEG", quality=95)
        wanted = shown(rendered(engine, settings, photo))
        rendering = rendered(engine, settings, PHONES[kind](photo))
        assert (rendering.source.width, rendering.source.height) == (64, 48)
        assert_alike(shown(rendering), {at: wanted.getpixel(at) for at in ((2, 2), (29, 3), (16, 20))}, 6)

    @pytest.mark.parametrize("kind", ["20 MB of segments", "a gain map behind it"])
    def test_a_thumbnail_has_nothing_of_the_rest(self, kind: str, engine: str, settings: Any) -> None:
        source = PHONES[kind](picture((64, 48), "JPEG"))
        assert len(rendered(engine, settings, source, format="JPEG").thumbnail.data) < 2_000

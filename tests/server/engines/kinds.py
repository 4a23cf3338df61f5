"""The kinds of pictures that sites upload, and what the engines make of each."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from PIL import Image, ImageCms, features

from tests.support import png
from tests.support.pictures import ORIENTATION, encoded
from tests.support.profiles import profile, rgb

PILLOW, VIPS = "pillow", "vips"
SIZE = WIDTH, HEIGHT = 64, 48
INVALID, FORMAT = "source-invalid", "source-format"


@dataclass(frozen=True)
class Kind:
    """A kind of picture.

    make       its bytes
    truth      a PNG that looks the same, where Chromium does not show the kind, or shows other colours
    tolerance  the mean difference of a sample from what the browser shows
    why        the reason for a tolerance above 1
    refused    the code with which all engines refuse it
    differs    engine -> what is known to be different with it
    needs      whether the library here can write and read it
    """

    name: str
    make: Callable[[], bytes]
    truth: Callable[[], bytes] | None = None
    tolerance: float = 1.0
    why: str = ""
    refused: str = ""
    differs: dict[str, str] = field(default_factory=dict)
    needs: bool = True


def plain(mode: str = "RGB") -> Any:
    """A gradient, whose sides and corners are all different."""
    red = Image.linear_gradient("L").rotate(90).resize(SIZE)
    green = Image.linear_gradient("L").resize(SIZE)
    image = Image.merge("RGB", (red, green, Image.new("L", SIZE, 60)))
    if mode == "RGBA":
        image.putalpha(red)
    elif mode == "LA":
        image = Image.merge("LA", (green, red))
    elif mode == "P":
        return image.quantize(64)
    elif mode != "RGB":
        return image.convert(mode)
    return image


def turned(format: str, orientation: int, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(plain(), format, exif=exif.tobytes(), **options)


def written(format: str, mode: str = "RGB", **options: Any) -> bytes:
    return encoded(plain(mode), format, **options)


def samples(mode: str, depth: int) -> list[list[int]]:
    """Rows of samples of so many bits."""
    image, channels = plain(mode), len(plain(mode).getbands())
    data = image.tobytes()
    most = (1 << depth) - 1
    row = WIDTH * channels
    return [[v * most // 255 for v in data[y * row : (y + 1) * row]] for y in range(HEIGHT)]


def palette(depth: int) -> bytes:
    colours = bytes(v for n in range(1 << depth) for v in (n * 255 >> depth, 255 - (n * 255 >> depth), 90))
    return png.png(samples("L", depth), depth, png.PALETTE, png.chunk(b"PLTE", colours))


def png_of(mode: str, depth: int, kind: int, *chunks: tuple[bytes, bytes], **options: Any) -> bytes:
    before = b"".join(png.chunk(*one) for one in chunks)
    return png.png(samples(mode, depth), depth, kind, before, **options)


def damaged(what: str) -> bytes:
    rows = samples("RGB", 8)
    data = zlib.compress(png.packed(rows, 8))
    whole = partial(png.png, rows, 8, png.RGB)
    match what:
        case "crc of text":
            return whole(png.chunk(b"tEXt", b"Comment\0hello", crc=1))
        case "crc of data":
            return whole(idat=png.chunk(b"IDAT", data, crc=1))
        case "half of the data":
            return whole(idat=png.chunk(b"IDAT", data[: len(data) // 2]))
        case "no data":
            return whole(idat=b"")
    raise ValueError(what)


def animated(format: str, mode: str = "RGB", **options: Any) -> bytes:
    frames = [plain(mode), plain(mode).rotate(180)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=100, **options)


def segments() -> bytes:
    """A JPEG with a megabyte of application segments."""
    data = written("JPEG", quality=95, subsampling=0)
    return data[:2] + b"".join(b"\xff\xec\xff\xff" + bytes(65_533) for _ in range(16)) + data[2:]


def cmyk(format: str, **options: Any) -> bytes:
    return encoded(plain().convert("CMYK"), format, **options)


def icon() -> bytes:
    return encoded(plain("RGBA").resize((64, 64)), "ICO", sizes=[(16, 16), (32, 32), (64, 64)])


def heic(mode: str = "RGB", orientation: int = 1) -> bytes:
    import io

    import pillow_heif

    file, exif = io.BytesIO(), Image.Exif()
    exif[ORIENTATION] = orientation
    pillow_heif.from_pillow(plain(mode)).save(file, quality=95, chroma=444, exif=exif.tobytes())
    return file.getvalue()


def sixteen(format: str) -> bytes:
    grey = plain("L").convert("I").point(lambda value: value * 257).convert("I;16")
    return encoded(grey, format)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDE = profile(rgb())
TRUTH = partial(written, "PNG")
GREY_TRUTH = partial(written, "PNG", "L")
READS_HEIC = True
try:
    import pillow_heif  # noqa: F401
except ImportError:
    READS_HEIC = False


def _png() -> Iterator[Kind]:
    for depth in (1, 2, 4, 8, 16):
        yield Kind(f"PNG, grey, depth {depth}", partial(png_of, "L", depth, png.GREY))
    for depth in (1, 2, 4, 8):
        yield Kind(f"PNG, palette, depth {depth}", partial(palette, depth))
    for mode, kind in (("LA", png.GREY_ALPHA), ("RGB", png.RGB), ("RGBA", png.RGBA)):
        for depth in (8, 16):
            yield Kind(f"PNG, {mode}, depth {depth}", partial(png_of, mode, depth, kind))
    yield Kind("PNG, interlaced", partial(png_of, "RGB", 8, png.RGB, interlace=True))
    yield Kind("PNG, one transparent grey", partial(png_of, "L", 8, png.GREY, (b"tRNS", b"\0\x50")))
    key = struct.pack(">3H", *samples("RGB", 8)[20][:3])
    yield Kind("PNG, one transparent colour", partial(png_of, "RGB", 8, png.RGB, (b"tRNS", key)))
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    yield Kind("PNG, gamma of 1", partial(png_of, "RGB", 8, png.RGB, gamma))
    cicp = (b"cICP", bytes([12, 13, 0, 1]))
    yield Kind("PNG, Display P3 by cICP", partial(png_of, "RGB", 8, png.RGB, cicp))
    icc = (b"iCCP", b"p\0\0" + zlib.compress(WIDE))
    yield Kind("PNG, profile", partial(png_of, "RGB", 8, png.RGB, icc))
    yield Kind(
        "PNG, wrong CRC of a text",
        partial(damaged, "crc of text"),
    )
    yield Kind(
        "PNG, wrong CRC of the data",
        partial(damaged, "crc of data"),
        refused=INVALID,
    )
    yield Kind("PNG, half of the data", partial(damaged, "half of the data"), refused=INVALID)
    yield Kind("PNG, no data", partial(damaged, "no data"), refused=INVALID)
    yield Kind("APNG", partial(animated, "PNG"))


def _jpeg() -> Iterator[Kind]:
    fine: dict[str, Any] = {"quality": 95, "subsampling": 0}
    yield Kind("JPEG", partial(written, "JPEG", **fine))
    yield Kind("JPEG, 4:2:0", partial(written, "JPEG", quality=95, subsampling=2))
    yield Kind("JPEG, progressive", partial(written, "JPEG", progressive=True, **fine))
    yield Kind("JPEG, grey", partial(written, "JPEG", "L", quality=95))
    yield Kind("JPEG, restart markers", partial(written, "JPEG", restart_marker_rows=1, **fine))
    yield Kind("JPEG, 1 MB of segments", segments)
    yield Kind("JPEG, sRGB profile", partial(written, "JPEG", icc_profile=SRGB, **fine))
    yield Kind("JPEG, another RGB profile", partial(written, "JPEG", icc_profile=WIDE, **fine))
    yield Kind("JPEG, CMYK", partial(cmyk, "JPEG", quality=95))
    for number in range(1, 9):
        yield Kind(f"JPEG, orientation {number}", partial(turned, "JPEG", number, **fine))
    yield Kind(
        "JPEG, a film behind it", lambda: written("JPEG", **fine) + b"\0\0\0\x18ftypmp42" + bytes(5_000)
    )
    yield Kind("JPEG, cut by half", lambda: _half(written("JPEG", **fine)), refused=INVALID)
    yield Kind("MPO", partial(animated, "MPO", **fine))


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _others() -> Iterator[Kind]:
    yield Kind("GIF", partial(written, "GIF", "P"))
    yield Kind("GIF, transparent", partial(written, "GIF", "P", transparency=5))
    yield Kind("GIF, interlaced", partial(written, "GIF", "P", interlace=1))
    yield Kind("GIF, animated", partial(animated, "GIF", "P"))
    yield Kind("WebP", partial(written, "WEBP", quality=95))
    yield Kind("WebP, lossless", partial(written, "WEBP", lossless=True))
    yield Kind("WebP, transparent", partial(written, "WEBP", "RGBA", lossless=True))
    yield Kind("WebP, animated", partial(animated, "WEBP", lossless=True))
    yield Kind("WebP, profile", partial(written, "WEBP", lossless=True, icc_profile=WIDE))
    yield Kind("WebP, cut by half", lambda: _half(written("WEBP", lossless=True)), refused=INVALID)
    avif: dict[str, Any] = {"needs": features.check("avif")}
    fine: dict[str, Any] = {"quality": 95, "subsampling": "4:4:4"}
    yield Kind("AVIF", partial(written, "AVIF", **fine), **avif)
    yield Kind(
        "AVIF, transparent",
        partial(written, "AVIF", "RGBA", **fine),
        partial(written, "PNG", "RGBA"),
        **avif,
    )
    yield Kind("AVIF, grey", partial(written, "AVIF", "L", quality=95), **avif)
    for number in (3, 5, 6, 8):
        make = partial(turned, "AVIF", number, **fine)
        yield Kind(f"AVIF, orientation {number}", make, **avif)
    yield Kind("AVIF, sequence", partial(animated, "AVIF", **fine), TRUTH, **avif)
    for mode in ("1", "L", "P", "RGB"):
        yield Kind(f"BMP, {mode}", partial(written, "BMP", mode))
    yield Kind("ICO of three sizes", icon)
    yield Kind(
        "SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'/>", refused=FORMAT
    )
    yield Kind("JPEG XL", lambda: b"\xff\x0a" + bytes(60), refused=FORMAT)


def _unshown() -> Iterator[Kind]:
    for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        yield Kind(f"TIFF, {name}", partial(written, "TIFF", compression=name), TRUTH)
    yield Kind(
        "TIFF, jpeg", partial(written, "TIFF", compression="jpeg", quality=95), TRUTH, 3, "JPEG is lossy"
    )
    yield Kind("TIFF, grey", partial(written, "TIFF", "L"), GREY_TRUTH)
    yield Kind("TIFF, black and white", partial(written, "TIFF", "1"), partial(written, "PNG", "1"))
    yield Kind("TIFF, palette", partial(written, "TIFF", "P"), partial(written, "PNG", "P"))
    yield Kind("TIFF, RGBA", partial(written, "TIFF", "RGBA"), partial(written, "PNG", "RGBA"))
    yield Kind("TIFF, grey of 16 bits", partial(sixteen, "TIFF"), GREY_TRUTH)
    yield Kind("TIFF, CMYK", partial(cmyk, "TIFF"), TRUTH)
    yield Kind(
        "TIFF, cut by half",
        lambda: _half(written("TIFF")),
        refused=INVALID,
    )
    yield Kind("JPEG 2000", partial(written, "JPEG2000"), TRUTH)
    yield Kind("PPM", partial(written, "PPM"), TRUTH)
    yield Kind("PGM", partial(written, "PPM", "L"), GREY_TRUTH)
    has: dict[str, Any] = {"needs": READS_HEIC}
    yield Kind("HEIC", heic, TRUTH, 2, "HEVC is lossy", **has)
    yield Kind("HEIC, grey", partial(heic, "L"), GREY_TRUTH, 2, "HEVC is lossy", **has)
    yield Kind(
        "HEIC, transparent",
        partial(heic, "RGBA"),
        partial(written, "PNG", "RGBA"),
        2,
        "HEVC is lossy",
        **has,
    )
    for number in (3, 5, 6, 8):
        truth = partial(turned, "PNG", number)
        yield Kind(
            f"HEIC, orientation {number}", partial(heic, "RGB", number), truth, 2, "HEVC is lossy", **has
        )


KINDS = [*_png(), *_jpeg(), *_others(), *_unshown()]

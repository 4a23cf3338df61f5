"""HEIC: as encoders write it, as attackers write it, and on a server without pillow-heif."""

import struct
import sys
from io import BytesIO
from random import Random
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageChops, ImageStat

from shrinkmeister.exceptions import SourceError, SourceFormatError, SourceInvalidError, SourceTooLargeError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server import inspection
from shrinkmeister_server.engines.pillow_decoding import TURNS
from shrinkmeister_server.inspection import validate
from shrinkmeister_server.inspection.isobmff import BoxReader
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import Rendering, render
from tests.support import hostile_heic
from tests.support.hostile_avif import Item, box, ispe
from tests.support.pictures import ORIENTATION, picture
from tests.support.sides import Server

pytestmark = pytest.mark.makes_thumbnails


def heic(image: Any, **options: Any) -> bytes:
    file = BytesIO()
    pillow_heif.from_pillow(image).save(file, **{"quality": 90, **options})
    return file.getvalue()


def upright(size: tuple[int, int] = (400, 300), mode: str = "RGB") -> Any:
    return Image.open(BytesIO(picture(size, "PNG", mode)))


@pytest.fixture
def made(server: Server, settings: Any) -> Any:
    def make(data: bytes, geometry: str = "200", **options: Any) -> Rendering:
        settings.THUMBNAIL_ENGINE = "shrinkmeister_server.engines.pillow.Engine"
        settings.THUMBNAIL_MAX_SECONDS = 600
        spec = ThumbnailSpec(Source("s3", "photos", "one.heic"), geometry, {"format": "PNG", **options})
        return render(data, spec, (), Timing())

    return make


def difference(data: bytes, expected: Any) -> float:
    with Image.open(BytesIO(data)) as image:
        assert image.size == expected.size
        found = ImageChops.difference(image.convert("RGB"), expected.convert("RGB"))
    return max(ImageStat.Stat(found).mean)


def test_the_thumbnail_shows_the_picture(made: Any) -> None:
    rendering = made(heic(upright()))
    assert (rendering.source.width, rendering.source.height) == (400, 300)
    assert difference(rendering.thumbnail.data, upright().resize((200, 150))) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_once(orientation: int, made: Any) -> None:
    image = upright((400, 200))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    # The encoder writes the properties irot and imir for it.
    rendering = made(heic(image, exif=exif.tobytes()))
    expected = image.transpose(TURNS[orientation]) if orientation > 1 else image
    assert (rendering.source.width, rendering.source.height) == expected.size
    assert not rendering.source.flipped
    width, height = expected.size
    assert difference(rendering.thumbnail.data, expected.resize((200, 200 * height // width))) < 2


def test_a_thumbnail_is_transparent_where_the_picture_is(made: Any) -> None:
    with Image.open(BytesIO(made(heic(upright(mode="RGBA"))).thumbnail.data)) as image:
        assert image.mode == "RGBA"
        alpha: Any = image.getchannel("A")
    assert alpha.getpixel((2, 75)) < 20
    assert alpha.getpixel((197, 75)) > 235


def test_a_grey_picture(made: Any) -> None:
    grey = upright(mode="L")
    assert difference(made(heic(grey)).thumbnail.data, grey.resize((200, 150))) < 2


def test_a_second_picture_of_the_file_is_not_decoded(made: Any) -> None:
    file = pillow_heif.from_pillow(upright())
    file.add_from_pillow(upright((64, 48)))
    data = BytesIO()
    file.save(data, primary_index=0)
    with Image.open(BytesIO(made(data.getvalue(), format="GIF").thumbnail.data)) as image:
        assert getattr(image, "n_frames", 1) == 1


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The decoder's configuration as a box, and the bitstream of the picture."""
    (group,) = BoxReader(data).groups
    ((start, end),) = group.configurations.values()
    ((first, length),) = group.places[group.primary]
    return box(b"hvcC", data[start:end]), data[first : first + length]


def test_tiles_as_telephones_write_them(made: Any) -> None:
    configuration, bitstream = parts(heic(upright((128, 128))))
    described = struct.pack(">BBBBHH", 0, 0, 1, 1, 200, 256)
    tiles = [Item(b"hvc1", [1, 2], [(0, len(bitstream))])] * 4
    data = hostile_heic.heic(
        [Item(b"grid", [3], [(len(bitstream), len(described))]), *tiles],
        [ispe((128, 128)), configuration, ispe((200, 256))],
        bitstream + described,
        hostile_heic.references(b"dimg", (1, [2, 3, 4, 5])),
    )
    rendering = made(data, "200x256")
    assert (rendering.source.width, rendering.source.height) == (200, 256)
    expected = Image.new("RGB", (200, 256))
    for place in ((0, 0), (128, 0), (0, 128), (128, 128)):
        expected.paste(upright((128, 128)), place)
    assert difference(rendering.thumbnail.data, expected) < 2


def test_ten_bits(made: Any) -> None:
    levels = (round(number / 4095 * 65535) for number in range(0, 4096, 64))
    row = b"".join(level.to_bytes(2, "little") * 3 for level in levels)
    file = BytesIO()
    pillow_heif.from_bytes("RGB;16", (64, 64), row * 64).save(file, quality=-1, chroma=444)
    with Image.open(BytesIO(made(file.getvalue(), "64x64").thumbnail.data)) as image:
        found = image.convert("L").tobytes()[32 * 64 : 33 * 64]
    assert all(abs(found[x] - wanted) <= 6 for x, wanted in ((0, 0), (32, 128), (63, 251)))


def test_of_the_general_brand(made: Any) -> None:
    data = heic(upright()).replace(b"ftypheic", b"ftypmif1", 1)
    assert made(data).thumbnail.width == 200


def test_nothing_else_opens_a_heic_afterwards(made: Any) -> None:
    made(heic(upright()))
    assert "HEIF" not in Image.OPEN


def test_the_largest_picture(made: Any, settings: Any) -> None:
    data = heic(upright((512, 256)))
    settings.THUMBNAIL_MAX_PIXELS = 512 * 256
    assert validate(BytesIO(data)).size == (512, 256)
    settings.THUMBNAIL_MAX_PIXELS -= 1
    with pytest.raises(SourceTooLargeError):
        validate(BytesIO(data))


@pytest.mark.parametrize("kind", hostile_heic.SOURCES)
def test_a_file_that_is_too_large(kind: str) -> None:
    with pytest.raises(SourceTooLargeError):
        validate(BytesIO(hostile_heic.SOURCES[kind]()))


@pytest.mark.parametrize("kind", hostile_heic.BROKEN)
def test_a_file_that_is_broken(kind: str) -> None:
    with pytest.raises(SourceInvalidError):
        validate(BytesIO(hostile_heic.BROKEN[kind]()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_of_the_boxes(seed: int) -> None:
    random, data = Random(seed), heic(upright((64, 48), "RGBA"), quality=50)
    end = data.index(b"mdat")
    for _ in range(1_000):
        changed = bytearray(data)
        for _ in range(random.randint(1, 4)):
            changed[random.randrange(8, end)] = random.choice(
                (0, 1, 2, 127, 128, 255, random.randrange(256))
            )
        try:
            validate(BytesIO(bytes(changed)))
        except SourceError:
            continue


def test_a_server_without_pillow_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(upright())
    inspection._heic_reader.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceFormatError, match=r"shrinkmeister\[heif\]"):
        validate(BytesIO(data))


@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_a_jpeg_xl_is_named(start: bytes) -> None:
    with pytest.raises(SourceFormatError, match="JPEG XL"):
        validate(BytesIO(start + bytes(100)))

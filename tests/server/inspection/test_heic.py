"""HEIC: what encoders write is decoded as a browser shows it, and a crafted file is refused."""

import sys
from dataclasses import replace
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from shrinkmeister.exceptions import SourceFormatError, SourceInvalidError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.inspection import validate
from shrinkmeister_server.inspection.isobmff import BoxReader
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import Rendering, render
from tests.server.inspection.test_hostile_containers import ENGINES
from tests.support import hostile_heic
from tests.support.hostile_avif import Item, box, ispe
from tests.support.pictures import picture
from tests.support.profiles import profile, rgb
from tests.support.sides import Server

pytestmark = [pytest.mark.makes_thumbnails]


@pytest.fixture(params=["pillow", "vips"])
def engine(request: pytest.FixtureRequest, server: Server, settings: Any) -> None:
    settings.THUMBNAIL_ENGINE = ENGINES[request.param]
    settings.THUMBNAIL_MAX_SECONDS = 600


def heic(image: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    pillow_heif.from_pillow(image).save(file, **options)
    return file.getvalue()


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The decoder's configuration as a box, and the bitstream of the picture."""
    (group,) = BoxReader(data).groups
    ((start, end),) = group.configurations.values()
    ((first, length),) = group.places[group.primary]
    return box(b"hvcC", data[start:end]), data[first : first + length]


def gradient(mode: str = "RGB", size: tuple[int, int] = (400, 300)) -> Image.Image:
    return Image.open(BytesIO(picture(size, "PNG", "RGBA" if mode == "RGBA" else "RGB"))).convert(mode)


def made(data: bytes, geometry: str = "200x200", **options: Any) -> Rendering:
    return render(data, ThumbnailSpec(Source("s3", "photos", "a.heic"), geometry, options), (), Timing())


def opened(rendering: Rendering) -> Image.Image:
    return Image.open(BytesIO(rendering.thumbnail.data))


def is_alike(one: Image.Image, other: Image.Image, most: int = 12) -> bool:
    first, second = (image.resize((8, 6), Image.Resampling.BOX).tobytes() for image in (one, other))
    return one.mode == other.mode and all(abs(a - b) <= most for a, b in zip(first, second, strict=True))


@pytest.mark.usefixtures("engine")
class TestWhatEncodersWrite:
    def test_a_photograph(self) -> None:
        rendering = made(heic(gradient()))
        assert (rendering.source.width, rendering.source.height) == (400, 300)
        assert opened(rendering).size == (200, 150)
        assert is_alike(opened(rendering), gradient())

    def test_transparency(self) -> None:
        thumbnail = opened(made(heic(gradient("RGBA")), format="PNG"))
        assert is_alike(thumbnail, gradient("RGBA"), 24)

    def test_gray(self) -> None:
        assert is_alike(opened(made(heic(gradient("L")))), gradient("L").convert("RGB"))

    def test_ten_bits(self) -> None:
        levels = (round(number / 4095 * 65535) for number in range(0, 4096, 64))
        data = b"".join(level.to_bytes(2, "little") for level in levels for _ in range(3)) * 64
        file = pillow_heif.from_bytes("RGB;16", (64, 64), data)
        written = BytesIO()
        file.save(written, quality=-1, chroma=444)
        thumbnail = opened(made(written.getvalue(), "64x64"))
        assert thumbnail.size == (64, 64)
        row = thumbnail.convert("L").tobytes()[32 * 64 : 33 * 64]
        assert all(abs(row[x] - wanted) <= 6 for x, wanted in ((0, 0), (32, 128), (63, 251)))

    @pytest.mark.parametrize(("quarters", "orientation"), [(1, 8), (2, 3), (3, 6)])
    def test_it_is_turned_once(self, quarters: int, orientation: int) -> None:
        """Counterclockwise, by a property of the picture."""
        configuration, bitstream = parts(heic(gradient()))
        item = Item(b"hvc1", [1, 2, 3], [(0, len(bitstream))])
        properties = [ispe((400, 300)), configuration, box(b"irot", bytes([quarters]))]
        as_heic = made(hostile_heic.heic([item], properties, bitstream))
        as_jpeg = made(picture(orientation=orientation, quality=95))
        assert is_alike(opened(as_heic), opened(as_jpeg))
        assert opened(as_heic).size == opened(as_jpeg).size
        size = (400, 300) if quarters == 2 else (300, 400)
        assert as_heic.source == replace(as_jpeg.source, width=size[0], height=size[1], flipped=False)

    def test_colours_of_a_telephone(self) -> None:
        image = gradient()
        image.info["icc_profile"] = profile(rgb())
        assert opened(made(heic(image))).info["icc_profile"]

    def test_a_general_brand(self) -> None:
        data = heic(gradient()).replace(b"ftypheic", b"ftypmif1", 1)
        assert opened(made(data)).size == (200, 150)

    def test_a_grid(self) -> None:
        """As telephones write it: each tile is an item."""
        configuration, bitstream = parts(heic(gradient(size=(128, 128))))
        described = b"\0\0\1\1" + (200).to_bytes(2) + (256).to_bytes(2)
        items = [Item(b"hvc1", [1, 2], [(0, len(bitstream))])] * 4
        items.append(Item(b"grid", [3], [(len(bitstream), len(described))]))
        data = hostile_heic.heic(
            items,
            [ispe((128, 128)), configuration, ispe((200, 256))],
            bitstream + described,
            [hostile_heic.reference(b"dimg", 5, [1, 2, 3, 4])],
        )
        rendering = made(data, "100x128")
        assert (rendering.source.width, rendering.source.height) == (200, 256)
        assert is_alike(opened(rendering).crop((0, 0, 64, 64)), gradient(size=(128, 128)))


@pytest.mark.usefixtures("server")
class TestRefused:
    def test_where_the_library_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(SourceFormatError, match=r"shrinkmeister\[heif\]"):
            validate(BytesIO(heic(gradient())))

    def test_a_cut_file(self) -> None:
        data = heic(gradient())
        for length in range(16, len(data), 211):
            with pytest.raises((SourceInvalidError, SourceFormatError)):
                made(data[:length])

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (hostile_heic.made_of(b"grid", [2], (64, 64)), SourceInvalidError),
            (hostile_heic.levels(20, 1), SourceInvalidError),
            (hostile_heic.one((64, 64), (64, 64)) + box(b"moov"), SourceFormatError),
            (hostile_heic.one((64, 64), (64, 64)).replace(b"hvc1", b"av01"), SourceFormatError),
            (hostile_heic.one((64, 64), (64, 64)).replace(b"hvcC", b"free"), SourceInvalidError),
            (hostile_heic.one((64, 64), (64, 64)).replace(b"pitm", b"free"), SourceInvalidError),
        ],
        ids=["contains itself", "many levels", "a film", "AV1", "no configuration", "no primary picture"],
    )
    def test_a_crafted_file(self, data: bytes, error: type[Exception]) -> None:
        with pytest.raises(error):
            validate(BytesIO(data))

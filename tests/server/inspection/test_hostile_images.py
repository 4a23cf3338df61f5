"""Sources made to do harm: what each is answered with, what it may cost, and what is left of it."""

import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import Mock
from zlib import compress

import pytest
import pyvips
from PIL import Image, PngImagePlugin
from sorl.thumbnail import get_thumbnail

from shrinkmeister.exceptions import SourceFormatError, SourceTooSlowError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.engines.pillow import Engine
from shrinkmeister_server.inspection import validate_opened
from shrinkmeister_server.rendering import render as rendering
from shrinkmeister_server.rendering.render import get_engine
from shrinkmeister_server.time_limit import TimeLimit
from tests import ROOT
from tests.server.test_server import save, stored, url_of
from tests.support import hostile
from tests.support.pictures import encoded, picture, size_of
from tests.support.sides import Server

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.survives("hostile images, of both engines")]

ENGINES = {
    "pillow": "shrinkmeister_server.engines.pillow.Engine",
    "vips": "shrinkmeister_server.engines.vips.Engine",
}
READ_BY_BOTH = ["JPEG", "PNG", "GIF", "WEBP", "TIFF"]
FORMATS = [*READ_BY_BOTH, "AVIF", "BMP", "ICO", "JPEG2000", "PPM"]
REFUSED = (413, 415, 422)

TOO_LARGE: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: hostile.black_png((12_000, 12_000)),
    "PNG, more than Pillow opens": lambda: hostile.png((20_000, 20_000)),
    "PNG with a second header": lambda: hostile.png((9, 9), (b"IHDR", hostile.png((9_000, 9_000))[16:29])),
    "ICO with a larger PNG": lambda: hostile.icon(hostile.black_png((12_000, 12_000))),
    "ICO with a larger BMP": lambda: hostile.rle_icon((12_000, 12_000)),
    "GIF with a larger frame": lambda: hostile.gif((10, 10), (12_000, 12_000)),
    "WebP": lambda: hostile.webp((16_000, 16_000)),
    "TIFF": lambda: hostile.tiff(hostile.page((9_000, 9_000))),
    "JPEG of many segments": lambda: hostile.many_segments(100_010),
    "PNG of many chunks": lambda: hostile.many_chunks(100_010),
    "TIFF of many strips": lambda: hostile.many_strips(100_010),
    "TIFF of many pages": lambda: hostile.tiff(*[hostile.page((8, 8))] * 1001),
    "TIFF of large tiles": lambda: hostile.tiff(
        {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1, 322: 60_000, 323: 60_000, 324: 8, 325: 64}
    ),
    "BMP": lambda: hostile.bmp((9_000, 9_000), 0, b""),
    "BMP, compressed": lambda: hostile.bmp((9_000, 9_000), 1, b"\0\1"),
    "PPM": lambda: b"P6 9000 9000 255\n",
    "JPEG 2000 with a larger codestream": lambda: hostile.jpeg2000((12_000, 12_000)),
    "JPEG of many scans": lambda: hostile.scans(101),
    "AVIF larger than its pictures say": lambda: hostile.avif((30_000, 30_000)),
    "JPEG of many scans with arithmetic coding": lambda: hostile.arithmetic_scans(21),
}
OTHER: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"not an image",
    "HTML": lambda: b"<!DOCTYPE html><script>alert(1)</script>",
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "EPS": lambda: encoded(Image.new("RGB", (9, 9)), "EPS"),
    "PDF": lambda: encoded(Image.new("RGB", (9, 9)), "PDF"),
    "PSD": lambda: b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x40\0\0\0\x40\0\x08\0\3" + bytes(9999),
    "TGA": lambda: encoded(Image.new("RGB", (9, 9)), "TGA"),
    "MP4": lambda: b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(99),
    "film of HEVC": lambda: b"\0\0\0\x18ftyphev1\0\0\0\0isomhev1" + bytes(99),
    "ImageMagick's own language": lambda: (
        b"push graphic-context\nimage over 0,0 0,0 'https://example.com/'\n"
    ),
    "libvips' own format": lambda: b"\x08\xf2\xa6\xb6" + bytes(99),
    "random bytes": lambda: Random(1).randbytes(10_000),
}
BOMB = compress(bytes(100_000_000))
BROKEN: dict[str, Callable[[], bytes]] = {
    "half a JPEG": lambda: picture()[:900],
    "half a PNG": lambda: picture(format="PNG")[:600],
    "PNG without pixels": lambda: hostile.png((7_000, 7_000)),
    "PNG with a text of 100 MB": lambda: hostile.png((9, 9), (b"zTXt", b"a\0\0" + BOMB)),
    "PNG with an international text of 100 MB": lambda: hostile.png(
        (9, 9), (b"iTXt", b"a\0\1\0\0\0" + BOMB)
    ),
    "PNG with a profile of 100 MB": lambda: hostile.png((9, 9), (b"iCCP", b"a\0\0" + BOMB)),
    "WebP on another canvas": lambda: hostile.webp((7_000, 7_000)),
    "BMP that ends at once": lambda: hostile.bmp((7_000, 7_000), 1, b"\0\1"),
    "HEIC of nothing": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
    "ICO of nothing": lambda: b"\0\0\1\0\0\0",
    "ICO that points outside": lambda: hostile.icon(b""),
}
if ".avif" not in Image.registered_extensions():
    FORMATS.remove("AVIF")
    del TOO_LARGE["AVIF larger than its pictures say"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, server: Server, media: Path, settings: Any) -> str:
    settings.THUMBNAIL_ENGINE = ENGINES[request.param]
    return str(request.param)


@pytest.fixture
def ask(server: Server, media: Path, caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    """The answer to the URL of a thumbnail of this source, in which an error is one line of the log."""

    def asked(data: bytes, geometry: str = "30x20", **options: Any) -> Any:
        caplog.clear()
        name = save("photos/hostile.jpg", data)
        with caplog.at_level(logging.INFO):
            spec = ThumbnailSpec(
                Source("storage", "default", name), geometry, {"crop": "center", **options}
            )
            answer = server.get(url_of(spec))
        ours = [one for one in caplog.records if one.name.startswith("shrinkmeister")]
        assert len(ours) == 1
        assert not any(one.exc_info for one in caplog.records)
        for line in ours:
            assert "\n" not in line.getMessage()
            assert " at 0x" not in line.getMessage()
            assert "hostile" not in line.getMessage()
        return answer

    return asked


def sound(ask: Any, media: Path) -> bool:
    """Whether this process goes on making thumbnails."""
    return size_of(stored(media, ask(picture((64, 48))))) == (30, 20)


@pytest.mark.parametrize(
    ("status", "make"),
    [
        pytest.param(status, make, id=name)
        for status, sources in ((413, TOO_LARGE), (415, OTHER), (422, BROKEN))
        for name, make in sources.items()
    ],
)
def test_what_a_source_is_answered_with(
    status: int, make: Callable[[], bytes], engine: str, ask: Any, media: Path
) -> None:
    assert ask(make()).status_code == status
    assert not (media / "cache").exists()
    assert get_thumbnail("photos/hostile.jpg", "30x20", crop="center").lazy
    assert sound(ask, media)


@pytest.mark.parametrize("format", FORMATS)
def test_files_that_end_too_early_or_have_been_changed(
    format: str, engine: str, ask: Any, media: Path
) -> None:
    """At places and in ways that are random, and the same each time; some are still pictures."""
    data, random = picture((64, 48), format), Random(7)
    for _ in range(12):
        changed = bytearray(data)
        for _ in range(8):
            changed[random.randrange(len(data))] = random.randrange(256)
        for broken in (bytes(changed), data[: random.randrange(len(data))]):
            assert ask(broken).status_code in (302, *REFUSED)
    assert sound(ask, media)


def test_a_frame_without_its_pixels(engine: str, ask: Any, media: Path) -> None:
    """libvips leaves them transparent."""
    assert ask(hostile.gif((7_000, 7_000), (7_000, 7_000))).status_code in (302, 422)
    assert sound(ask, media)


def animation(frames: int, format: str = "GIF", size: tuple[int, int] = (16, 16)) -> bytes:
    """Black and white in turns, since encoders make one frame of equal ones."""
    images = [Image.new("RGB", size, "white" if number % 2 else "black") for number in range(frames)]
    return encoded(images[0], format, save_all=True, append_images=images[1:])


def secrets() -> dict[str, bytes]:
    """Sound pictures with something else in each place for it, and behind them."""
    image = Image.linear_gradient("L").convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = "SECRET"  # ImageDescription
    exif.get_ifd(0x8825)[1] = "SECRET"  # GPS
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRET")
    text.add_itxt("XML:com.adobe.xmp", "SECRET")
    tail = b"<script>SECRET</script>PK\x05\x06" + bytes(18)
    return {
        "JPEG": encoded(image, "JPEG", exif=exif, comment=b"SECRET", xmp=b"SECRET") + tail,
        "PNG": encoded(image, "PNG", exif=exif, pnginfo=text) + tail,
        "GIF": encoded(image, "GIF", comment=b"SECRET") + tail,
        "animation": encoded(
            image, "GIF", save_all=True, append_images=[image.rotate(90)], comment=b"SECRET"
        ),
        "WEBP": encoded(image, "WEBP", exif=exif, xmp=b"SECRET"),
        "TIFF": encoded(image, "TIFF", exif=exif, description="SECRET") + tail,
    }


@pytest.mark.parametrize("target", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("source", secrets())
def test_only_the_picture_survives(source: str, target: str, engine: str, ask: Any, media: Path) -> None:
    data = secrets()[source]
    assert b"SECRET" in data
    assert b"SECRET" not in stored(media, ask(data, format=target))


def test_a_script_that_is_a_gif_is_made_into_another_one(engine: str, ask: Any, media: Path) -> None:
    script = b"*/=alert(1)//"
    data = bytearray(picture((0x2F2A, 3), "GIF"))  # its width is "*/"... read by a browser as a comment
    assert data[6:8] == b"*/"
    assert script not in stored(media, ask(bytes(data) + script, format="GIF"))


class TestLimits:
    def test_pixels_are_counted_before_they_are_decoded(
        self, engine: str, ask: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_MAX_PIXELS = 400 * 300 - 1
        data = picture()
        monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
        assert ask(data).status_code == 413

    def test_another_size_than_pillows_is_counted_too(
        self, engine: str, ask: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind = type(get_engine())
        monkeypatch.setattr(kind, "get_image_size", lambda self, image: (9_000, 9_000))
        assert ask(picture()).status_code == 413

    @pytest.mark.parametrize(
        ("geometry", "options", "resolutions", "status"),
        [
            ("8192x10", {}, [], 302),
            ("8193x10", {}, [], 422),
            ("10x8193", {}, [], 422),
            ("4096x10", {}, [2], 302),
            ("4097x10", {}, [2], 422),
            ("8193", {"crop": False}, [], 422),
            ("8193", {"crop": False, "upscale": False}, [], 302),
            ("8193x10", {"crop": False, "padding": True}, [], 422),
            ("8193x10", {"crop": False}, [], 302),
        ],
    )
    def test_the_sides_of_what_is_written(
        self,
        geometry: str,
        options: Any,
        resolutions: list[int],
        status: int,
        engine: str,
        ask: Any,
        settings: Any,
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = resolutions
        assert ask(picture((2_000, 20)), geometry, **options).status_code == status

    @pytest.mark.parametrize(
        ("geometry", "options"),
        [
            ("30000x30000", {}),
            ("99999x99999", {"upscale": True, "crop": False}),
            ("7000x7000", {"padding": True, "upscale": False, "crop": False}),
            ("100", {"cropbox": "0,0,9999,9999"}),
            ("100", {"rounded": 10**6}),
        ],
    )
    def test_results_that_would_fill_the_memory(
        self, geometry: str, options: Any, engine: str, ask: Any, media: Path, settings: Any
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        settings.THUMBNAIL_MAX_SIDE = 99_999
        assert ask(picture(), geometry, **options).status_code == 422
        assert not (media / "cache").exists()

    @pytest.mark.parametrize(("frames", "status"), [(100, 302), (101, 413)])
    def test_frames_of_an_animation_that_stays_one(
        self, frames: int, status: int, engine: str, ask: Any, media: Path
    ) -> None:
        answer = ask(animation(frames), format="GIF")
        assert answer.status_code == status
        if status == 302:
            with Image.open(BytesIO(stored(media, answer))) as image:
                assert getattr(image, "n_frames", 1) == frames

    def test_a_still_of_many_frames(self, engine: str, ask: Any, media: Path) -> None:
        data = animation(500)
        for options in ({}, {"crop": "smart"}):
            assert size_of(stored(media, ask(data, format="PNG", **options))) == (30, 20)

    def test_pixels_of_all_frames(self, engine: str, ask: Any, settings: Any) -> None:
        data = animation(10, size=(100, 100))
        settings.THUMBNAIL_MAX_PIXELS = 10 * 100 * 100
        assert ask(data, format="GIF").status_code == 302
        assert ask(data, "101x101", format="GIF").status_code == 422  # of which it would hold ten
        settings.THUMBNAIL_MAX_PIXELS -= 1
        assert ask(data, format="GIF").status_code == 413
        assert ask(data, format="PNG").status_code == 302

    def test_a_later_frame_that_is_larger(self, engine: str, ask: Any) -> None:
        data = hostile.gif((10, 10), (10, 10), (12_000, 12_000))
        assert ask(data, format="GIF").status_code == 413

    @pytest.mark.parametrize("format", ["WEBP", "PNG", "TIFF"])
    def test_frames_of_other_formats(self, format: str, server: Server, ask: Any) -> None:
        """Pillow makes a GIF with all of them."""
        data = animation(101, format)
        assert ask(data, format="GIF").status_code == 413
        assert ask(data, format="JPEG").status_code == 302

    def test_pages_in_a_circle(self, engine: str, ask: Any) -> None:
        data = hostile.tiff(hostile.page((8, 8)), hostile.page((8, 8)), following=8)
        for format in ("JPEG", "GIF"):
            assert ask(data, format=format).status_code == 302

    def test_scans_that_encoders_make(self, engine: str, ask: Any) -> None:
        assert ask(hostile.scans(100)).status_code == 302
        # What lies behind a picture is not counted.
        assert ask(picture(progressive=True) + b"\xff\xda" * 101).status_code == 302

    def test_memory_that_is_not_there(
        self, engine: str, ask: Any, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object) -> None:
            raise MemoryError

        with monkeypatch.context() as patch:
            patch.setattr(type(get_engine()), "_decoded", fail)
            assert ask(picture()).status_code == 413
        assert sound(ask, media)


class TestTime:
    def test_it_is_up(
        self, engine: str, ask: Any, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            after = Mock(return_value=TimeLimit(0, lambda: 1))
            patch.setattr(TimeLimit, "after", after)
            answer = ask(picture())
            assert answer.status_code == 422
            assert b"too long" in answer.content
            after.assert_called_once_with(20)
        assert sound(ask, media)

    @pytest.mark.parametrize("steps", range(1, 40, 3))
    def test_at_any_step(self, steps: int, engine: str, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """By a clock that goes on when somebody looks at it."""
        looked = count()
        deadline = TimeLimit(steps, lambda: next(looked))
        monkeypatch.setattr(TimeLimit, "after", lambda seconds: deadline)
        answer = ask(picture((640, 480)), format="PNG", crop="smart")
        assert answer.status_code == (422 if next(looked) > steps + 1 else 302)
        assert answer.status_code == 302 or b"too long" in answer.content

    def test_sorls_own_engine_stops_between_its_steps(
        self, server: Server, ask: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ENGINE = "sorl.thumbnail.engines.pil_engine.Engine"
        monkeypatch.setattr(rendering, "validate", lambda file: Image.open(BytesIO(file.getvalue())))
        monkeypatch.setattr(TimeLimit, "after", lambda seconds: TimeLimit(0, lambda: 1))
        assert b"too long" in ask(picture()).content

    @pytest.mark.parametrize("format", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF"])
    def test_pillow_stops_while_it_decodes(self, format: str) -> None:
        over = [0.0]
        image = Engine()._opened(picture(format=format), TimeLimit(1, lambda: over[0]))
        over[0] = 2.0
        with pytest.raises((SourceTooSlowError, OSError, SystemError)):
            image.load()

    @pytest.mark.libvips
    @pytest.mark.parametrize("format", READ_BY_BOTH)
    def test_libvips_stops_while_it_decodes(self, format: str, server: Server) -> None:
        # Not for the whole module: sorl 13.1, which clients may have, has no engine for libvips.
        from shrinkmeister_server.engines.vips import _opened

        over = [0.0]
        # Large enough that it looks at the clock before it is done.
        image = _opened(picture((6_000, 4_500), format), TimeLimit(1, lambda: over[0]))
        over[0] = 2.0
        with pytest.raises(pyvips.Error, match="killed"):
            image.avg()


class TestFormats:
    """What is not on the list is not decoded by anything."""

    def test_no_other_program_is_run(
        self, server: Server, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Any
    ) -> None:
        """Pillow hands an EPS to Ghostscript, where there is one; here it would tell."""
        told = tmp_path / "told"
        ghostscript = tmp_path / "gs"
        ghostscript.write_text(f"#!/bin/sh\ntouch {told}\n")
        ghostscript.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", str(ghostscript))
        assert ask(OTHER["EPS"]()).status_code == 415
        assert not told.exists()

    def test_what_an_engine_of_sorls_opens_otherwise(self) -> None:
        with Image.open(BytesIO(OTHER["EPS"]())) as image, pytest.raises(SourceFormatError, match="EPS"):
            validate_opened(image)

    @pytest.mark.parametrize("name", ["SVG", "libvips' own format", "PDF", "PSD"])
    def test_neither_engine_opens_them_itself(self, name: str, engine: str) -> None:
        with pytest.raises((SourceFormatError, pyvips.Error)):
            get_engine().get_image(BytesIO(OTHER[name]()))

    @pytest.mark.libvips
    @pytest.mark.parametrize(
        ("extension", "loads"),
        [
            *((one, True) for one in ("jpg", "png", "webp", "tif", "gif", "avif")),
            ("v", False),
            ("mat", False),
        ],
    )
    def test_libvips_loads_what_is_listed_and_no_more(
        self, extension: str, loads: bool, server: Server, tmp_path: Path
    ) -> None:
        file = str(tmp_path / f"plain.{extension}")
        pyvips.Image.black(16, 16).write_to_file(file)
        source = pyvips.Source.new_from_file(file)
        with nullcontext() if loads else pytest.raises(pyvips.Error):
            assert pyvips.Image.new_from_source(source, "").width == 16


# VmHWM, since the peak that getrusage tells begins with that of the process before its exec.
CHILD = """
import sys
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["sorl.thumbnail"], THUMBNAIL_BUCKET="b", THUMBNAIL_ENGINE=sys.argv[1])
django.setup()
from shrinkmeister.exceptions import SourceError
from shrinkmeister.protocol.spec import Source
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.rendering.render import render
from shrinkmeister_server.observability.timing import Timing
from tests.support.pictures import picture
from tests.server.inspection.test_hostile_images import BROKEN
from tests.server.inspection.test_hostile_images import TOO_LARGE

def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

def made(data):
    spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), "30x20", {"format": "GIF", "crop": "center"})
    return render(data, spec, ("2",), Timing()).thumbnail

sources = [make() for make in globals()[sys.argv[2]].values()]
made(picture((64, 48), "TIFF"))
before = peak()
for data in sources:
    try:
        made(data)
    except SourceError:
        continue
    raise AssertionError("it was made")
assert made(picture((64, 48))).width == 30
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("sources", "megabytes"), [("TOO_LARGE", 16), ("BROKEN", 320)])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_what_they_take_of_the_memory(engine: str, sources: str, megabytes: int) -> None:
    """What is too large is never decoded; what is broken, at most as far as 50 megapixels."""
    command = [sys.executable, "-W", "ignore", "-c", CHILD, engine, sources]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= megabytes

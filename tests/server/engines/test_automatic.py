"""The default engine: which library makes which source, with libvips, without it, and with an old one."""

import logging
import sys
from importlib.metadata import version
from io import BytesIO
from typing import Any

import pytest
from django.core.checks import Info
from PIL import Image, ImageChops, ImageStat, features

from shrinkmeister.exceptions import SourceInvalidError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.checks import check_server
from shrinkmeister_server.engines import automatic
from shrinkmeister_server.engines.shrinking import Size
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import get_engine, render
from tests.support.pictures import encoded, photograph
from tests.support.sides import Server

pytestmark = pytest.mark.makes_thumbnails

PILLOW = "shrinkmeister_server.engines.pillow"
VIPS = "shrinkmeister_server.engines.vips"
OPTIONS: dict[str, Any] = {"format": "JPEG", "crop": False}


@pytest.fixture
def automatically(server: Server, settings: Any) -> None:
    settings.THUMBNAIL_ENGINE = automatic.PATH


def order(kind: str, *, animated: bool = False, size: Size = (1000, 500), **options: Any) -> list[str]:
    """The modules of the engines, in the order in which they are tried."""
    header = Image.open(BytesIO(source(kind, animated, size)))
    engines = automatic.engines_for(get_engine(), header, {**OPTIONS, **options})
    return [type(one).__module__.rpartition(".")[2] for one in engines]


def source(kind: str, animated: bool = False, size: Size = (40, 30), **options: Any) -> bytes:
    frames = [photograph((40, 30), seed).resize(size) for seed in (1, 2)]
    if animated:
        options |= {"save_all": True, "append_images": frames[1:]}
    return encoded(frames[0], kind, **options)


@pytest.mark.libvips
@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_libvips_makes_what_it_makes_faster(format: str, automatically: None) -> None:
    assert order(format) == ["vips", "automatic"]
    assert order(format, size=(999, 500)) == ["automatic", "vips"]


@pytest.mark.libvips
@pytest.mark.parametrize(
    ("kind", "animated", "options"),
    [
        ("JPEG", False, {}),
        ("TIFF", False, {}),
        ("GIF", False, {}),
        ("GIF", True, {}),
        ("WEBP", True, {}),
        ("PNG", False, {"crop": "smart"}),
        ("PNG", False, {"remove_border": True}),
        ("PNG", False, {"format": "AVIF"}),
        ("PNG", False, {"format": "GIF"}),
    ],
)
def test_pillow_makes_the_rest(
    kind: str, animated: bool, options: dict[str, Any], automatically: None
) -> None:
    assert order(kind, animated=animated, **options) == ["automatic", "vips"]


@pytest.mark.libvips
@pytest.mark.parametrize("path", [automatic.PATH, f"{PILLOW}.Engine", f"{VIPS}.Engine"])
@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("BMP", {}),
        ("ICO", {}),
        ("JPEG2000", {}),
        ("PPM", {}),
        ("TIFF", {"compression": "zstd"}),
        ("TIFF", {"compression": "lzma"}),
    ],
)
def test_what_libvips_cannot_read_pillow_reads(
    path: str, format: str, options: dict[str, Any], server: Server, settings: Any
) -> None:
    if (format == "JPEG2000" and not features.check("jpg_2000")) or (
        options and not features.check("libtiff")
    ):
        pytest.skip("this Pillow does not write it")
    settings.THUMBNAIL_ENGINE = path
    spec = ThumbnailSpec(Source("s3", "photos", "one"), "20x15", {"format": "PNG"})
    data = source(format, **options)
    made = render(data, spec, (), Timing()).thumbnail
    with Image.open(BytesIO(made.data)) as thumbnail, Image.open(BytesIO(data)) as original:
        expected = original.convert("RGB").resize((20, 15), Image.Resampling.LANCZOS)
        assert thumbnail.size == expected.size
        changed = ImageChops.difference(thumbnail.convert("RGB"), expected)
    assert max(ImageStat.Stat(changed).mean) < 6  # a black picture differs by 100


@pytest.mark.libvips
def test_a_source_that_an_engine_does_not_open_is_opened_by_the_other_one(
    automatically: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    libvips = automatic.get_vips_engine()

    def refuse(*args: object) -> None:
        refused.append(True)
        raise SourceInvalidError("not mine")

    refused: list[bool] = []
    monkeypatch.setattr(libvips, "get_image", refuse)
    spec = ThumbnailSpec(Source("s3", "photos", "one.png"), "20x15", {})
    assert render(source("PNG", size=(1000, 750)), spec, (), Timing()).thumbnail.width == 20
    assert refused


@pytest.fixture(params=["missing", "old"])
def without_libvips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    if request.param == "missing":
        monkeypatch.setitem(sys.modules, VIPS, None)
    else:
        pyvips = pytest.importorskip("pyvips", exc_type=ImportError)
        monkeypatch.delitem(sys.modules, VIPS, raising=False)
        monkeypatch.setattr(pyvips, "at_least_libvips", lambda *version: False)
    settings.THUMBNAIL_ENGINE = automatic.PATH  # forgets an engine that is loaded


def test_without_libvips_pillow_makes_all(
    server: Server, without_libvips: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, automatic.__name__):
        assert [order(format) for format in ("PNG", "WEBP", "PNG")] == [["automatic"]] * 3
    assert len(caplog.records) == 1
    assert automatic.described(get_engine()).endswith(f"(Pillow {version('pillow')})")


def test_the_check_names_a_missing_libvips(
    server: Server, media: Any, settings: Any, without_libvips: None
) -> None:
    settings.THUMBNAIL_LOCK_SECONDS = 60  # other tests need a shorter one, of which a check warns
    assert [(type(m), m.id) for m in check_server(None)] == [(Info, "shrinkmeister.I101")]


@pytest.mark.libvips
def test_the_check_is_silent_with_libvips(
    server: Server, media: Any, settings: Any, automatically: None
) -> None:
    settings.THUMBNAIL_LOCK_SECONDS = 60
    assert check_server(None) == []
    assert "libvips 8." in automatic.described(get_engine())


def test_a_site_that_names_no_engine_gets_this_one(server: Server, settings: Any) -> None:
    settings.THUMBNAIL_LOCK_SECONDS = 60
    del settings.THUMBNAIL_ENGINE
    assert type(get_engine()) is automatic.Engine

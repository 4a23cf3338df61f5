"""Predicted sizes against those that sorl's engine really makes."""

from typing import Any

import pytest

from shrinkmeister.geometry import certain_sides
from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.render import render
from tests.support.pictures import picture, size_of

pytestmark = pytest.mark.makes_thumbnails

SOURCE = Source("s3", "photos", "a.jpg")

SOURCES: dict[str, dict[str, Any]] = {
    "landscape": {"size": (400, 300)},
    "portrait": {"size": (301, 499)},
    "turned": {"size": (400, 300), "orientation": 6},
    "mirrored": {"size": (400, 300), "orientation": 4},
    "turned PNG": {"size": (123, 77), "format": "PNG", "orientation": 8},
    "sliver": {"size": (1, 54)},
    "bar": {"size": (300, 7)},
}
GEOMETRIES = ("100x100", "300x200", "777x333", "150", "x120", "450", "x2", "3x900")
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"crop": "center"},
    {"crop": "noop"},
    {"crop": "10px 20px"},
    {"crop": "smart"},
    {"upscale": False},
    {"upscale": False, "crop": "top"},
    {"padding": True},
    {"padding": True, "upscale": False},
    {"orientation": False},
    {"orientation": False, "crop": "center", "upscale": False},
    {"cropbox": (10, 5, 200, 60)},
    {"cropbox": (10, 5, 200, 60), "crop": "center"},
    {"remove_border": True},
)


@pytest.mark.slow
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("kind", SOURCES)
def test_certain_sizes_are_the_real_ones(kind: str, geometry: str, settings: Any) -> None:
    settings.THUMBNAIL_MAX_SIDE = 65_500  # a JPEG's; what is made of the sliver has nearly as many
    data = picture(**SOURCES[kind])
    predicted, certain, sides = 0, 0, 0
    for options in OPTIONS:
        if options.get("cropbox") and min(SOURCES[kind]["size"]) < 60:
            continue  # the box lies outside of such a picture
        spec = ThumbnailSpec(SOURCE, geometry, options)
        rendering = render(data, spec, (), Timing())
        real = (rendering.thumbnail.width, rendering.thumbnail.height)
        assert size_of(rendering.thumbnail.data) == real
        for source in (None, rendering.source):
            size = thumbnail_size(spec, source)
            assert size in (None, real), (options, source)
            for side, real_side in zip(certain_sides(spec, source), real, strict=True):
                assert side in (None, real_side), (options, source)
                sides += source is None and side is not None
            certain += source is None and size is not None
            predicted += source is not None and size is not None
    both = "x" in geometry[1:]
    assert certain >= (4 if both else 0)
    assert sides >= (8 if both else 4)
    assert predicted >= 9


def thumbnail_size(spec: ThumbnailSpec, source: SourceRecord | None = None) -> tuple[Any, Any] | None:
    """Return the size if both sides are certain."""
    sides = certain_sides(spec, source)
    return sides if all(sides) else None


@pytest.mark.parametrize(
    ("geometry", "options", "size"),
    [
        ("300x200", {"crop": "center"}, (300, 200)),
        ("300x200", {"crop": "smart"}, (300, 200)),
        ("300x200", {"padding": True, "upscale": False}, (300, 200)),
        ("300x200", {}, None),
        ("300x200", {"crop": "noop"}, None),
        ("300x200", {"crop": "center", "upscale": False}, None),
        ("300", {"crop": "center"}, None),
        ("x200", {}, None),
    ],
)
def test_what_is_certain_before_anybody_has_seen_the_source(
    geometry: str, options: dict[str, Any], size: tuple[int, int] | None
) -> None:
    assert thumbnail_size(ThumbnailSpec(SOURCE, geometry, options)) == size


def test_a_side_of_the_geometry_alone_is_not_certain() -> None:
    """Without crop sorl rounds the other side first, and scales by that."""
    spec = ThumbnailSpec(SOURCE, "302")
    assert certain_sides(spec) == (None, None)
    assert certain_sides(spec, SourceRecord(4000, 3000)) == (301, 226)


@pytest.mark.parametrize(
    ("geometry", "options", "size"),
    [
        ("300", {}, (300, 225)),
        ("300x200", {}, (267, 200)),
        ("8000", {"upscale": False}, (4000, 3000)),
        ("300", {"remove_border": True}, None),
        ("300x300", {"crop": "smart", "upscale": False}, (300, 300)),
        ("300", {"crop": "smart"}, (300, 225)),
        ("5000x2000", {"crop": "smart", "upscale": False}, None),
    ],
)
def test_what_is_certain_of_a_known_source(
    geometry: str, options: dict[str, Any], size: tuple[int, int] | None
) -> None:
    spec = ThumbnailSpec(SOURCE, geometry, options)
    assert thumbnail_size(spec, SourceRecord(4000, 3000)) == size


def test_a_turned_source_changes_its_sides() -> None:
    spec = ThumbnailSpec(SOURCE, "300")
    assert thumbnail_size(spec, SourceRecord(4000, 3000, flipped=True)) == (300, 400)
    unturned = ThumbnailSpec(SOURCE, "300", {"orientation": False})
    assert thumbnail_size(unturned, SourceRecord(4000, 3000, flipped=True)) == (300, 225)

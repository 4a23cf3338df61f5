"""The exact size of a thumbnail before it exists, or None if it is not certain.

The functions follow sorl's engines (get_image_ratio, scale, crop and padding of engines/base.py), with the
same floating point steps in the same order. Otherwise results could differ by a pixel.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sorl.thumbnail.helpers import toint
from sorl.thumbnail.parsers import parse_cropbox, parse_geometry

from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.spec import CACHE_SIZE, ThumbnailSpec

Size = tuple[int, int]
#: (width, height) in pixels; a side is None if it is not certain.
Sides = tuple[int | None, int | None]


def certain_sides(spec: ThumbnailSpec, source: SourceRecord | None = None) -> Sides:
    """Return the size at 1x, each side by itself: for "300", only the width may be certain.

    source: the size of the source if it is known. Without it, only sides that are always filled are certain
    """
    sides = filled_sides(spec)
    options = spec.full_options()
    # `remove_border` depends on the pixels.
    if all(sides) or source is None or options.get("remove_border"):
        return sides
    return _size_from_source(spec.geometry, options, source) or sides


@lru_cache(maxsize=CACHE_SIZE)
def filled_sides(spec: ThumbnailSpec) -> Sides:
    """Return the sides of the geometry if every picture is cropped or padded to them.

    Otherwise no side is certain. sorl rounds the other side first and then scales by it: with "302", a
    source of 4000x3000 pixels becomes 301x226.
    """
    options = spec.full_options()
    if options["padding"] or (options["upscale"] and _crops(options)):
        width, height = parse_geometry(spec.geometry)
        return width, height
    return None, None


def _size_from_source(geometry: str, options: Mapping[str, Any], source: SourceRecord) -> Size | None:
    flipped = source.flipped and bool(options["orientation"])
    x, y = source.width, source.height
    if options["cropbox"]:
        # sorl crops before it rotates. Pillow has lost the EXIF orientation by then, and libvips has not.
        if flipped:
            return None
        try:
            left, top, right, bottom = parse_cropbox(options["cropbox"])
        except (ValueError, TypeError):
            return None  # the server reports the error
        x, y = right - left, bottom - top
        if x < 1 or y < 1:
            return None
    ratio = float(x) / y
    if flipped:
        ratio, x, y = 1.0 / ratio, y, x

    box: Size = parse_geometry(geometry, ratio)
    factors = (box[0] / float(x), box[1] / float(y))
    factor = max(factors) if _crops(options) else min(factors)
    if options["crop"] == "smart" and factor > 1 and not options["upscale"]:
        return None  # the source is smaller than its box: sorl's engines crop it differently
    if factor < 1 or options["upscale"]:
        x, y = toint(float(x) * factor), toint(float(y) * factor)
    if _crops(options):
        x, y = min(x, box[0]), min(y, box[1])
    return box if options["padding"] else (x, y)


def _crops(options: Mapping[str, Any]) -> bool:
    return bool(options["crop"]) and options["crop"] != "noop"

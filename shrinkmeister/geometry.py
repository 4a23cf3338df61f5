"""Compute the exact size of a thumbnail before it exists. A side that is not certain is None.

The functions repeat the floating-point steps of sorl's engines (get_image_ratio, scale, crop and padding
of engines/base.py) in the same order. Otherwise results could differ by a pixel.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sorl.thumbnail.helpers import toint
from sorl.thumbnail.parsers import parse_cropbox, parse_geometry

from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.spec import CACHE_SIZE, ThumbnailSpec

Size = tuple[int, int]
#: Sides are (width, height) in pixels. A side that is not certain is None.
Sides = tuple[int | None, int | None]


def certain_sides(spec: ThumbnailSpec, source: SourceRecord | None = None) -> Sides:
    """Return the sides at 1x that are certain. For "300", this may be the width alone.

    source: the record of the source, if it exists. Without it, only the sides of filled_sides are certain
    """
    sides = filled_sides(spec)
    options = spec.full_options()
    # The size after `remove_border` depends on the pixels.
    if all(sides) or source is None or options.get("remove_border"):
        return sides
    return _size_from_source(spec.geometry, options, source) or sides


@lru_cache(maxsize=CACHE_SIZE)
def filled_sides(spec: ThumbnailSpec) -> Sides:
    """Return the sides of the geometry if the options crop or pad every picture to these sides.

    Otherwise no side is certain, because sorl first rounds the missing side and then scales by it. With
    "302", a source of 4000x3000 pixels becomes 301x226.
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
        # sorl crops before it rotates. By then Pillow has lost the EXIF orientation, but libvips has not.
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
        return None  # sorl's engines disagree about how to crop a source smaller than its box
    if factor < 1 or options["upscale"]:
        x, y = toint(float(x) * factor), toint(float(y) * factor)
    if _crops(options):
        x, y = min(x, box[0]), min(y, box[1])
    return box if options["padding"] else (x, y)


def _crops(options: Mapping[str, Any]) -> bool:
    return bool(options["crop"]) and options["crop"] != "noop"

"""The exact size of a thumbnail before it exists, or None where it is not certain.

Follows sorl's engines (sorl/thumbnail/engines/base.py: get_image_ratio, scale, crop, padding), with the
same floating point steps in the same order, because their rounding decides about single pixels.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sorl.thumbnail.helpers import toint
from sorl.thumbnail.parsers import parse_cropbox, parse_geometry

from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.spec import CACHE_SIZE, ThumbnailSpec

Size = tuple[int, int]
#: (width, height) in pixels, each None where it is not certain.
Sides = tuple[int | None, int | None]


def thumbnail_size(spec: ThumbnailSpec, source: SourceRecord | None = None) -> Size | None:
    """(width, height) in pixels of the thumbnail at 1x; None where it is not certain.

    source: the source's size where it is known. Without it only a box that is always filled is certain.
    """
    if size := filled_size(spec):
        return size
    options = spec.full_options()
    # What `remove_border` leaves of the picture is known only when it has been looked at.
    if source is None or options.get("remove_border"):
        return None
    return _size_from_source(spec.geometry, options, source)


def certain_sides(spec: ThumbnailSpec, source: SourceRecord | None = None) -> Sides:
    """As `thumbnail_size`, with each side of its own: of "300" the width may be certain alone."""
    return thumbnail_size(spec, source) or filled_sides(spec)


def filled_size(spec: ThumbnailSpec) -> Size | None:
    """That of a box that is always filled: width and height are given, and the picture is cropped or padded
    to them. None for others.
    """
    width, height = filled_sides(spec)
    return (width, height) if width and height else None


@lru_cache(maxsize=CACHE_SIZE)
def filled_sides(spec: ThumbnailSpec) -> Sides:
    """Return the sides that the geometry gives, if the picture is always cropped or padded to them.

    Without that no side is certain. sorl rounds the other side first, and then scales by it: a source of
    4000x3000 pixels becomes 301x226 by "302".
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
        # sorl crops before it turns, and then has no EXIF left to turn by; its vips engine has.
        if flipped:
            return None
        try:
            left, top, right, bottom = parse_cropbox(options["cropbox"])
        except (ValueError, TypeError):
            return None  # the server will say so
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
        return None  # smaller than its box: sorl's engines disagree about what is cut off then
    if factor < 1 or options["upscale"]:
        x, y = toint(float(x) * factor), toint(float(y) * factor)
    if _crops(options):
        x, y = min(x, box[0]), min(y, box[1])
    return box if options["padding"] else (x, y)


def _crops(options: Mapping[str, Any]) -> bool:
    return bool(options["crop"]) and options["crop"] != "noop"

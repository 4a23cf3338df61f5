"""`THUMBNAIL_ENGINE = "shrinkmeister_server.engines.vips.Engine"`: needs `shrinkmeister[vips]`.

It needs less memory than Pillow's engine, and less time for PNG and WebP: see bench/RESULTS.md.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pyvips
from sorl.thumbnail.engines import vips_engine
from sorl.thumbnail.helpers import EngineError

from shrinkmeister_server.engines.colours.source_colours import SourceColours
from shrinkmeister_server.engines.colours.vips_colours import (
    colours_of,
    finished,
    gray,
    prepared,
    with_hidden,
)
from shrinkmeister_server.engines.shrinking import REDUCTIONS, ShrinkingEngine, Size, SourceImage
from shrinkmeister_server.engines.vips_decoding import (
    fail_on,
    from_ycbcr,
    mark_ycbcr,
    one_page,
    to_eight_bits,
)
from shrinkmeister_server.time_limit import TimeLimit

if not pyvips.at_least_libvips(8, 15):
    # sorl's engine writes with options that 8.15 introduced. Debian 12 has 8.14.
    raise ImportError(
        f"libvips {pyvips.version(0)}.{pyvips.version(1)} is too old: 8.15 is required. If the system has "
        "the headers of libvips, pip builds pyvips for that libvips, not for the bundled one. Restore the "
        "bundled one: `pip install --force-reinstall --no-deps pyvips-binary`"
    )

# A server makes several thumbnails at once, so more threads for each would only take memory.
# sorl's engine turns the cache of operations off.
pyvips.vips_lib.vips_concurrency_set(1)

# Only these loaders stay allowed, in the whole process. sorl blocks those that libvips does not trust.
LOADERS = ("Heif", "Jpeg", "Nsgif", "Png", "Tiff", "Webp")
pyvips.operation_block_set("VipsForeignLoad", True)
for loader in LOADERS:
    pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)

# libvips averages pixels, as in sorl's engine, before its filter scales by this factor or more. The filter
# alone refuses to scale down a very long picture.
GAP = 2.0


class Engine(ShrinkingEngine, vips_engine.Engine):  # type: ignore[misc]  # sorl has no types
    """sorl's libvips engine with the scaled decoding of libjpeg and libwebp, which reads line by line."""

    def create(self, image: SourceImage, geometry: Size, options: dict[str, Any]) -> Any:
        size = self._scaled_size(image, geometry, options)
        if size and size[0] > self.get_image_size(image)[0]:
            # Enlarging shifts a picture by half a pixel, to another side if the picture is turned later.
            enlarged = vips_engine.Engine.create(self, image.whole, geometry, options)
            self._validate_end(image, image.whole)
            return enlarged
        thumbnail = super().create(image, geometry, options)
        if self._needs_all(image, options):
            return thumbnail
        thumbnail = thumbnail.copy()
        # Its metadata still has the source's height, and readers of its size look there first.
        thumbnail.set_type(pyvips.GValue.gint_type, "page-height", thumbnail.height)
        return thumbnail

    def prepare(self, image: SourceImage, options: dict[str, Any]) -> SourceImage:
        if self.stays_animated(image, options):
            # All frames in one column, as sorl opens each GIF. A still needs only the first frame.
            image.whole = _opened(image.data, image.limit, n=-1)
        elif _is_animation(image):
            image.whole.set_type(pyvips.GValue.gint_type, "page-height", image.whole.height)
        return image

    def colorspace(self, image: Any, geometry: Size, options: dict[str, Any]) -> Any:
        colours = SourceColours.in_options(options)
        image = prepared(to_eight_bits(from_ycbcr(image)), colours, options["colorspace"])
        if options["format"] == "JPEG" and colours.hidden and image.hasalpha():
            image = with_hidden(image, colours.hidden)
        return super().colorspace(image, geometry, options)

    def write(self, image: Any, options: dict[str, Any], thumbnail: Any) -> None:
        image = finished(image, SourceColours.in_options(options), options["format"])
        super().write(image, options, thumbnail)

    def is_valid_image(self, raw_data: bytes) -> bool:
        try:
            self.get_image(BytesIO(raw_data)).whole.avg()
        except (pyvips.Error, EngineError):
            return False
        return True

    def _last_pixel(self, picture: Any) -> Sequence[float]:
        return tuple(picture.getpoint(picture.width - 1, picture.height - 1))

    def stays_animated(self, image: SourceImage, options: dict[str, Any]) -> bool:
        return options["format"] == "GIF" and _is_animation(image)

    def _colorspace(self, image: Any, colorspace: str | None) -> Any:
        return gray(image) if colorspace == "GRAY" else super()._colorspace(image, colorspace)

    def _colours(self, image: SourceImage) -> SourceColours:
        return colours_of(image.whole, image.data)

    def _needs_all(self, image: SourceImage, options: dict[str, Any]) -> bool:
        # For a still, sorl may use the height of the source's frame, and so crop to another size.
        return _is_animation(image) or super()._needs_all(image, options)

    def _opened(self, data: bytes, limit: TimeLimit) -> Any:
        image = _opened(data, limit)
        if (pixels := image.width * image.height) > vips_engine.MAX_PIXELS:
            raise EngineError(f"the image has {pixels} pixels, more than {vips_engine.MAX_PIXELS}")
        return image

    def _reductions(self, image: SourceImage) -> tuple[int, ...]:
        return REDUCTIONS if _loader(image.whole) in ("jpegload", "webpload") else ()

    def _decoded(self, image: SourceImage, reduction: int, several: bool) -> Any:
        options: dict[str, Any] = {"access": "sequential"}
        if reduction > 1 and _loader(image.whole) == "jpegload":
            options["shrink"] = reduction
        elif reduction > 1:
            options["scale"] = 1 / reduction
        picture = _opened(image.data, image.limit, **options)
        return picture.copy_memory() if several else picture

    def _scale(self, image: Any, width: int, height: int) -> Any:
        return one_page(super()._scale(image, width, height))

    def _crop(self, image: Any, width: int, height: int, x_offset: int, y_offset: int) -> Any:
        return one_page(super()._crop(image, width, height, x_offset, y_offset))

    def _cropbox(self, image: Any, x: int, y: int, x2: int, y2: int) -> Any:
        return one_page(super()._cropbox(image, x, y, x2, y2))

    def _remove_border(self, image: Any, image_width: int, image_height: int) -> Any:
        return one_page(super()._remove_border(image, image_width, image_height))

    def _entropy_crop(self, image: Any, geometry_width: int, geometry_height: int, *size: int) -> Any:
        return one_page(super()._entropy_crop(image, geometry_width, geometry_height, *size))

    def _resized(self, picture: Any, size: Size | None, image: SourceImage, reduction: int) -> Any:
        if size is not None and reduction > 1 and _loader(image.whole) == "jpegload":
            picture = _reduced(picture, self.get_image_size(image), reduction, size)
        elif size is not None:
            picture = self._scale(picture, *size)
        # Later steps read the picture more than once, and not line by line.
        return picture.copy_memory()

    def _turned(self, picture: Any, image: SourceImage) -> Any:
        return picture.autorot()

    def _get_raw_data(self, image: Any, format_: str, quality: int, **options: Any) -> Any:
        if format_ == "PNG":
            # Without filters, which are libvips' default, files are a quarter larger than Pillow's.
            return image.write_to_buffer(".png", filter="all", keep="icc")
        if format_ == "AVIF":
            # As fast as Pillow, and as small. The default effort, 4, takes seven times as long.
            return image.write_to_buffer(".avif", Q=quality, effort=2, keep="icc")
        if format_ != "JPEG":
            return super()._get_raw_data(image, format_, quality, **options)
        # From a quality of 90, libvips would not subsample colours, and files would be twice as large as
        # Pillow's.
        return image.write_to_buffer(
            ".jpg",
            Q=quality,
            interlace=options.get("progressive", False),
            optimize_coding=True,
            subsample_mode="on",
            keep="icc",
        )


def _opened(data: bytes, limit: TimeLimit, **options: Any) -> Any:
    """Open an image and read its header. A pyvips source is used, because libvips would copy a buffer.

    libvips checks the time limit after each strip, and one strip may be the whole source. Its decoders of
    AVIF, interlaced PNGs and progressive JPEGs cannot be stopped. The caller must keep the image until all
    computations with it end: pyvips frees the callback together with the image.
    """

    def look(image: Any, progress: Any) -> None:
        if limit.over():
            image.set_kill(True)

    source = pyvips.Source.new_from_memory(data)
    image = pyvips.Image.new_from_source(source, "", fail_on=fail_on(data), **options)
    mark_ycbcr(image, data)
    image.set_progress(True)
    image.signal_connect("eval", look)
    return image


def _reduced(picture: Any, source: Size, reduction: int, size: Size) -> Any:
    """Scale a JPEG whose sides were divided by `reduction` on load.

    libvips drops the last row or column if the source fills it only in part. Its filter keeps the centre of
    a picture, so a missing row would shift all others. A picture with as many pixels as the source divides
    without a remainder, so its first pixel stays in place. libvips computes only what the crop leaves.
    One side after the other, because libvips computes wide rows of what it extends.
    """
    width, height = size
    high = picture.embed(0, 0, picture.width, source[1], extend="copy")
    low = high.reducev(source[1] / (reduction * height), gap=GAP).crop(0, 0, picture.width, height)
    wide = low.embed(0, 0, source[0], height, extend="copy")
    return wide.reduceh(source[0] / (reduction * width), gap=GAP).crop(0, 0, width, height)


def _is_animation(image: SourceImage) -> bool:
    return _loader(image.whole) == "gifload" and image.whole.get("n-pages") > 1


def _loader(image: Any) -> str:
    """Return the name of an image's loader, such as "jpegload"."""
    return str(image.get("vips-loader")).removesuffix("_source")

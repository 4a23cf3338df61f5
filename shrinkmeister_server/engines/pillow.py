"""`THUMBNAIL_ENGINE = "shrinkmeister_server.engines.pillow.Engine"`: Pillow makes all thumbnails."""

from collections.abc import Sequence
from typing import Any

from sorl.thumbnail.engines import pil_engine

from shrinkmeister.exceptions import SourceInvalidError
from shrinkmeister_server.engines.colours.pillow_colours import colours_of, finished, prepared
from shrinkmeister_server.engines.colours.source_colours import SourceColours
from shrinkmeister_server.engines.pillow_decoding import TURNS, decoded, is_converted, orientation
from shrinkmeister_server.engines.shrinking import REDUCTIONS, ShrinkingEngine, Size, SourceImage
from shrinkmeister_server.inspection import open_image
from shrinkmeister_server.inspection.tiff import has_deep_planes
from shrinkmeister_server.time_limit import TimedBytes, TimeLimit

# With at least this gap, two steps of a resize are "very similar" to one: here SSIM >= 0.998.
# https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image.resize
REDUCING_GAP = 3.0
# The metadata that a thumbnail keeps. Pillow would also write the source's comments.
KEPT = {"background", "duration", "gamma", "loop", "transparency"}


class Engine(ShrinkingEngine, pil_engine.Engine):  # type: ignore[misc]  # sorl has no types
    """sorl's Pillow engine with libjpeg's scaled decoding, which scales in two steps."""

    def prepare(self, image: SourceImage, options: dict[str, Any]) -> SourceImage:
        if image.whole.format == "TIFF" and has_deep_planes(image.data):
            raise SourceInvalidError("Pillow does not read planes of more than 8 bits")
        if is_converted(image.whole):
            image.whole = decoded(image.whole)
        return image

    def colorspace(self, image: Any, geometry: Size, options: dict[str, Any]) -> Any:
        image = prepared(image, SourceColours.in_options(options), options["colorspace"])
        return super().colorspace(image, geometry, options)

    def write(self, image: Any, options: dict[str, Any], thumbnail: Any) -> None:
        info = options.get("image_info", {})
        kept = {name: value for name, value in info.items() if name in KEPT}
        if isinstance(image, list):
            image = [_bare(frame) for frame in image]
        else:
            image, profile = finished(_bare(image), SourceColours.in_options(options), options["format"])
            kept |= {"icc_profile": profile} if profile else {}
        super().write(image, {**options, "image_info": kept}, thumbnail)

    def _last_pixel(self, picture: Any) -> Sequence[float]:
        levels = picture.getpixel((picture.width - 1, picture.height - 1))
        return levels if isinstance(levels, tuple) else (levels,)

    def stays_animated(self, image: SourceImage, options: dict[str, Any]) -> bool:
        return options["format"] == "GIF" and getattr(image.whole, "is_animated", False)

    def _colours(self, image: SourceImage) -> SourceColours:
        return colours_of(image.whole, image.data)

    def _opened(self, data: bytes, limit: TimeLimit) -> Any:
        return open_image(TimedBytes(data, limit))

    def _reductions(self, image: SourceImage) -> tuple[int, ...]:
        return REDUCTIONS if image.whole.format in ("JPEG", "MPO") else ()

    def _decoded(self, image: SourceImage, reduction: int, several: bool) -> Any:
        picture = image.whole
        if reduction > 1:
            # The opened image stays whole, for a thumbnail that needs more of it.
            picture = self._opened(image.data, image.limit)
            width, height = picture.size
            picture.draft(None, (width // reduction, height // reduction))
        return decoded(picture)

    def _colorspace(self, image: Any, colorspace: str | None, format: str) -> Any:
        if image.mode == "RGB" and colorspace == "RGB":
            return image  # sorl would copy it
        return super()._colorspace(image, colorspace, format)

    def _resized(self, picture: Any, size: Size | None, image: SourceImage, reduction: int) -> Any:
        if size is None:
            return picture.copy()
        # The source may fill the last row or column of a reduced picture only in part.
        width, height = self.get_image_size(image)
        box = (0.0, 0.0, width / reduction, height / reduction)
        return picture.resize(size, pil_engine.ANTIALIAS, box=box, reducing_gap=REDUCING_GAP)

    def _turned(self, picture: Any, image: SourceImage) -> Any:
        turn = TURNS.get(self._get_exif_orientation(image.whole))
        return picture if turn is None else picture.transpose(turn)

    def _get_exif_orientation(self, image: Any) -> int | None:
        return orientation(image)


def _bare(picture: Any) -> Any:
    if picture.info.keys() <= KEPT:
        return picture
    bare = picture.copy()  # `picture` may be the source itself
    bare.info = {key: value for key, value in picture.info.items() if key in KEPT}
    return bare

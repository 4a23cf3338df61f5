"""The base of both engines: how much they decode, and the order of their steps.

sorl's engines decode the whole source, turn it, and then scale it down, so most of their work is lost.
Here, decoders of JPEG, and of WebP in libvips, produce a smaller picture at once, which is scaled before it
is turned. The sizes equal sorl's to the pixel: they are computed from the source's size, in the steps of
sorl/thumbnail/engines/base.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.engines.base import EngineBase
from sorl.thumbnail.helpers import toint

from shrinkmeister_server.engines.colours.source_colours import SourceColours
from shrinkmeister_server.engines.damage import GRAY, validate_end
from shrinkmeister_server.time_limit import NEVER, TimeLimit

Size = tuple[int, int]

# The divisors by which libjpeg can reduce each side.
REDUCTIONS = (8, 4, 2)
# A decoded picture is at least this many times larger than the thumbnail. A decoder averages squares of
# pixels, which is visible at the thumbnail's size. At twice that size, it is not (SSIM >= 0.998).
MARGIN = 2


@dataclass
class SourceImage:
    """A source of which only the header is read. `get_image` returns it.

    whole    the library's own image, not decoded
    picture  what `decode` has kept: the source with its sides divided by `reduction`
    ends     whether the end of its data has been examined
    """

    data: bytes
    whole: Any
    limit: TimeLimit
    picture: Any = None
    reduction: int = 1
    ends: bool = False


class ShrinkingEngine(EngineBase, ABC):  # type: ignore[misc]  # sorl has no types
    """Wraps one of sorl's engines, which still makes the thumbnails that need the whole source.

    These have `cropbox` or `remove_border`, which count pixels of the source, or smart crop, which compares
    strips of the scaled source, or they stay animated.
    """

    def decode(self, image: SourceImage, geometries: Sequence[Size], options: dict[str, Any]) -> None:
        """Decode a source once, before `create` makes thumbnails of all these geometries.

        Without this call, as with sorl's own backend, `create` decodes for each thumbnail.
        """
        if not self._needs_all(image, options):
            sizes = [self._scaled_size(image, geometry, options) for geometry in geometries]
            image.reduction = self._reduction(image, sizes)
            image.picture = self._decoded(image, image.reduction, len(sizes) > 1)

    def create(self, image: SourceImage, geometry: Size, options: dict[str, Any]) -> Any:
        if self._needs_all(image, options):
            thumbnail = super().create(image.whole, geometry, options)
            self._validate_end(image, image.whole)
            return thumbnail
        size = self._scaled_size(image, geometry, options)
        picture, reduction = image.picture, image.reduction
        if picture is None or reduction > self._reduction(image, [size]):
            reduction = self._reduction(image, [size])
            picture = self._decoded(image, reduction, False)
        thumbnail = self.colorspace(picture, geometry, options)
        thumbnail = self._resized(thumbnail, size, image, reduction)
        self._validate_end(image, thumbnail)
        if options.get("orientation", sorl_settings.THUMBNAIL_ORIENTATION):
            thumbnail = self._turned(thumbnail, image)
        thumbnail = self.crop(thumbnail, geometry, options)
        thumbnail = self.rounded(thumbnail, geometry, options)
        thumbnail = self.blur(thumbnail, geometry, options)
        return self.padding(thumbnail, geometry, options)

    def get_image(self, source: Any) -> SourceImage:
        data, limit = source.read(), getattr(source, "limit", NEVER)  # sorl's own files have no limit
        return SourceImage(data, self._opened(data, limit), limit)

    def get_image_size(self, image: Any) -> Any:
        return super().get_image_size(_whole(image))

    def get_image_info(self, image: Any) -> Any:
        info = super().get_image_info(_whole(image))
        return {**info, "colours": self._colours(image)}

    def _flip_dimensions(self, image: Any) -> bool:
        return bool(super()._flip_dimensions(_whole(image)))

    def _needs_all(self, image: SourceImage, options: dict[str, Any]) -> bool:
        return bool(
            options["cropbox"]
            or options.get("remove_border")
            or options["crop"] == "smart"
            or self.stays_animated(image, options)
        )

    def _scaled_size(self, image: SourceImage, geometry: Size, options: dict[str, Any]) -> Size | None:
        """Return the size before turning and cropping, or None if the source is not scaled."""
        x, y = map(float, self.get_image_size(image))
        turned = self.flip_dimensions(image, options=options)
        if turned:
            x, y = y, x
        factor = self._calculate_scaling_factor(x, y, geometry, options)
        if factor >= 1 and not options["upscale"]:
            return None
        width, height = toint(x * factor), toint(y * factor)
        return (height, width) if turned else (width, height)

    def _reduction(self, image: SourceImage, sizes: Sequence[Size | None]) -> int:
        """Return the largest reduction that leaves MARGIN times each of these sizes."""
        most = 1
        if None not in sizes:
            source = self.get_image_size(image)
            scaled = [one for size in sizes if size for one in zip(source, size, strict=True)]
            most = min(pixels // (MARGIN * max(1, wanted)) for pixels, wanted in scaled)
        return next((reduction for reduction in self._reductions(image) if reduction <= most), 1)

    def _validate_end(self, image: SourceImage, picture: Any) -> None:
        """Raise SourceInvalidError for a JPEG whose last rows are missing. Neither library reports that.

        picture  the source, or a smaller picture of it. Missing rows are gray there, up to the last pixel.
        """
        if image.ends or not image.data.startswith(b"\xff\xd8"):
            return
        if all(level in GRAY for level in self._last_pixel(picture)):
            validate_end(image.data, image.limit)
            image.ends = True

    @abstractmethod
    def _last_pixel(self, picture: Any) -> Sequence[float]:
        """Return the levels of the pixel at the bottom right."""

    @abstractmethod
    def stays_animated(self, image: SourceImage, options: dict[str, Any]) -> bool:
        """Return whether the thumbnail will be an animation."""

    @abstractmethod
    def _colours(self, image: SourceImage) -> SourceColours:
        """Return what the source's pixels mean. `write` finds it in the options, as `image_info`."""

    @abstractmethod
    def _opened(self, data: bytes, limit: TimeLimit) -> Any:
        """Return the library's own image, with only its header read. Decoding it ends at the time limit."""

    @abstractmethod
    def _reductions(self, image: SourceImage) -> tuple[int, ...]:
        """Return those of REDUCTIONS by which the source's decoder can divide its sides."""

    @abstractmethod
    def _decoded(self, image: SourceImage, reduction: int, several: bool) -> Any:
        """Return a source's picture. several: whether the picture will be used more than once"""

    @abstractmethod
    def _resized(self, picture: Any, size: Size | None, image: SourceImage, reduction: int) -> Any:
        """Return a new picture, which may be changed."""

    @abstractmethod
    def _turned(self, picture: Any, image: SourceImage) -> Any:
        """Turn a picture by the source's EXIF orientation."""


def _whole(image: Any) -> Any:
    return image.whole if isinstance(image, SourceImage) else image

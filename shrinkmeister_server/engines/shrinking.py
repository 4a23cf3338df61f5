"""What both engines that shrink on load have in common: what they decode, and in which order they work.

sorl's engines decode the whole source, turn it, and scale it down: most of what they decode and turn,
nobody sees. Here decoders that can (JPEG's, and WebP's in libvips) give a smaller picture at once, and what
is left is scaled before it is turned. The sizes are sorl's to the pixel: they are computed from the
source's size, in the steps of sorl/thumbnail/engines/base.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.engines.base import EngineBase
from sorl.thumbnail.helpers import toint

from shrinkmeister_server.time_limit import NEVER, TimeLimit

Size = tuple[int, int]

# By how much a decoder can reduce each side; libjpeg's take these.
REDUCTIONS = (8, 4, 2)
# How many times larger than the thumbnail the decoded picture stays at least. A decoder averages squares of
# pixels: at once the size that shows, at twice it the result is that of the whole source (SSIM >= 0.998).
MARGIN = 2


@dataclass
class Source:
    """What `get_image` returns: a source, of which the header is read.

    whole      the library's own image, not decoded
    decoded    what `decode` has kept of it
    """

    data: bytes
    whole: Any
    limit: TimeLimit
    decoded: "Decoded | None" = None


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, of which each side is so many times smaller than the source's."""

    picture: Any
    reduction: int


class ShrinkingEngine(EngineBase, ABC):  # type: ignore[misc]  # sorl has no types
    """Stands before one of sorl's engines, which does what needs the whole source.

    That is `cropbox` and `remove_border`, which count pixels of the source, smart crop, which compares
    strips of what it scaled, and an animation that stays one.
    """

    def decode(self, image: Source, geometries: Sequence[Size], options: dict[str, Any]) -> None:
        """Decodes a source once, for thumbnails of all these geometries, which `create` makes then.

        Without it, as with sorl's own backend, `create` decodes for the thumbnail that it makes.
        """
        if not self._needs_all(image, options):
            sizes = [self._scaled_size(image, geometry, options) for geometry in geometries]
            image.decoded = self._decoded(image, self._reduction(image, sizes), len(sizes) > 1)

    def create(self, image: Source, geometry: Size, options: dict[str, Any]) -> Any:
        if self._needs_all(image, options):
            return super().create(image.whole, geometry, options)
        size = self._scaled_size(image, geometry, options)
        reduction = self._reduction(image, [size])
        decoded = image.decoded
        if decoded is None or decoded.reduction > reduction:
            decoded = self._decoded(image, reduction, False)
        thumbnail = self.colorspace(decoded.picture, geometry, options)
        thumbnail = self._resized(thumbnail, size, image, decoded.reduction)
        if options.get("orientation", sorl_settings.THUMBNAIL_ORIENTATION):
            thumbnail = self._turned(thumbnail, image)
        thumbnail = self.crop(thumbnail, geometry, options)
        thumbnail = self.rounded(thumbnail, geometry, options)
        thumbnail = self.blur(thumbnail, geometry, options)
        return self.padding(thumbnail, geometry, options)

    def get_image(self, source: Any) -> Source:
        data, limit = source.read(), getattr(source, "limit", NEVER)  # sorl's own files have none
        return Source(data, self._opened(data, limit), limit)

    def get_image_size(self, image: Any) -> Size:
        width, height = super().get_image_size(_whole(image))
        return width, height

    def get_image_info(self, image: Any) -> dict[str, Any]:
        info: dict[str, Any] = super().get_image_info(_whole(image))
        return info

    def _flip_dimensions(self, image: Any) -> bool:
        return bool(super()._flip_dimensions(_whole(image)))

    def _needs_all(self, image: Source, options: dict[str, Any]) -> bool:
        return bool(
            options["cropbox"]
            or options.get("remove_border")
            or options["crop"] == "smart"
            or self.stays_animated(image, options)
        )

    def _scaled_size(self, image: Source, geometry: Size, options: dict[str, Any]) -> Size | None:
        """To which the source is scaled before it is turned and cropped; None if it is not scaled."""
        x, y = map(float, self.get_image_size(image))
        turned = self.flip_dimensions(image, options=options)
        if turned:
            x, y = y, x
        factor = self._calculate_scaling_factor(x, y, geometry, options)
        if factor >= 1 and not options["upscale"]:
            return None
        width, height = toint(x * factor), toint(y * factor)
        return (height, width) if turned else (width, height)

    def _reduction(self, image: Source, sizes: Sequence[Size | None]) -> int:
        """The largest one that leaves MARGIN times each of these sizes."""
        most = 1
        if None not in sizes:
            source = self.get_image_size(image)
            scaled = [one for size in sizes if size for one in zip(source, size, strict=True)]
            most = min(pixels // (MARGIN * max(1, wanted)) for pixels, wanted in scaled)
        return next((reduction for reduction in self._reductions(image) if reduction <= most), 1)

    @abstractmethod
    def stays_animated(self, image: Source, options: dict[str, Any]) -> bool:
        """Whether it is written as an animation."""

    @abstractmethod
    def _opened(self, data: bytes, limit: TimeLimit) -> Any:
        """The library's own image, of which the header is read; decoding it ends with the time."""

    @abstractmethod
    def _reductions(self, image: Source) -> tuple[int, ...]:
        """Those of REDUCTIONS that the source's decoder can serve, and the picture stays in its place."""

    @abstractmethod
    def _decoded(self, image: Source, reduction: int, several: bool) -> Decoded:
        """several: whether it will be used more than once"""

    @abstractmethod
    def _resized(self, picture: Any, size: Size | None, image: Source, reduction: int) -> Any:
        """A picture of its own, which may be changed."""

    @abstractmethod
    def _turned(self, picture: Any, image: Source) -> Any:
        """As the source's EXIF orientation says."""


def _whole(image: Any) -> Any:
    return image.whole if isinstance(image, Source) else image

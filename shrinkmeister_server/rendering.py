"""Source bytes -> thumbnails, with a sorl engine and with what sorl's own backend does to it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.engines.base import EngineBase
from sorl.thumbnail.parsers import parse_cropbox, parse_geometry

from shrinkmeister.conf import SettingError, per_configuration
from shrinkmeister.exceptions import ShrinkmeisterError, SourceInvalidError, SourceTooLargeError, SpecError
from shrinkmeister.records import SourceRecord
from shrinkmeister.spec import ThumbnailSpec
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.engines.shrinking import ShrinkingEngine
from shrinkmeister_server.timing import Timing

# What a source may be, by Pillow's names.
FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")


@dataclass(frozen=True)
class Picture:
    """An encoded thumbnail: its file, and its size in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Rendering:
    """A thumbnail and its alternative resolutions ("2" -> picture), from one decoding of the source."""

    thumbnail: Picture
    resolutions: dict[str, Picture]
    source: SourceRecord


@per_configuration
def get_engine() -> Any:
    """The sorl engine that THUMBNAIL_ENGINE names. Raises SettingError."""
    path = sorl_settings.THUMBNAIL_ENGINE
    try:
        engine = import_string(path)()
        if not isinstance(engine, EngineBase):
            raise TypeError("it is not a sorl engine")
        return engine
    except (ImportError, TypeError) as error:
        raise SettingError(
            "shrinkmeister.E101",
            f"THUMBNAIL_ENGINE is {path!r}, which cannot be used: {error}.",
            "Use a sorl engine, for instance 'sorl.thumbnail.engines.pil_engine.Engine', and install "
            "what it needs: shrinkmeister[vips] for libvips.",
        ) from error


def render(data: bytes, spec: ThumbnailSpec, resolutions: tuple[str, ...], timing: Timing) -> Rendering:
    """Raises SourceInvalidError where the engine cannot make that of the source, SourceTooLargeError for
    its pixels, and SpecError where the thumbnail would have too many.
    """
    _refuse_other_formats(data)
    engine = get_engine()
    options = spec.full_options()
    if "colorspace" not in spec.options:
        # sorl tells its own default from a "RGB" that somebody asked for (convert_engine.py).
        options["colorspace"] = sorl_defaults.THUMBNAIL_COLORSPACE
    with _engine_errors("the source is not an image that the engine opens"):
        image = engine.get_image(_SourceFile(data))
    try:
        with _engine_errors("the engine could not make the thumbnail"):
            # Pillow decodes a PNG to see how it is turned.
            with timing.of("decode"):
                image = engine.prepare(image, options)
                options["image_info"] = engine.get_image_info(image)
                width, height = engine.get_image_size(image)
                flipped = bool(engine.flip_dimensions(image, options={"orientation": True}))
            source = SourceRecord(width, height, flipped, spec.options.get("version"))
            geometry = parse_geometry(spec.geometry, engine.get_image_ratio(image, options))
            _refuse_large_results(source, geometry, options, resolutions)
            larger = {resolution: _larger(geometry, resolution) for resolution in resolutions}
            if isinstance(engine, ShrinkingEngine):
                with timing.of("decode"):
                    engine.decode(image, [geometry, *larger.values()], options)
            thumbnail = _picture(engine, image, geometry, options, options, timing)
            alternatives = {
                resolution: _picture(
                    engine, image, size, options, _written(options, float(resolution)), timing
                )
                for resolution, size in larger.items()
            }
    finally:
        engine.cleanup(image)
    return Rendering(thumbnail, alternatives, source)


@lru_cache(maxsize=2)
def _formats(load_plugins: Callable[[], object]) -> tuple[str, ...]:
    """Those of FORMATS that this Pillow reads: some need a library that it may have been built without."""
    from PIL import Image

    load_plugins()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _refuse_other_formats(data: bytes) -> None:
    """Looks at the header alone, before any engine does.

    Pillow opens an EPS by running Ghostscript, and ImageMagick opens nearly everything.
    """
    from PIL import Image

    with _engine_errors("the source is not an image of a known format"):
        try:
            with _opened(data) as image:
                width, height = image.size
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise SourceTooLargeError("the source has more pixels than Pillow opens") from error
    if width * height > get_server_config().max_pixels:
        raise SourceTooLargeError(f"the source has {width} x {height} pixels")


def _opened(data: bytes) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        # Without the plugins that few sources need, of which loading all takes 30 ms.
        return Image.open(BytesIO(data), formats=_formats(Image.preinit))
    except UnidentifiedImageError:
        return Image.open(BytesIO(data), formats=_formats(Image.init))


def _refuse_large_results(
    source: SourceRecord, geometry: tuple[int, int], options: dict[str, Any], resolutions: tuple[str, ...]
) -> None:
    """Of all pictures that the engine holds on its way: one that is cropped was larger than its box."""
    width, height = source.width, source.height
    if options["cropbox"]:
        left, top, right, bottom = parse_cropbox(options["cropbox"])
        width, height = right - left, bottom - top
    elif source.flipped and options["orientation"]:
        width, height = height, width
    fit = max if options["crop"] and options["crop"] != "noop" else min
    scale = fit(geometry[0] / width, geometry[1] / height)
    scaled = width * height * scale**2 if options["upscale"] or scale < 1 else 0
    box = geometry[0] * geometry[1] if options["padding"] else 0
    largest = max([1.0, *map(float, resolutions)]) ** 2 * max(scaled, box)
    pixels = max(width * height, largest, int(options["rounded"] or 0) ** 2)
    if pixels > get_server_config().max_pixels:
        raise SpecError(f"the engine would have to hold {pixels:.0f} pixels to make the thumbnail")


def _larger(geometry: tuple[int, int], resolution: str) -> tuple[int, int]:
    return int(geometry[0] * float(resolution)), int(geometry[1] * float(resolution))


def _written(options: dict[str, Any], factor: float) -> dict[str, Any]:
    """The options for writing an alternative resolution.

    As sorl makes them: offsets in pixels are scaled for writing, where nothing reads them, and not for
    cropping (sorl/thumbnail/base.py, _create_alternative_resolutions).
    """
    if not isinstance(options["crop"], str):
        return options
    scaled = [
        f"{int(int(match[1]) * factor)}px" if (match := re.match(r"(\d+)px", part)) else part
        for part in options["crop"].split(" ")
    ]
    return {**options, "crop": " ".join(scaled)}


def _picture(
    engine: Any,
    image: Any,
    geometry: tuple[int, int],
    options: dict[str, Any],
    written: dict[str, Any],
    timing: Timing,
) -> Picture:
    with timing.of("resize"):
        thumbnail = engine.create(image, geometry, options)
    file = _ThumbnailFile()
    with timing.of("encode"):
        engine.write(thumbnail, written, file)
    if not file.data:
        # sorl's Pillow engine loses its second try: it returns None (13.4, _get_raw_data).
        raise SourceInvalidError("the engine wrote an empty file")
    width, height = engine.get_image_size(thumbnail)
    return Picture(file.data, width, height)


class _SourceFile:
    """What an engine needs of sorl's ImageFile to read a source."""

    # Engines that run other programs look at its extension; the programs look at the data.
    name = "source"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


class _ThumbnailFile:
    """What an engine needs of sorl's ImageFile to write a thumbnail."""

    data: bytes = b""

    def write(self, content: bytes) -> None:
        self.data = content or b""


@contextmanager
def _engine_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (ShrinkmeisterError, MemoryError):
        raise
    # Engines raise whatever their libraries do, from SyntaxError (Pillow, for a broken PNG) to
    # struct.error; to whoever asked, all of it says that this source cannot be made into that.
    except Exception as error:
        raise SourceInvalidError(f"{what}: {type(error).__name__}: {error}") from error

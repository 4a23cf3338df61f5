"""Make thumbnails from a source's bytes, with a sorl engine and in the steps of sorl's own backend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.engines.base import EngineBase
from sorl.thumbnail.parsers import parse_cropbox, parse_geometry

from shrinkmeister.conf import SettingError, reset_on_setting_change
from shrinkmeister.exceptions import (
    OutOfMemoryError,
    ShrinkmeisterError,
    SourceInvalidError,
    SourceTooLargeError,
    SpecError,
)
from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.engines import OldLibvipsError
from shrinkmeister_server.engines.shrinking import ShrinkingEngine, Size
from shrinkmeister_server.inspection import validate, validate_frames, validate_opened
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.rendering.error_causes import is_about_source
from shrinkmeister_server.time_limit import TimedBytes, TimeLimit

ENGINE_HINT = (
    "Use a sorl engine, for instance 'sorl.thumbnail.engines.pil_engine.Engine', and install what it "
    "needs: shrinkmeister[vips] for libvips."
)
# Characters of a library's error that are logged. libvips joins all of a source's errors.
MAX_REASON = 300


@dataclass(frozen=True)
class Picture:
    """An encoded thumbnail, and its size in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Rendering:
    """A thumbnail and its alternative resolutions ("2" -> picture)."""

    thumbnail: Picture
    resolutions: dict[str, Picture]
    source: SourceRecord


@reset_on_setting_change
def get_engine() -> Any:
    """Return the sorl engine that THUMBNAIL_ENGINE names. Raises SettingError."""
    path = sorl_settings.THUMBNAIL_ENGINE
    try:
        engine = import_string(path)()
        if not isinstance(engine, EngineBase):
            raise TypeError("it is not a sorl engine")
        return engine
    # OSError if a library that the engine binds is not installed.
    except (ImportError, OSError, TypeError, ImproperlyConfigured) as error:
        raise SettingError(
            "shrinkmeister.E101",
            f"THUMBNAIL_ENGINE is {path!r}, which cannot be used: {error}.",
            error.hint if isinstance(error, OldLibvipsError) else ENGINE_HINT,
        ) from error


def render(data: bytes, spec: ThumbnailSpec, resolutions: tuple[str, ...], timing: Timing) -> Rendering:
    """Make a thumbnail and its alternative resolutions from one decoding of the source.

    Raises SourceFormatError if the source's format is not allowed, SourceInvalidError if the engine cannot
    make the thumbnail, SourceTooLargeError for its pixels, frames or memory, and SourceTooSlowError.
    Raises SpecError if the thumbnail would have too many pixels. Any other error is a mistake in code, or
    caused by this machine.
    """
    limit = TimeLimit.after(get_server_config().max_seconds)
    with _engine_errors("the source is broken", limit):
        header = validate(TimedBytes(data, limit))
    engine = get_engine()
    options = spec.full_options()
    if "colorspace" not in spec.options:
        # sorl distinguishes its default from a "RGB" that a template asks for (convert_engine.py).
        options["colorspace"] = sorl_defaults.THUMBNAIL_COLORSPACE
    if "progressive" in options:
        options["progressive"] = bool(options["progressive"])  # libvips takes nothing else
    with _engine_errors("the source is not an image that the engine opens", limit):
        image = engine.get_image(_SourceFile(data, limit))
        validate_opened(image)
    try:
        with _engine_errors("the engine could not make the thumbnail", limit):
            frames = validate_frames(header, data) if _takes_frames(engine, image, header, options) else 1
            # Pillow decodes a PNG to read its EXIF orientation.
            with timing.of("decode"):
                image = engine.prepare(image, options)
                options["image_info"] = engine.get_image_info(image)
                width, height = engine.get_image_size(image)
                flipped = bool(engine.flip_dimensions(image, options={"orientation": True}))
            source = SourceRecord(width, height, flipped, spec.options.get("version"))
            geometry = parse_geometry(spec.geometry, engine.get_image_ratio(image, options))
            _validate_sizes(source, geometry, options, resolutions, frames)
            larger = {resolution: _larger(geometry, resolution) for resolution in resolutions}
            if isinstance(engine, ShrinkingEngine):
                with timing.of("decode"):
                    engine.decode(image, [geometry, *larger.values()], options)
            make = partial(_make_picture, engine, image, options, timing, limit)
            thumbnail = make(geometry, options)
            alternatives = {
                resolution: make(size, _options_for_writing(options, float(resolution)))
                for resolution, size in larger.items()
            }
    finally:
        engine.cleanup(image)
    return Rendering(thumbnail, alternatives, source)


def _takes_frames(engine: Any, image: Any, header: Any, options: dict[str, Any]) -> bool:
    """Return whether the engine decodes more than the first frame of the source."""
    if isinstance(engine, ShrinkingEngine):
        return engine.stays_animated(image, options)
    # sorl's libvips engine decodes all frames of a GIF, even for a still.
    return bool(options["format"] == "GIF" or header.format == "GIF")


def _validate_sizes(
    source: SourceRecord,
    geometry: Size,
    options: dict[str, Any],
    resolutions: tuple[str, ...],
    frames: int,
) -> None:
    """Validate the sizes of all pictures that the engine will hold, which are larger before cropping.

    Raises SpecError, or SourceTooLargeError if the engine reports a larger source than Pillow does.
    """
    limits = get_server_config()
    width, height = source.width, source.height
    if width * height > limits.max_pixels:
        raise SourceTooLargeError(f"the source has {width} x {height} pixels")
    if options["cropbox"]:
        left, top, right, bottom = parse_cropbox(options["cropbox"])
        width, height = right - left, bottom - top
    elif source.flipped and options["orientation"]:
        width, height = height, width
    pixels: float = max(width * height, int(options["rounded"] or 0) ** 2)
    for box in (geometry, *(_larger(geometry, resolution) for resolution in resolutions)):
        scaled, written = _scaled_and_written((width, height), box, options)
        if max(written) > limits.max_side:
            raise SpecError(f"a side of the thumbnail would have {max(written):.0f} pixels")
        pixels = max(pixels, *(frames * across * down for across, down in (scaled, written)))
    if pixels > limits.max_pixels:
        raise SpecError(f"the engine would have to hold {pixels:.0f} pixels to make the thumbnail")


def _scaled_and_written(
    size: Size, box: Size, options: dict[str, Any]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the size to which a picture is scaled, and to which it is then cropped or padded."""
    crops = options["crop"] and options["crop"] != "noop"
    scale = (max if crops else min)(box[0] / size[0], box[1] / size[1])
    if not options["upscale"]:
        scale = min(scale, 1)
    scaled = (size[0] * scale, size[1] * scale)
    if options["padding"]:
        return scaled, box
    return scaled, (min(scaled[0], box[0]), min(scaled[1], box[1])) if crops else scaled


def _larger(geometry: Size, resolution: str) -> Size:
    return int(geometry[0] * float(resolution)), int(geometry[1] * float(resolution))


def _options_for_writing(options: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the options for writing an alternative resolution, as sorl makes them.

    sorl scales offsets in pixels only for writing, where nothing reads them, and not for cropping
    (sorl/thumbnail/base.py, _create_alternative_resolutions).
    """
    if not isinstance(options["crop"], str):
        return options
    scaled = [
        f"{int(int(match[1]) * factor)}px" if (match := re.match(r"(\d+)px", part)) else part
        for part in options["crop"].split(" ")
    ]
    return {**options, "crop": " ".join(scaled)}


def _make_picture(
    engine: Any,
    image: Any,
    options: dict[str, Any],
    timing: Timing,
    limit: TimeLimit,
    geometry: Size,
    options_for_writing: dict[str, Any],
) -> Picture:
    limit.check()
    with timing.of("resize"):
        thumbnail = engine.create(image, geometry, options)
    limit.check()
    file = _ThumbnailFile()
    with timing.of("encode"):
        engine.write(thumbnail, options_for_writing, file)
    limit.check()
    if not file.data:
        # sorl's Pillow engine (13.4, _get_raw_data) returns None if its first attempt fails.
        raise SourceInvalidError("the engine wrote an empty file")
    width, height = engine.get_image_size(thumbnail)
    return Picture(file.data, width, height)


class _SourceFile:
    """The part of sorl's ImageFile that an engine needs to read a source."""

    # Engines that run other programs read its extension. The programs read the data.
    name = "source"

    def __init__(self, data: bytes, limit: TimeLimit) -> None:
        self._data = data
        self.limit = limit

    def read(self) -> bytes:
        return self._data


class _ThumbnailFile:
    """The part of sorl's ImageFile that an engine needs to write a thumbnail."""

    data: bytes = b""

    def write(self, content: bytes) -> None:
        self.data = content or b""


@contextmanager
def _engine_errors(what: str, limit: TimeLimit) -> Iterator[None]:
    try:
        yield
    except ShrinkmeisterError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{what}: there is not enough memory for it") from error
    except Exception as error:
        if not is_about_source(error):
            raise
        limit.check()  # a library also fails if the time limit has stopped it
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise SourceInvalidError(f"{what}: {type(error).__name__}: {reason}") from error

"""Make thumbnails from a source's bytes, with a sorl engine and in the steps of sorl's own backend."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from traceback import walk_tb
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from sorl.thumbnail.conf import defaults as sorl_defaults
from sorl.thumbnail.engines.base import EngineBase
from sorl.thumbnail.parsers import parse_cropbox, parse_geometry

from shrinkmeister import exceptions as errors
from shrinkmeister.conf import SettingError, reset_on_setting_change
from shrinkmeister.protocol.records import SourceRecord
from shrinkmeister.protocol.spec import ThumbnailSpec
from shrinkmeister_server.conf import get_server_config
from shrinkmeister_server.engines import automatic, pillow
from shrinkmeister_server.engines.damage import repaired
from shrinkmeister_server.engines.shrinking import ShrinkingEngine, Size
from shrinkmeister_server.inspection import png, validate, validate_frames, validate_opened
from shrinkmeister_server.observability.timing import Timing
from shrinkmeister_server.time_limit import TimedBytes, TimeLimit

# Characters of a library's error that are logged. libvips joins all of a source's errors.
MAX_REASON = 300
# Python raises these for mistakes in code, such as an engine's or a site's.
MISTAKES = (AssertionError, AttributeError, ImportError, LookupError, NameError, TypeError)
# Where Pillow reads and writes files. Pillow refuses a broken file there, before other code sees it.
READERS = re.compile(r"PIL\.(ImageFile|\w+Plugin)")
OWN_MODULES = re.compile(r"shrinkmeister(_server)?\..+")


@dataclass(frozen=True)
class Picture:
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
    """Return the sorl engine that THUMBNAIL_ENGINE names, or the automatic one. Raises SettingError."""
    # Not of sorl's settings: their default is sorl's own engine, also on a site in eager mode.
    path = getattr(settings, "THUMBNAIL_ENGINE", automatic.PATH)
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
            "Use a sorl engine, for instance 'sorl.thumbnail.engines.pil_engine.Engine', and install what "
            "it needs: shrinkmeister[vips] for libvips.",
        ) from error


def render(data: bytes, spec: ThumbnailSpec, resolutions: tuple[str, ...], timing: Timing) -> Rendering:
    """Make a thumbnail and its alternative resolutions from one decoding of the source.

    Raises SourceFormatError if the source's format is not allowed, SourceInvalidError if the engine cannot
    make the thumbnail, SourceTooLargeError for its pixels, frames or memory, and SourceTooSlowError.
    Raises SpecError if the thumbnail would have too many pixels. Any other error is a mistake in code, or
    caused by this machine.
    """
    limit = TimeLimit.after(get_server_config().max_seconds)
    engine, data = get_engine(), png.without_broken_extras(data)
    try:
        return _render(engine, data, spec, resolutions, timing, limit)
    except errors.SourceInvalidError:
        if not (get_server_config().allow_truncated and data.startswith(b"\xff\xd8")):
            raise
        with _engine_errors("the source is broken", limit):
            complete = repaired(data, limit)
        if complete is None:
            raise
    if isinstance(engine, ShrinkingEngine):
        engine = pillow.Engine()  # libvips refuses a repaired JPEG that has many restart markers
    return _render(engine, complete, spec, resolutions, timing, limit)


def _render(
    engine: Any,
    data: bytes,
    spec: ThumbnailSpec,
    resolutions: tuple[str, ...],
    timing: Timing,
    limit: TimeLimit,
) -> Rendering:
    with _engine_errors("the source is broken", limit):
        header = validate(TimedBytes(data, limit))
    options = spec.full_options()
    if "colorspace" not in spec.options:
        # sorl distinguishes its default from a "RGB" that a template asks for (convert_engine.py).
        options["colorspace"] = sorl_defaults.THUMBNAIL_COLORSPACE
    if "progressive" in options:
        options["progressive"] = bool(options["progressive"])  # libvips takes nothing else
    # Templates may write it as text. libjpeg takes 0 as 1, and libvips does not take it.
    options["quality"] = max(1, int(options["quality"]))
    engine, image = _opened(automatic.engines_for(engine, header, options), data, limit)
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
            larger = {
                one: (int(geometry[0] * float(one)), int(geometry[1] * float(one))) for one in resolutions
            }
            _validate_sizes(source, [geometry, *larger.values()], options, frames)
            if isinstance(engine, ShrinkingEngine):
                with timing.of("decode"):
                    engine.decode(image, [geometry, *larger.values()], options)
            make = partial(_make_picture, engine, image, options, timing, limit)
            thumbnail = make(geometry)
            alternatives = {resolution: make(size) for resolution, size in larger.items()}
    finally:
        engine.cleanup(image)
    return Rendering(thumbnail, alternatives, source)


def _opened(engines: Sequence[Any], data: bytes, limit: TimeLimit) -> tuple[Any, Any]:
    """Return the first engine that opens a source, and the source as its image."""
    for engine in engines:
        try:
            with _engine_errors("the source is not an image that the engine opens", limit):
                # Engines use this much of sorl's ImageFile. Those that run programs read the extension.
                image = engine.get_image(SimpleNamespace(name="source", read=lambda: data, limit=limit))
                validate_opened(image)
                return engine, image
        except (errors.SourceFormatError, errors.SourceInvalidError):
            if engine is engines[-1]:
                raise
    raise AssertionError("no engine")


def _takes_frames(engine: Any, image: Any, header: Any, options: dict[str, Any]) -> bool:
    if isinstance(engine, ShrinkingEngine):
        return engine.stays_animated(image, options)
    # sorl's libvips engine decodes all frames of a GIF, even for a still.
    return bool(options["format"] == "GIF" or header.format == "GIF")


def _validate_sizes(
    source: SourceRecord, boxes: Sequence[Size], options: dict[str, Any], frames: int
) -> None:
    """Validate the sizes of all pictures that the engine will hold, which are larger before cropping.

    Raises SpecError, or SourceTooLargeError if the engine reports a larger source than Pillow does.
    """
    limits = get_server_config()
    width, height = source.width, source.height
    if width * height > limits.max_pixels:
        raise errors.SourceTooLargeError(f"the source has {width} x {height} pixels")
    if options["cropbox"]:
        left, top, right, bottom = parse_cropbox(options["cropbox"])
        width, height = right - left, bottom - top
    elif source.flipped and options["orientation"]:
        width, height = height, width
    pixels: float = max(width * height, int(options["rounded"] or 0) ** 2)
    for box in boxes:
        scaled, written = _scaled_and_written((width, height), box, options)
        if max(written) > limits.max_side:
            raise errors.SpecError(f"a side of the thumbnail would have {max(written):.0f} pixels")
        pixels = max(pixels, *(frames * across * down for across, down in (scaled, written)))
    if pixels > limits.max_pixels:
        raise errors.SpecError(f"the engine would have to hold {pixels:.0f} pixels to make the thumbnail")


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


def _make_picture(
    engine: Any,
    image: Any,
    options: dict[str, Any],
    timing: Timing,
    limit: TimeLimit,
    geometry: Size,
) -> Picture:
    limit.check()
    with timing.of("resize"):
        thumbnail = engine.create(image, geometry, options)
    limit.check()
    # Engines use the `write` of sorl's ImageFile, and nothing else of it.
    written: list[bytes | None] = []
    with timing.of("encode"):
        engine.write(thumbnail, options, SimpleNamespace(write=written.append))
    limit.check()
    if not written or not (data := written[-1]):
        # sorl's Pillow engine (13.4, _get_raw_data) returns None if its first attempt fails.
        raise errors.SourceInvalidError("the engine wrote an empty file")
    width, height = engine.get_image_size(thumbnail)
    return Picture(data, width, height)


@contextmanager
def _engine_errors(what: str, limit: TimeLimit) -> Iterator[None]:
    try:
        yield
    except errors.ShrinkmeisterError:
        raise
    except MemoryError as error:
        raise errors.OutOfMemoryError(f"{what}: there is not enough memory for it") from error
    except Exception as error:
        if not _is_about_source(error):
            raise
        limit.check()  # a library also fails if the time limit has stopped it
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise errors.SourceInvalidError(f"{what}: {type(error).__name__}: {reason}") from error


def _is_about_source(error: Exception) -> bool:
    """Return whether the source or the options caused an error from an engine or the inspection.

    Any other error is a mistake in code, or this machine has run out of something. For a broken file,
    libraries raise errors of almost any type: SyntaxError (PNG), RuntimeError (AVIF), TypeError (TIFF),
    IndexError (GIF). From other code, the last two mean a mistake in that code. So the decision needs the
    code that raised the error as well as its type.
    """
    # sorl before 13.3 has no EngineError, and a site with such a version may import this module.
    from sorl.thumbnail.helpers import EngineError

    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    origin = modules[-1] if modules else ""
    # Pillow's own OSErrors have no number. sorl raises EngineError if it cannot run a program.
    for one in (error, error.__cause__ or error.__context__):
        if isinstance(one, OSError) and one.errno:
            return False
    if isinstance(error, RuntimeError) and origin == "threading":
        return False  # no more threads can be started
    # Shrinkmeister's own code refuses a source with its own errors, or with sorl's EngineError.
    if OWN_MODULES.fullmatch(origin) and not isinstance(error, EngineError):
        return False
    return not isinstance(error, MISTAKES) or any(map(READERS.fullmatch, modules))

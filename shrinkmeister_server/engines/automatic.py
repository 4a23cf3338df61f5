"""The server's default engine: chooses the faster one of our two engines for each source.

    engine = get_engine()
    for one in engines_for(engine, header, options):  # the best first, then those that may read the rest
        ...

Without libvips, or with one older than 8.15, Pillow's engine makes all thumbnails.
"""

import logging
from importlib.metadata import version
from typing import Any

from django.utils.module_loading import import_string
from sorl.thumbnail.engines.base import EngineBase

from shrinkmeister.conf import reset_on_setting_change
from shrinkmeister_server.engines import pillow

logger = logging.getLogger(__name__)

PATH = "shrinkmeister_server.engines.automatic.Engine"
VIPS = "shrinkmeister_server.engines.vips.Engine"

# The formats that libvips reads here. Its other loaders are not trusted, or missing in its packages.
VIPS_READS = frozenset({"AVIF", "GIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP"})
# Compressions of TIFF that its packages lack.
VIPS_LACKS = frozenset({"lzma", "webp", "zstd"})
# The sources that libvips makes faster, unless they are animated. It reads a PNG line by line, which needs
# less than half of Pillow's memory, and it decodes a WebP at a smaller size: docs/reference/limits.md.
VIPS_IS_FASTER = frozenset({"PNG", "WEBP"})
# Below this, a thumbnail takes both libraries some milliseconds, and Pillow the fewer.
VIPS_MIN_PIXELS = 500_000
# What libvips writes as fast as Pillow, and as small. Its AVIFs of drawings are twice as large.
VIPS_WRITES = frozenset({"JPEG", "PNG", "WEBP"})


class Engine(pillow.Engine):
    """The name of the choice in settings. sorl's own backend does not choose, and gets Pillow's engine."""


def engines_for(engine: EngineBase, header: Any, options: dict[str, Any]) -> tuple[EngineBase, ...]:
    """Return the engines that may make a thumbnail, in the order in which to try them.

    engine   the engine of the settings. An engine that is not ours makes all thumbnails itself.
    header   the source as Pillow's image
    """
    kind = f"{type(engine).__module__}.{type(engine).__qualname__}"
    if kind == VIPS:
        others: tuple[EngineBase, ...] = (pillow.Engine(),)
        return (engine, *others) if _vips_reads(header) else others
    if type(engine) not in (Engine, pillow.Engine):
        return (engine,)
    if not _vips_reads(header) or not (libvips := get_vips_engine()):
        return (engine,)
    return (libvips, engine) if kind == PATH and _suits_vips(header, options) else (engine, libvips)


@reset_on_setting_change
def get_vips_engine() -> EngineBase | None:
    """Return the engine of libvips, or None, with a line in the log, if libvips is missing or too old.

    Loading it takes 35 ms, so that is left to the first source that needs it.
    """
    try:
        engine: EngineBase = import_string(VIPS)()
    # OSError if pyvips finds no libvips.
    except (ImportError, OSError) as error:
        logger.info("Pillow makes all thumbnails, because libvips cannot be used: %s", error)
        return None
    return engine


def described(engine: EngineBase) -> str:
    """Return an engine's dotted path, and the libraries that it uses on this machine."""
    path = f"{type(engine).__module__}.{type(engine).__qualname__}"
    if path not in (PATH, VIPS):
        return path
    libraries = [] if path == VIPS else [f"Pillow {version('pillow')}"]
    if get_vips_engine():
        import pyvips

        libraries.append("libvips " + ".".join(str(pyvips.version(part)) for part in range(3)))
    return f"{path} ({', '.join(libraries)})"


def _vips_reads(header: Any) -> bool:
    return header.format in VIPS_READS and header.info.get("compression") not in VIPS_LACKS


def _suits_vips(header: Any, options: dict[str, Any]) -> bool:
    # Smart crop and the search for borders give other pictures in libvips, and sorl's default is Pillow.
    return bool(
        header.format in VIPS_IS_FASTER
        and header.width * header.height >= VIPS_MIN_PIXELS
        and options["format"] in VIPS_WRITES
        and not getattr(header, "is_animated", False)
        and options["crop"] != "smart"
        and not options.get("remove_border")
    )

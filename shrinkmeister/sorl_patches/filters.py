"""Replacements for sorl's template filters that use its key-value store or visitors' texts.

When Django starts, `is_portrait`, `margin` and `background_margin` of `{% load thumbnail %}` are replaced
in sorl's library and module. Templates and imports stay unchanged. sorl's filters would open a file and
write SQL for each lazy thumbnail. The replacements take sizes from the thumbnail, or from the shared cache
for a source. If a size is not known, they return what sorl returns for an error. `texts.py` replaces
`markdown_thumbnails` and `html_thumbnails`. With another backend, sorl's own filters run.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from sorl.thumbnail.conf import settings as sorl_settings
from sorl.thumbnail.images import DummyImageFile
from sorl.thumbnail.parsers import parse_geometry
from sorl.thumbnail.templatetags import thumbnail as library

from shrinkmeister.sorl_patches import is_backend_ours

Size = tuple[int, int]


def is_portrait(size: Size) -> bool:
    width, height = size
    return height > width


def margin(size: Size, geometry: str) -> str:
    """Return top, right, bottom, left: (20, 10), "25x15" -> "2px 3px 3px 2px"."""
    horizontal, vertical = _room(size, geometry)
    # The odd pixel is added at the right and at the bottom. Halves are rounded towards zero.
    sides = (
        vertical / 2,
        horizontal / 2 + horizontal % 2,
        vertical / 2 + vertical % 2,
        horizontal / 2,
    )
    return " ".join(f"{int(side)}px" for side in sides)


def background_margin(size: Size, geometry: str) -> str:
    """Return left, top: (20, 10), "25x15" -> "2.5px 2.5px"."""
    return " ".join(f"{room / 2}px" for room in _room(size, geometry))


#: sorl's own filters, by name
SORLS: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace sorl's filters for templates and for Python code. Call once."""
    for ours, unknown in ((is_portrait, False), (margin, "auto"), (background_margin, "auto")):
        _replace(ours.__name__, _in_place_of(getattr(library, ours.__name__), ours, unknown))
    for name in ("markdown_thumbnails", "html_thumbnails"):
        _replace(name, _of_texts(name, getattr(library, name)))


def _replace(name: str, replacement: Callable[..., Any]) -> None:
    SORLS[name] = getattr(library, name)
    library.register.filter(name, replacement)
    # Sites with Jinja2 import them.
    setattr(library, name, replacement)


def _in_place_of(sorls: Callable[..., Any], ours: Callable[..., Any], unknown: Any) -> Callable[..., Any]:
    @wraps(ours)
    def filtered(file: Any, *arguments: str) -> Any:
        # Imported on first use, because Django imports this module at its start.
        from shrinkmeister.thumbnails.thumbnail import Thumbnail, size_of

        if not file or isinstance(file, DummyImageFile) or sorl_settings.THUMBNAIL_DUMMY:
            return sorls(file, *arguments)
        if not isinstance(file, Thumbnail) and not is_backend_ours():
            return sorls(file, *arguments)
        size = size_of(file)
        return ours(size, *arguments) if size else unknown

    safe: Callable[..., Any] = library.safe_filter(error_output=unknown)(filtered)
    return safe


def _of_texts(name: str, sorls: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(sorls)
    def filtered(text: Any) -> Any:
        from shrinkmeister.sorl_patches.texts import SYNTAXES, show_thumbnails

        return show_thumbnails(text, SYNTAXES[name]) if is_backend_ours() else sorls(text)

    return filtered


def _room(size: Size, geometry: str) -> tuple[int, int]:
    """Return the pixels of a box beside a picture, below 0 if the picture is larger."""
    width, height = size
    box = parse_geometry(geometry, float(width) / height)
    return box[0] - width, box[1] - height

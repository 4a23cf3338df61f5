"""Many thumbnails in one round trip, for views and serializers."""

from collections.abc import Iterable
from typing import Any

from sorl.thumbnail import default

from shrinkmeister.adoption import former_of
from shrinkmeister.backend import make_spec
from shrinkmeister.conf import Config, get_config
from shrinkmeister.exceptions import HostNotListedError
from shrinkmeister.images import Thumbnail
from shrinkmeister.page import Page, current_page, using_page
from shrinkmeister.shared_cache import keys_of


def prefetch_thumbnails(
    objects: Iterable[Any], field: str, geometry: str | int, **options: Any
) -> list[Thumbnail | None]:
    """The thumbnails of a field of some objects, looked up together.

    field: the name of the attribute that holds the file. None stands for objects whose file is empty. A
    page that is being rendered finds them too, so that its templates ask for nothing. Raises what
    `get_thumbnail` raises.
    """
    config = get_config()
    files = [getattr(one, field) for one in objects]
    page = current_page() or Page()
    for file in files:
        if file and not config.dummy:
            page.expect(_keys(file, geometry, options, config))
    with using_page(page):
        return [
            default.backend.get_thumbnail(file, geometry, **options) if file else None for file in files
        ]


def _keys(file: Any, geometry: str | int, options: dict[str, Any], config: Config) -> tuple[str, ...]:
    try:
        spec = make_spec(file, geometry, options, config)
    except HostNotListedError:
        return ()
    former = former_of(file, geometry, options, config)
    return keys_of(spec, former.place if former else None).all

"""Many thumbnails in one round trip, for views and serializers, and what an API says of each."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from sorl.thumbnail import default

from shrinkmeister.adoption.former import former_of
from shrinkmeister.backend import make_spec
from shrinkmeister.cache.lookups import keys_of
from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import SourceError, SpecError
from shrinkmeister.page import RequestCache, current_page, using_page
from shrinkmeister.sorl_errors import as_sorls
from shrinkmeister.thumbnails.thumbnail import Thumbnail

#: (file, geometry, options), as `get_thumbnail` takes them
Call = tuple[Any, str | int, Mapping[str, Any]]


class ThumbnailData(TypedDict):
    """A thumbnail as JSON has it.

    url            final if it is recorded; else the URL at which the thumbnail server makes it
    width, height  in pixels where they are certain, else None
    srcset         THUMBNAIL_ALTERNATIVE_RESOLUTIONS as an attribute of <img>:
                   ".../a@1.5x.jpg 1.5x, .../a@2x.jpg 2x"; "" where there are none
    """

    url: str
    width: int | None
    height: int | None
    srcset: str


@as_sorls
def prefetch_thumbnails(
    objects: Iterable[Any], field: str, geometry: str | int, **options: Any
) -> list[Thumbnail | None]:
    """The thumbnails of a field of some objects, looked up together.

    field: the name of the attribute that holds the file. None stands for objects whose file is empty. A
    page that is being rendered finds them too, so that its templates ask for nothing. Raises what
    `get_thumbnail` raises.
    """
    files = [getattr(one, field) for one in objects]
    page = current_page() or RequestCache()
    expect(page, ((file, geometry, options) for file in files))
    with using_page(page):
        return [
            default.backend.get_thumbnail(file, geometry, **options) if file else None for file in files
        ]


def thumbnail_data(thumbnail: Thumbnail | None) -> ThumbnailData | None:
    """What an API says of a thumbnail, such as one of `prefetch_thumbnails`; None of none."""
    if thumbnail is None:
        return None
    urls = {resolution: thumbnail.url_of(resolution) for resolution in get_config().resolutions}
    # A placeholder, and an image that is shown as it is, have one URL.
    srcset = ", ".join(f"{url} {factor}x" for factor, url in urls.items() if url != thumbnail.url)
    width, height = thumbnail.sides
    return {"url": thumbnail.url, "width": width, "height": height, "srcset": srcset}


def expect(page: RequestCache, calls: Iterable[Call]) -> None:
    """Has a page's next look-up fetch what these calls will look for; those that will fail, for nothing."""
    if not get_config().dummy:
        for file, geometry, options in calls:
            if file:
                page.expect(_keys(file, geometry, dict(options)))


def _keys(file: Any, geometry: str | int, options: dict[str, Any]) -> tuple[str, ...]:
    config = get_config()
    try:
        spec = make_spec(file, geometry, options, config)
        former = former_of(file, geometry, options, config)
        return keys_of(spec, former.place if former else None).all
    except (SpecError, SourceError):
        return ()

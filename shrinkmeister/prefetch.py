"""Many thumbnails in one round trip, for views and serializers, and each as JSON for APIs."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
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
    """A thumbnail as JSON.

    url            the final URL if the thumbnail is recorded, otherwise the lazy URL
    width, height  in pixels; None if they are not certain
    srcset         the attribute of <img> with THUMBNAIL_ALTERNATIVE_RESOLUTIONS, or "":
                   ".../a@1.5x.jpg 1.5x, .../a@2x.jpg 2x"
    """

    url: str
    width: int | None
    height: int | None
    srcset: str


@as_sorls
def prefetch_thumbnails(
    objects: Iterable[Any], field: str, geometry: str | int, **options: Any
) -> list[Thumbnail | None]:
    """Return the thumbnails of many objects after one look-up.

    The list contains None for an object with an empty file. Templates of the page then show these
    thumbnails without another look-up. Raises the errors of `get_thumbnail`.

    field: the name of the attribute that holds the file
    """
    files = [getattr(one, field) for one in objects]
    page = current_page() or RequestCache()
    expect(page, ((file, geometry, options) for file in files))
    with using_page(page):
        return [
            default.backend.get_thumbnail(file, geometry, **options) if file else None for file in files
        ]


def thumbnail_data(thumbnail: Thumbnail | None) -> ThumbnailData | None:
    """Return a thumbnail as JSON for an API. Return None if the thumbnail is None."""
    if thumbnail is None:
        return None
    urls = {resolution: thumbnail.url_of(resolution) for resolution in get_config().resolutions}
    # A placeholder, and an image that is shown unchanged, have only one URL.
    srcset = ", ".join(f"{url} {factor}x" for factor, url in urls.items() if url != thumbnail.url)
    width, height = thumbnail.sides
    return {"url": thumbnail.url, "width": width, "height": height, "srcset": srcset}


def expect(page: RequestCache, calls: Iterable[Call]) -> None:
    """Make a page's next look-up fetch the keys of these calls, except of those that will fail."""
    config = get_config()
    for file, geometry, options in calls:
        if file and not config.dummy:
            with suppress(SpecError, SourceError):
                spec = make_spec(file, geometry, dict(options), config)
                former = former_of(file, geometry, options, config)
                page.expect(keys_of(spec, former.place if former else None).all)

"""`{% load shrinkmeister %}`: a tag and a filter that sorl does not have."""

from django.template import Library
from sorl.thumbnail.images import BaseImageFile

from shrinkmeister.fragments import parse
from shrinkmeister.storage.listing import with_resolution
from shrinkmeister.thumbnails.thumbnail import Thumbnail

register = Library()
register.tag("cache_thumbnails", parse)


@register.filter
def resolution(thumbnail: Thumbnail | BaseImageFile | str, resolution: str) -> str:
    """Return the URL at an alternative resolution: `{{ im|resolution:"2x" }}`.

    Unlike sorl's filter of that name, it takes the thumbnail and not only its URL. So it works in a private
    bucket, where each URL has its own signature. It also takes what sorl's filter takes, because
    `{% load thumbnail shrinkmeister %}` replaces that, and thumbnails of sorl's own backend.
    """
    if isinstance(thumbnail, Thumbnail):
        return thumbnail.url_of(resolution)
    url = thumbnail if isinstance(thumbnail, str) else thumbnail.url
    return with_resolution(url, resolution.removesuffix("x"))

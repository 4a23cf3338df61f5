"""`{% load shrinkmeister %}`: what sorl's own tags cannot know."""

from django.template import Library
from sorl.thumbnail.images import BaseImageFile

from shrinkmeister.fragments import parse
from shrinkmeister.thumbnails.thumbnail import Thumbnail, with_resolution

register = Library()
register.tag("cache_thumbnails", parse)


@register.filter
def resolution(thumbnail: Thumbnail | BaseImageFile, resolution: str) -> str:
    """`{{ im|resolution:"2x" }}`: the URL at an alternative resolution.

    Takes the thumbnail and not its URL, unlike sorl's filter of that name, and so is right in a private
    bucket, where each URL has its own signature. Thumbnails of sorl's own backend pass too.
    """
    if isinstance(thumbnail, Thumbnail):
        return thumbnail.url_of(resolution)
    return with_resolution(thumbnail.url, resolution.removesuffix("x"))

"""`{% load shrinkmeister %}`: what sorl's own tags cannot know."""

from django.template import Library

from shrinkmeister.images import Thumbnail

register = Library()


@register.filter
def resolution(thumbnail: Thumbnail, resolution: str) -> str:
    """`{{ im|resolution:"2x" }}`: the URL at an alternative resolution.

    Takes the thumbnail and not its URL, unlike sorl's filter of that name, and so is right in a private
    bucket, where each URL has its own signature.
    """
    return thumbnail.url_of(resolution)

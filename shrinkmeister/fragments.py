"""`{% cache_thumbnails %}`: Django's `{% cache %}`, only as long as the thumbnails in it allow."""

from dataclasses import dataclass
from typing import Any

from django.core.cache import BaseCache, InvalidCacheBackendError, caches
from django.core.cache.utils import make_template_fragment_key
from django.template import TemplateSyntaxError
from django.template.base import FilterExpression, Node, NodeList, Parser, Token
from django.template.context import Context
from django.utils.safestring import SafeString

from shrinkmeister.caching import watch_thumbnails
from shrinkmeister.lifetime import Lifetime
from shrinkmeister.page import current_page

END = "endcache_thumbnails"


class Fragment(SafeString):
    """The HTML of a fragment with thumbnails whose URLs will change.

    It is text, so that a template can go back to Django's `{% cache %}`, which caches text too.
    """

    lifetime: Lifetime


@dataclass(eq=False)
class CacheThumbnailsNode(Node):
    nodelist: NodeList
    timeout: FilterExpression
    name: str
    vary_on: list[FilterExpression]
    using: FilterExpression | None

    def render(self, context: Context) -> SafeString:
        timeout, cache = self._seconds(context), self._cache(context)
        key = make_template_fragment_key(self.name, [one.resolve(context) for one in self.vary_on])
        kept = cache.get(key)
        if kept is not None:
            if isinstance(kept, Fragment) and (page := current_page()):
                page.note(kept.lifetime.lazy, kept.lifetime.ends)
            return SafeString(kept)
        with watch_thumbnails() as lifetime:
            html = self.nodelist.render(context)
        value: str = html
        if lifetime != Lifetime():
            value = Fragment(html)
            value.lifetime = lifetime
        cache.set(key, value, lifetime.cache_seconds(timeout))
        return html

    def _seconds(self, context: Context) -> int | None:
        timeout: Any = self.timeout.resolve(context)
        try:
            return None if timeout is None else int(timeout)
        except (ValueError, TypeError) as error:
            raise TemplateSyntaxError(
                f"The timeout of cache_thumbnails is {timeout!r}. Write a number of seconds."
            ) from error

    def _cache(self, context: Context) -> BaseCache:
        if self.using is not None:
            alias = self.using.resolve(context)
            try:
                return caches[alias]
            except InvalidCacheBackendError as error:
                raise TemplateSyntaxError(f"cache_thumbnails has using={alias!r}: {error}") from error
        try:
            return caches["template_fragments"]
        except InvalidCacheBackendError:
            return caches["default"]


def parse(parser: Parser, token: Token) -> CacheThumbnailsNode:
    """Parse `{% cache_thumbnails seconds name [variable ...] [using="alias"] %}`."""
    nodelist = parser.parse((END,))
    parser.delete_first_token()
    _, *arguments = token.split_contents()
    using = None
    if arguments and arguments[-1].startswith("using="):
        using = parser.compile_filter(arguments.pop().removeprefix("using="))
    if len(arguments) < 2:
        raise TemplateSyntaxError("cache_thumbnails needs two arguments: a number of seconds and a name.")
    timeout, name, *vary_on = arguments
    return CacheThumbnailsNode(
        nodelist,
        parser.compile_filter(timeout),
        name,
        [parser.compile_filter(one) for one in vary_on],
        using,
    )

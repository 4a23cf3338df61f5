"""Caching of pages and fragments, which keeps lazy URLs only for a short time and no expired ones.

from shrinkmeister.caching import cache_page     instead of Django's

{% load shrinkmeister %}                         instead of {% cache %}
{% cache_thumbnails 900 sidebar %}...{% endcache_thumbnails %}

if has_lazy_thumbnails(): ...                    for your own code
cache.set(key, html, cache_seconds(900))
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.http import FileResponse
from django.middleware import cache as django_cache
from django.utils.cache import get_max_age
from django.utils.decorators import decorator_from_middleware_with_args, sync_and_async_middleware

from shrinkmeister.lifetime import LAZY_SECONDS, Lifetime
from shrinkmeister.page import RequestCache, current_page, using_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# s-maxage is for shared caches, max-age for browsers too.
MAX_AGE = re.compile(
    r"\b(?P<name>max-age|s-maxage)\s*=\s*\"?(?P<seconds>[0-9]+)\"?", re.ASCII | re.IGNORECASE
)


def has_lazy_thumbnails() -> bool:
    """Return whether the current page contains a lazy thumbnail so far."""
    return _lifetime().lazy


def cache_seconds(most: int | None, lazy: int = LAZY_SECONDS) -> int | None:
    """Return for how many seconds a cache may keep the current page, at most `most`.

    lazy: the limit in seconds for a page with a lazy thumbnail
    """
    return _lifetime().cache_seconds(most, lazy)


@contextmanager
def watch_thumbnails() -> Iterator[Lifetime]:
    """Return the Lifetime of the thumbnails that are rendered in the block, inside or outside of a page."""
    page = current_page() or RequestCache()
    lifetime = Lifetime()
    page.lifetimes.append(lifetime)
    try:
        with using_page(page):
            yield lifetime
    finally:
        # By identity, since the lifetimes of two fragments may be equal.
        page.lifetimes[:] = [one for one in page.lifetimes if one is not lifetime]


class UpdateCacheMiddleware(django_cache.UpdateCacheMiddleware):
    """Replaces Django's middleware in MIDDLEWARE. Caches a page only as long as its thumbnails allow."""

    lazy = LAZY_SECONDS
    page_timeout: int | None

    def process_response(self, request: "HttpRequest", response: Any) -> Any:
        most: Any = self.page_timeout
        if most is None and (most := get_max_age(response)) is None:
            most = self.cache_timeout
        # A copy, since one instance answers all requests.
        limited = copy(self)
        limited.page_timeout = cache_seconds(most, self.lazy)
        return super(UpdateCacheMiddleware, limited).process_response(request, response)


class _CacheMiddleware(UpdateCacheMiddleware, django_cache.CacheMiddleware):
    def __init__(self, get_response: Any, lazy: int, **kwargs: Any) -> None:
        super().__init__(get_response, **kwargs)
        self.lazy = lazy


def cache_page(
    timeout: int, *, lazy: int = LAZY_SECONDS, cache: str | None = None, key_prefix: str | None = None
) -> Callable[[Any], Any]:
    """Cache the pages of a view, as Django's `cache_page` does, but only as long as their thumbnails allow.

    lazy: the limit in seconds for a page with a lazy thumbnail
    """
    decorator: Callable[[Any], Any] = decorator_from_middleware_with_args(_CacheMiddleware)(
        page_timeout=timeout, lazy=lazy, cache_alias=cache, key_prefix=key_prefix
    )
    return decorator


@sync_and_async_middleware
def max_age_middleware(get_response: Any) -> Any:
    """Lower the max-age and s-maxage of responses to what their thumbnails allow.

    A response without these is not changed. A streamed response counts as lazy, unless it is a file.
    """
    if iscoroutinefunction(get_response):

        async def answer(request: "HttpRequest") -> Any:
            return _with_lower_max_age(await get_response(request))

        return answer

    return lambda request: _with_lower_max_age(get_response(request))


def _with_lower_max_age(response: "HttpResponse") -> "HttpResponse":
    if isinstance(response, FileResponse):
        return response
    # A streamed template renders its thumbnails after the headers were sent.
    lifetime = Lifetime(lazy=True) if response.streaming else _lifetime()

    def lower(one: re.Match[str]) -> str:
        return f"{one['name']}={lifetime.cache_seconds(int(one['seconds']))}"

    header = response.get("Cache-Control", "")
    lowered = MAX_AGE.sub(lower, header)
    if lowered != header:
        response["Cache-Control"] = lowered
        # Expires means the same to caches of HTTP/1.0.
        del response["Expires"]
    return response


def _lifetime() -> Lifetime:
    page = current_page()
    # There is no page outside of requests, and under ASGI before Django 6.1 without `page_middleware`.
    return page.lifetimes[0] if page else Lifetime(lazy=True)

"""Measure what a page costs with Shrinkmeister and with sorl's own backend. A real site needs none of this.

The query `?backend=sorl` selects sorl's own backend for one request. The bar of the page
has the measurements.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any

from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from sorl.thumbnail.base import ThumbnailBackend

from shrinkmeister.backend import ShrinkmeisterBackend
from shrinkmeister.drivers import driver_class

SHRINKMEISTER, SORL = BACKENDS = ("shrinkmeister", "sorl")
# The numbers are known only after the page has been rendered. They replace this comment.
PLACEHOLDER = b"<!-- numbers -->"


@dataclass
class Measurements:
    """What one page asked for.

    thumbnails      calls of get_thumbnail
    lazy            thumbnails that the page left to the thumbnail server
    made            thumbnails that sorl's own backend made before the page was ready
    queries         SQL queries
    cache_requests  requests to the cache of the chosen backend
    """

    backend: str = SHRINKMEISTER
    thumbnails: int = 0
    lazy: int = 0
    made: int = 0
    queries: int = 0
    cache_requests: int = 0
    milliseconds: float = 0.0

    @property
    def stored(self) -> int:
        return self.thumbnails - self.lazy - self.made

    @property
    def time(self) -> str:
        if self.milliseconds >= 1000:
            return f"{self.milliseconds / 1000:.1f} s"
        return f"{self.milliseconds:.0f} ms"

    @contextmanager
    def measuring(self) -> Iterator[None]:
        token = _current.set(self)
        start = time.perf_counter()
        try:
            with connection.execute_wrapper(self._count_query):
                yield
        finally:
            self.milliseconds = (time.perf_counter() - start) * 1000
            _current.reset(token)

    def _count_query(self, execute: Callable[..., Any], *args: Any) -> Any:
        """See https://docs.djangoproject.com/en/stable/topics/db/instrumentation/."""
        self.queries += 1
        return execute(*args)


_current: ContextVar[Measurements | None] = ContextVar("measurements", default=None)


def current() -> Measurements:
    """Return the measurements of this request. Outside of a request, return new ones."""
    return _current.get() or Measurements()


class CountingSorlBackend(ThumbnailBackend):  # type: ignore[misc]  # sorl has no types
    def _create_thumbnail(self, *args: Any, **kwargs: Any) -> None:
        current().made += 1
        super()._create_thumbnail(*args, **kwargs)


class ComparingBackend(ShrinkmeisterBackend):
    """Shrinkmeister's backend, or sorl's own if the request has chosen that."""

    def get_thumbnail(self, file_: Any, geometry_string: str | int, **options: Any) -> Any:
        measured = current()
        chosen: Any = self._sorl if measured.backend == SORL else super()
        made_before = measured.made
        measured.thumbnails += 1
        thumbnail = chosen.get_thumbnail(file_, geometry_string, **options)
        lazy = getattr(thumbnail, "lazy", False)
        measured.lazy += lazy
        # The badge of the picture says where it comes from.
        thumbnail.comes_from = "server" if lazy else "page" if measured.made > made_before else "storage"
        return thumbnail

    def delete(self, file_: Any, delete_file: bool = True) -> None:
        # Both backends have made thumbnails. Each finds its own through the source, which is deleted last.
        self._sorl.delete(file_, delete_file=False)
        super().delete(file_, delete_file=delete_file)

    @cached_property
    def _sorl(self) -> Any:
        return CountingSorlBackend()


def counted(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a cache that counts its calls."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        current().cache_requests += 1
        return method(*args, **kwargs)

    return call


class CountingMemoryCache(LocMemCache):
    """The cache of sorl's own backend."""

    get = counted(LocMemCache.get)
    set = counted(LocMemCache.set)
    delete = counted(LocMemCache.delete)


class ComparisonMiddleware:
    """Measure a request and write the numbers into its page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        # Shrinkmeister's pages read their cache with this method alone, whatever the driver is.
        driver = driver_class(settings.THUMBNAIL_CACHE_BACKEND)
        driver.get_many = counted(driver.get_many)  # type: ignore[method-assign]  # counts calls

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = request.GET.get("backend")
        measured = Measurements(chosen if chosen in BACKENDS else SHRINKMEISTER)
        with measured.measuring():
            response = self._get_response(request)
        if not response.streaming and PLACEHOLDER in response.content:
            # Numbers only. Django has already set the CSRF cookie, so a form would come too late here.
            numbers = render_to_string("gallery/numbers.html", {"measured": measured})
            response.content = response.content.replace(PLACEHOLDER, numbers.encode())
            response["Content-Length"] = str(len(response.content))
        return response


def chosen_backend(request: HttpRequest) -> dict[str, Any]:
    """Give templates the chosen backend.

    backend  its name
    keep     the end of a link to a page with the same backend
    storage  what visitors know its storage of thumbnails as
    """
    backend = current().backend
    bucket = settings.SOURCE_BUCKET if backend == SORL else settings.THUMBNAIL_BUCKET
    return {
        "backend": backend,
        "keep": "" if backend == SHRINKMEISTER else f"?backend={backend}",
        "storage": "S3" if bucket else "storage",
    }

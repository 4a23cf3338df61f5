"""Shrinkmeister and sorl's own backend side by side on one site, with numbers. No site needs this.

A request chooses with its query string, `?backend=sorl`; what its page cost stands in the bar.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from sorl.thumbnail.base import ThumbnailBackend

from shrinkmeister.backend import ShrinkmeisterBackend

BACKENDS = ("shrinkmeister", "sorl")
# Templates say with it where the bar goes: only when the page is done the numbers are known.
PLACEHOLDER = b"<!-- measurements -->"


@dataclass
class Measurements:
    """What one page asked for.

    lookups   calls of get_thumbnail
    lazy      thumbnails that the page left to the thumbnail server
    made      thumbnails that sorl's own backend made while the page waited
    queries   SQL queries of the whole page
    """

    backend: str = BACKENDS[0]
    lookups: int = 0
    lazy: int = 0
    made: int = 0
    queries: int = 0
    milliseconds: float = 0.0

    @property
    def recorded(self) -> int:
        return self.lookups - self.lazy - self.made

    @property
    def time(self) -> str:
        if self.milliseconds >= 1000:
            return f"{self.milliseconds / 1000:.1f} s"
        return f"{self.milliseconds:.0f} ms"

    def count_query(self, execute: Callable[..., Any], *args: Any) -> Any:
        """See https://docs.djangoproject.com/en/stable/topics/db/instrumentation/."""
        self.queries += 1
        return execute(*args)


_current: ContextVar[Measurements | None] = ContextVar("measurements", default=None)


def current() -> Measurements:
    """Those of this request; outside of one they count for nobody."""
    return _current.get() or Measurements()


class CountingSorlBackend(ThumbnailBackend):  # type: ignore[misc]  # sorl has no types
    def _create_thumbnail(self, *args: Any, **kwargs: Any) -> None:
        current().made += 1
        super()._create_thumbnail(*args, **kwargs)


class ComparingBackend(ShrinkmeisterBackend):
    """Shrinkmeister's, or sorl's own where the request has chosen that."""

    def get_thumbnail(self, file_: Any, geometry_string: str | int, **options: Any) -> Any:
        measurements = current()
        chosen: Any = self._sorl if measurements.backend == "sorl" else super()
        measurements.lookups += 1
        thumbnail = chosen.get_thumbnail(file_, geometry_string, **options)
        if getattr(thumbnail, "lazy", False):
            measurements.lazy += 1
        return thumbnail

    def delete(self, file_: Any, delete_file: bool = True) -> None:
        # Both have made thumbnails here. The file goes last: by it the rest is found again.
        self._sorl.delete(file_, delete_file=False)
        super().delete(file_, delete_file=delete_file)

    @cached_property
    def _sorl(self) -> Any:
        return CountingSorlBackend()


class ComparisonMiddleware:
    """Measures a request, and writes the result into its page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = request.GET.get("backend")
        measurements = Measurements(chosen if chosen in BACKENDS else BACKENDS[0])
        token = _current.set(measurements)
        try:
            start = time.perf_counter()
            with connection.execute_wrapper(measurements.count_query):
                response = self._get_response(request)
            measurements.milliseconds = (time.perf_counter() - start) * 1000
        finally:
            _current.reset(token)
        if not response.streaming and PLACEHOLDER in response.content:
            bar = render_to_string("gallery/measurements.html", {"measured": measurements}, request)
            response.content = response.content.replace(PLACEHOLDER, bar.encode())
            response["Content-Length"] = str(len(response.content))
        return response


def chosen_backend(request: HttpRequest) -> dict[str, str]:
    """For templates: what keeps the switch where it is, at the end of a link."""
    backend = current().backend
    return {"keep": "" if backend == BACKENDS[0] else f"?backend={backend}"}

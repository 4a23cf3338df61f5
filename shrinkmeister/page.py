"""One round trip for a page: what it looked up last time is fetched with its first look-up.

A page is what one path and query gave last time in this process. A guess that is wrong costs a further
look-up, and nothing else: what was not fetched is asked for. Nothing outlives its request but the keys that
it asked for, and of those only so many.

    request_started      a Page with the guess of last time
    look-ups             the first fetches the guess too; the others find their values there
    request_finished     what was asked for is the guess for next time

Under ASGI Django sends those signals from tasks of their own, which can tell the request's task nothing:
there `page_middleware` does it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.utils.decorators import sync_and_async_middleware

if TYPE_CHECKING:
    from django.http import HttpRequest

# Keys that are remembered, of all pages and of one: some 10 MB in all.
MOST_KEYS = 50_000
MOST_KEYS_OF_A_PAGE = 5_000

# For which a page believes what it has found.
SECONDS = 10

# Seconds; a trip that takes longer than this counts as slow.
SLOW_TRIP = 0.01

Fetch = Callable[[Sequence[str]], dict[str, bytes]]


class Page:
    """What the shared cache held when a page asked for it, some seconds ago at most."""

    def __init__(
        self, guess: Iterable[str] = (), name: bytes = b"", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self.asked: dict[str, None] = {}
        self._guess = dict.fromkeys(guess)
        self._found: dict[str, bytes | None] = {}
        # That this page has waited for slow trips, and for the longest of them.
        self._waited = self._longest = 0.0
        self._clock = clock
        self._until = clock() + SECONDS

    def expect(self, keys: Iterable[str]) -> None:
        """To be fetched with the next look-up."""
        self._guess.update(dict.fromkeys(keys))

    def get(self, keys: Sequence[str], fetch: Fetch) -> dict[str, bytes]:
        """The values of those keys that have one."""
        self.asked.update(dict.fromkeys(keys))
        if self._clock() > self._until:  # an answer that is streamed may take hours
            self.forget()
        if [key for key in keys if key not in self._found]:
            wanted = [key for key in {**dict.fromkeys(keys), **self._guess} if key not in self._found]
            self._guess = {}
            start = self._clock()
            found = fetch(wanted)
            self._took(self._clock() - start)
            self._found.update((key, found.get(key)) for key in wanted)
        return {key: value for key in keys if (value := self._found.get(key)) is not None}

    def is_tired(self, patience: float) -> bool:
        """Whether another slow trip would make it more than so many seconds that this page has waited."""
        return self._waited > 0 and self._waited + self._longest > patience

    def _took(self, seconds: float) -> None:
        if seconds > SLOW_TRIP:
            self._waited += seconds
            self._longest = max(self._longest, seconds)

    def forget(self) -> None:
        """After what it has found may have changed."""
        self._found = {}
        self._until = self._clock() + SECONDS


class Guesses:
    """page -> the keys that it asked for last time; the pages that were asked for least lately go first."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._count = 0
        self._keys: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, name: bytes) -> tuple[str, ...]:
        return self._keys.get(name, ())

    def remember(self, page: Page) -> None:
        if not page.name:
            return
        keys = tuple(page.asked)[:MOST_KEYS_OF_A_PAGE]
        with self._lock:
            self._count += len(keys) - len(self._keys.pop(page.name, ()))
            if keys:
                self._keys[page.name] = keys
            while self._count > self._most:
                _, gone = self._keys.popitem(last=False)
                self._count -= len(gone)


_page: ContextVar[Page | None] = ContextVar("shrinkmeister.page", default=None)
_guesses = Guesses()


def current_page() -> Page | None:
    """That of the request which is being answered; None outside of requests."""
    return _page.get()


@contextmanager
def using_page(page: Page) -> Iterator[None]:
    """Makes a page the current one until the block ends."""
    token = _page.set(page)
    try:
        yield
    finally:
        _page.reset(token)


def connect() -> None:
    """To be called once; sorl follows requests in the same way (sorl/thumbnail/apps.py, 13.4)."""
    request_started.connect(_begin, dispatch_uid="shrinkmeister.page")
    request_finished.connect(_end, dispatch_uid="shrinkmeister.page")


@sync_and_async_middleware
def page_middleware(get_response: Any) -> Any:
    """For MIDDLEWARE of sites on ASGI. On WSGI it is not needed, and does no harm."""
    if iscoroutinefunction(get_response):

        async def answer(request: "HttpRequest") -> Any:
            with _remembered(_page_of(request.META)):
                return await get_response(request)

        return answer

    def answer_at_once(request: "HttpRequest") -> Any:
        if current_page():
            return get_response(request)
        with _remembered(_page_of(request.META)):
            return get_response(request)

    return answer_at_once


@contextmanager
def _remembered(page: Page) -> Iterator[None]:
    with using_page(page):
        yield
    _guesses.remember(page)


def _begin(environ: dict[str, Any] | None = None, **kwargs: Any) -> None:
    _page.set(_page_of(environ or {}))


def _end(**kwargs: Any) -> None:
    page = _page.get()
    if page is not None:
        _guesses.remember(page)
        _page.set(None)


def _page_of(environ: Mapping[str, Any]) -> Page:
    """A page is known by its host, path and query.

    With THUMBNAIL_PREFETCH = False it has no name and no guess.
    """
    # Not of the Config: a wrong setting would fail requests that show no thumbnail. Look-ups report it.
    if getattr(settings, "THUMBNAIL_PREFETCH", True) is False:
        return Page()
    parts = [str(environ.get(part, "")) for part in ("HTTP_HOST", "PATH_INFO", "QUERY_STRING")]
    name = blake2b("\0".join(parts).encode(errors="replace"), digest_size=16).digest()
    return Page(_guesses.of(name), name)

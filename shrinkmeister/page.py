"""One round trip for a page: its first look-up also fetches the keys that it asked for last time.

Each process remembers the keys by path and query. An unknown query, such as a click id, is treated as if
it changes nothing. A wrong guess only costs another look-up. Nothing outlives the request except its keys,
up to a number of them.

    request_started      creates a RequestCache with the keys of last time
    look-ups             the first fetches all of them; the others find their values there
    request_finished     remembers the keys for next time

Under ASGI, Django before 6.1 sends these signals from other tasks, which cannot set a variable of the
request's task. There, `page_middleware` does it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.utils.decorators import sync_and_async_middleware

from shrinkmeister.lifetime import Lifetime

if TYPE_CHECKING:
    from django.http import HttpRequest

# The most keys that are remembered of all pages, of pages visited once, and of one page. They take 10 MB.
MOST_KEYS = 50_000
MOST_KEYS_ONCE = 10_000
MOST_KEYS_OF_A_PAGE = 5_000

# How long a request may reuse a value it has fetched.
REUSE_SECONDS = 10

# A look-up that takes longer counts as slow.
SLOW_SECONDS = 0.01

#: The host, the path and the query of a page.
Address = tuple[str, str, str]

#: Fetches values. The second argument is how long the page will have waited after another slow look-up.
Fetch = Callable[[Sequence[str], float], Mapping[str, bytes]]


def fetch_from_shared_cache(keys: Sequence[str], waited: float) -> Mapping[str, bytes]:
    # Imported here, since the start of a site loads this module.
    from shrinkmeister.cache import get_shared_cache

    return get_shared_cache().connection.get(keys, waited)


class RequestCache:
    """The values that a page has read from the shared cache, and the lifetime of its thumbnails."""

    def __init__(
        self,
        guess: Iterable[str] = (),
        address: Address | None = None,
        clock: Callable[[], float] = time.monotonic,
        fetch: Fetch = fetch_from_shared_cache,
    ) -> None:
        self.address = address
        self.asked: dict[str, None] = {}
        # The lifetime of the page, and those of its fragments that are being rendered.
        self.lifetimes = [Lifetime()]
        self._guess = dict.fromkeys(guess)
        self._found: dict[str, bytes | None] = {}
        # Seconds that this page has waited for slow look-ups, and for the slowest of them.
        self._waited = self._longest = 0.0
        self._clock = clock
        self._fetch = fetch
        self._until = clock() + REUSE_SECONDS

    def expect(self, keys: Iterable[str]) -> None:
        """Fetch these keys with the next look-up."""
        self._guess.update(dict.fromkeys(keys))

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that have one."""
        self.asked.update(dict.fromkeys(keys))
        if self._clock() > self._until:  # a streamed answer may take hours
            self.forget()
        if [key for key in keys if key not in self._found]:
            wanted = [key for key in {**dict.fromkeys(keys), **self._guess} if key not in self._found]
            self._guess = {}
            start = self._clock()
            found = self._fetch(wanted, self._waited + self._longest)
            if (seconds := self._clock() - start) > SLOW_SECONDS:
                self._waited += seconds
                self._longest = max(self._longest, seconds)
            self._found.update((key, found.get(key)) for key in wanted)
        return {key: value for key in keys if (value := self._found.get(key)) is not None}

    def note(self, lazy: bool, ends: float) -> None:
        """Note the lifetime of a thumbnail that is shown, as `Lifetime.note` does."""
        for lifetime in self.lifetimes:
            lifetime.note(lazy, ends)

    def forget(self) -> None:
        """Read all values again, since they may have changed."""
        self._found = {}
        self._until = self._clock() + REUSE_SECONDS


class PrefetchHistory:
    """The keys that pages asked for last time.

    A page without a query is always remembered. A page with a query is remembered if the other visits to
    its path would not have fetched all of its keys. Pages visited once, such as searches, are kept apart
    from the others, so that they evict only each other. The pages visited longest ago are evicted first.

    A visit that asks for fewer keys removes none of them. A cache may have answered for the page or its
    fragments, or the visit sent a form: the next visit may ask for all keys again.
    """

    def __init__(self, most: int = MOST_KEYS, most_once: int = MOST_KEYS_ONCE) -> None:
        self._again, self._once = _Keys(most - most_once), _Keys(most_once)
        self._lock = Lock()

    def of(self, address: Address) -> tuple[str, ...]:
        exact, path, unknown = _hashes(address)
        if keys := self._get(exact):
            return keys
        return tuple(dict.fromkeys((*self._get(path), *self._get(unknown))))[:MOST_KEYS_OF_A_PAGE]

    def remember(self, page: RequestCache) -> None:
        keys = tuple(page.asked)[:MOST_KEYS_OF_A_PAGE]
        if page.address is None or not keys:
            return
        exact, path, unknown = _hashes(page.address)
        with self._lock:
            if exact == path or self._get(exact):
                self._put(exact, keys)
            else:
                fetched = {*self._get(path), *self._get(unknown)}
                self._put(unknown, keys)
                if not fetched.issuperset(keys):
                    self._put(exact, keys)

    def _get(self, name: int) -> tuple[str, ...]:
        return self._again.get(name) or self._once.get(name)

    def _put(self, name: int, keys: tuple[str, ...]) -> None:
        known = self._once.pop(name) or self._again.pop(name)
        place = self._again if known else self._once
        place.put(name, known if set(known).issuperset(keys) else keys)


def _hashes(address: Address) -> tuple[int, int, int]:
    """Return short names for a page, for its path without a query, and for its path with an unknown query.

    Pages of the same hash would only cost another look-up.
    """
    host, path, _ = address
    return hash(address), hash((host, path, "")), hash((host, path))


class _Keys:
    """Keys by name, up to a number of keys in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._keys: OrderedDict[int, tuple[str, ...]] = OrderedDict()

    def get(self, name: int) -> tuple[str, ...]:
        return self._keys.get(name, ())

    def put(self, name: int, keys: tuple[str, ...]) -> None:
        self._keys[name] = keys
        self._count += len(keys)
        while self._count > self._most:
            _, gone = self._keys.popitem(last=False)
            self._count -= len(gone)

    def pop(self, name: int) -> tuple[str, ...]:
        keys = self._keys.pop(name, ())
        self._count -= len(keys)
        return keys


_page: ContextVar[RequestCache | None] = ContextVar("shrinkmeister.page", default=None)
_guesses = PrefetchHistory()


def current_page() -> RequestCache | None:
    """Return the page of the current request; None outside of requests."""
    return _page.get()


def forget_page() -> None:
    """Make the page of the current request read all values again."""
    if page := _page.get():
        page.forget()


@contextmanager
def using_page(page: RequestCache) -> Iterator[None]:
    token = _page.set(page)
    try:
        yield
    finally:
        _page.reset(token)


def connect() -> None:
    """Connect to the signals of requests, as sorl does (sorl/thumbnail/apps.py, 13.4). Call it once."""
    request_started.connect(_begin, dispatch_uid="shrinkmeister.page")
    request_finished.connect(_end, dispatch_uid="shrinkmeister.page")


@sync_and_async_middleware
def page_middleware(get_response: Any) -> Any:
    """Send only one look-up for each page, on sites under ASGI before Django 6.1.

    On other sites, this middleware has no effect.
    """
    if iscoroutinefunction(get_response):

        async def answer(request: "HttpRequest") -> Any:
            with _page_for(request):
                return await get_response(request)

        return answer

    def answer_at_once(request: "HttpRequest") -> Any:
        with _page_for(request):
            return get_response(request)

    return answer_at_once


@contextmanager
def _page_for(request: "HttpRequest") -> Iterator[None]:
    if current_page():
        yield
        return
    page = _page_of(request.META)
    with using_page(page):
        yield
    _guesses.remember(page)


def _begin(
    environ: Mapping[str, Any] | None = None, scope: Mapping[str, Any] | None = None, **kwargs: Any
) -> None:
    """environ: that of WSGI; scope: that of ASGI"""
    _page.set(_page_of(_meta_of(scope) if scope else environ or {}))


def _end(**kwargs: Any) -> None:
    page = _page.get()
    if page is not None:
        _guesses.remember(page)
        _page.set(None)


def _meta_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the part of an ASGI scope that names a page, as WSGI names it."""
    host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
    query = scope.get("query_string", b"")  # text in Django's own test client
    return {
        "HTTP_HOST": host.decode("latin-1"),
        "PATH_INFO": scope.get("path", ""),
        "QUERY_STRING": query.decode("latin-1") if isinstance(query, bytes) else query,
    }


def _page_of(environ: Mapping[str, Any]) -> RequestCache:
    """Return a page, with the keys of its host, path and query unless THUMBNAIL_PREFETCH is False."""
    # Read without the Config, since another wrong setting would fail requests that show no thumbnail.
    if getattr(settings, "THUMBNAIL_PREFETCH", True) is False:
        return RequestCache()
    host, path, query = (environ.get(one, "") for one in ("HTTP_HOST", "PATH_INFO", "QUERY_STRING"))
    address = (host, path, query)
    return RequestCache(_guesses.of(address), address)

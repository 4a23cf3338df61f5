"""One round trip for a page: what it looked up last time is fetched with its first look-up.

A page is what one path and query gave last time in this process. An unknown query, such as the id of a
click, is taken for one that changes nothing. A guess that is wrong costs a further look-up, and nothing
else: what was not fetched is asked for. Nothing outlives its request but the keys that it asked for, and of
those only so many.

    request_started      a Page with the guess of last time
    look-ups             the first fetches the guess too; the others find their values there
    request_finished     what was asked for is the guess for next time

Under ASGI, Django before 6.1 sends those signals from tasks of their own, which cannot set a variable of
the request's task: there `page_middleware` does it.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.utils.decorators import sync_and_async_middleware

from shrinkmeister.lifetime import Lifetime

if TYPE_CHECKING:
    from django.http import HttpRequest

# Keys that are remembered: of all pages, of those visited once, and of one page. They take some 10 MB.
MOST_KEYS = 50_000
MOST_KEYS_ONCE = 10_000
MOST_KEYS_OF_A_PAGE = 5_000

# For which a page believes what it has found.
SECONDS = 10

# Seconds; a trip that takes longer than this counts as slow.
SLOW_TRIP = 0.01

#: Fetches values. The second argument: how long the page will have waited after another slow trip.
Fetch = Callable[[Sequence[str], float], Mapping[str, bytes]]


def fetch_from_shared_cache(keys: Sequence[str], waited: float) -> Mapping[str, bytes]:
    # Imported here, since the start of a site loads this module.
    from shrinkmeister.cache import get_shared_cache

    return get_shared_cache().connection.get(keys, waited)


@dataclass(frozen=True)
class Address:
    """Where a page is: digests under which its keys are remembered.

    exact  of its host, path and query
    path   of its host and path without a query
    any    of its host and path, for the last visit with an unknown query
    """

    exact: bytes
    path: bytes
    any: bytes

    @classmethod
    def of(cls, host: str, path: str, query: str) -> "Address":
        def digest(*parts: str) -> bytes:
            return blake2b("\0".join(parts).encode(errors="replace"), digest_size=16).digest()

        return cls(digest(host, path, query), digest(host, path, ""), digest(host, path))


class RequestCache:
    """What the shared cache held when a page asked for it, some seconds ago at most."""

    def __init__(
        self,
        guess: Iterable[str] = (),
        address: Address | None = None,
        clock: Callable[[], float] = time.monotonic,
        fetch: Fetch = fetch_from_shared_cache,
    ) -> None:
        self.address = address
        self.asked: dict[str, None] = {}
        # Of the page, and of the fragments of it that are being rendered.
        self.lifetimes = [Lifetime()]
        self._guess = dict.fromkeys(guess)
        self._found: dict[str, bytes | None] = {}
        # That this page has waited for slow trips, and for the longest of them.
        self._waited = self._longest = 0.0
        self._clock = clock
        self._fetch = fetch
        self._until = clock() + SECONDS

    def expect(self, keys: Iterable[str]) -> None:
        """To be fetched with the next look-up."""
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
            self._took(self._clock() - start)
            self._found.update((key, found.get(key)) for key in wanted)
        return {key: value for key in keys if (value := self._found.get(key)) is not None}

    def note(self, lazy: bool, ends: float) -> None:
        """Remember of a thumbnail that is shown what `Lifetime.note` takes."""
        for lifetime in self.lifetimes:
            lifetime.note(lazy, ends)

    def _took(self, seconds: float) -> None:
        if seconds > SLOW_TRIP:
            self._waited += seconds
            self._longest = max(self._longest, seconds)

    def forget(self) -> None:
        """After what it has found may have changed."""
        self._found = {}
        self._until = self._clock() + SECONDS


class PrefetchHistory:
    """The keys that pages asked for last time.

    A page without a query is remembered, and one with a query if no other visit to its path would have
    fetched all of its keys. Pages that were visited again have a place of their own: what is visited once,
    such as the URL of a search or of a click, takes the place of its like alone. In each of the two, the
    pages that were visited least lately are forgotten first.

    A visit that asks for nothing, or for a part of the keys, forgets none of them. A cache may have kept
    the page or fragments of it, or a form was sent there: the next visit may ask for all keys again.
    """

    def __init__(self, most: int = MOST_KEYS, most_once: int = MOST_KEYS_ONCE) -> None:
        self._again, self._once = _Keys(most - most_once), _Keys(most_once)
        self._lock = Lock()

    def of(self, address: Address) -> tuple[str, ...]:
        if exact := self._get(address.exact):
            return exact
        union = dict.fromkeys((*self._get(address.path), *self._get(address.any)))
        return tuple(union)[:MOST_KEYS_OF_A_PAGE]

    def remember(self, page: RequestCache) -> None:
        keys, address = tuple(page.asked)[:MOST_KEYS_OF_A_PAGE], page.address
        if address is None or not keys:
            return
        with self._lock:
            if address.exact == address.path or self._get(address.exact):
                self._put(address.exact, keys)
            else:
                fetched = {*self._get(address.path), *self._get(address.any)}
                self._put(address.any, keys)
                if not fetched.issuperset(keys):
                    self._put(address.exact, keys)

    def _get(self, name: bytes) -> tuple[str, ...]:
        return self._again.get(name) or self._once.get(name)

    def _put(self, name: bytes, keys: tuple[str, ...]) -> None:
        known = self._get(name)
        self._once.remove(name)
        self._again.remove(name)
        place = self._again if known else self._once
        place.put(name, known if set(known).issuperset(keys) else keys)


class _Keys:
    """name -> keys, so many keys in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._keys: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()

    def get(self, name: bytes) -> tuple[str, ...]:
        return self._keys.get(name, ())

    def put(self, name: bytes, keys: tuple[str, ...]) -> None:
        """Add a name that is not there."""
        self._keys[name] = keys
        self._count += len(keys)
        while self._count > self._most:
            _, gone = self._keys.popitem(last=False)
            self._count -= len(gone)

    def remove(self, name: bytes) -> None:
        self._count -= len(self._keys.pop(name, ()))


_page: ContextVar[RequestCache | None] = ContextVar("shrinkmeister.page", default=None)
_guesses = PrefetchHistory()


def current_page() -> RequestCache | None:
    """That of the request which is being answered; None outside of requests."""
    return _page.get()


@contextmanager
def using_page(page: RequestCache) -> Iterator[None]:
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
    """For MIDDLEWARE of sites on ASGI before Django 6.1. Elsewhere it is not needed, and does no harm."""
    if iscoroutinefunction(get_response):

        async def answer(request: "HttpRequest") -> Any:
            if current_page():
                return await get_response(request)
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
def _remembered(page: RequestCache) -> Iterator[None]:
    with using_page(page):
        yield
    _guesses.remember(page)


def _begin(
    environ: Mapping[str, Any] | None = None, scope: Mapping[str, Any] | None = None, **kwargs: Any
) -> None:
    """environ: of WSGI; scope: of ASGI."""
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
    """A page is known by its host, path and query.

    With THUMBNAIL_PREFETCH = False it has no address and no guess.
    """
    # Not of the Config: a wrong setting would fail requests that show no thumbnail. Look-ups report it.
    if getattr(settings, "THUMBNAIL_PREFETCH", True) is False:
        return RequestCache()
    parts = ("HTTP_HOST", "PATH_INFO", "QUERY_STRING")
    address = Address.of(*(str(environ.get(part, "")) for part in parts))
    return RequestCache(_guesses.of(address), address)

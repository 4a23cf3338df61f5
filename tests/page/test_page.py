"""One round trip for a page: what it looked up last time is fetched with its first look-up."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from sorl.thumbnail import delete, get_thumbnail

from shrinkmeister import page
from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import DriverError
from shrinkmeister.page import PrefetchHistory, RequestCache, current_page
from shrinkmeister.prefetch import prefetch_thumbnails
from shrinkmeister.protocol.keys import record_key
from shrinkmeister.protocol.records import SourceRecord
from tests.site.models import Photo
from tests.support.pages import Trips, record, render

TEMPLATE = '{% load thumbnail %}{% for f in files %}{% thumbnail f "300x200" as im %}{{ im.lazy }} '
TEMPLATE += "{% endthumbnail %}{% endfor %}"
HEIGHTS = "{% load thumbnail %}{% for f in files %}{{ f|is_portrait }} {% endfor %}"

shown = {"count": 5}


def names(request: HttpRequest) -> list[str]:
    page = request.GET.get("page", "")
    return [f"photos/{page}{number}.jpg" for number in range(shown["count"])]


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(TEMPLATE, files=names(request)))


def show_filters(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        render(HEIGHTS, files=names(request)) + " " + render(TEMPLATE, files=names(request))
    )


def show_prefetched(request: HttpRequest) -> HttpResponse:
    photos = [Photo(image=name) for name in names(request)]
    prefetch_thumbnails(photos, "image", "300x200")
    return HttpResponse(render(TEMPLATE, files=[photo.image for photo in photos]))


async def show_async(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse(render(TEMPLATE, files=names(request)))


urlpatterns = [
    path("", show),
    path("filters", show_filters),
    path("prefetched", show_prefetched),
    path("async", show_async),
]


@pytest.fixture
def trips(media: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Trips:
    settings.ROOT_URLCONF = "tests.page.test_page"
    settings.MIDDLEWARE = []
    monkeypatch.setattr(page, "_guesses", PrefetchHistory())
    shown["count"] = 5
    return Trips(monkeypatch)


def get(where: str = "/", client: Client | None = None) -> list[str]:
    return (client or Client()).get(where).content.decode().split()


def test_the_second_page_takes_one_trip(trips: Trips) -> None:
    assert get() == ["True"] * 5
    assert trips.taken() == 5
    for number in range(3):
        record(f"photos/{number}.jpg")
    trips.taken()
    assert get() == ["False"] * 3 + ["True"] * 2  # and sees what is there by now
    assert trips.keys == [10]


@pytest.mark.parametrize("count", [1, 1000])
def test_however_many_there_are(trips: Trips, count: int) -> None:
    shown["count"] = count
    get()
    trips.taken()
    get()
    assert trips.taken() == 1


def test_a_local_layer_needs_none_on_other_pages(trips: Trips, settings: Any) -> None:
    settings.THUMBNAIL_LOCAL_TTL = 3600
    for number in range(5):
        record(f"photos/{number}.jpg", source=SourceRecord(4000, 3000))
    assert get() == ["False"] * 5
    trips.taken()
    assert get("/async") == ["False"] * 5
    assert trips.taken() == 0
    get_shared_cache().records.delete([record_key(make_spec("photos/1.jpg", "300x200", {}, get_config()))])
    assert get("/async") == ["False", "True", "False", "False", "False"]


def test_a_guess_that_is_wrong(trips: Trips) -> None:
    get()
    shown["count"] = 7
    trips.taken()
    assert get() == ["True"] * 7
    assert trips.taken() == 3
    shown["count"] = 2
    get()
    assert trips.keys == [14]
    get()
    assert trips.keys == [14, 14]  # a cache of fragments may have kept the others


def test_pages_are_told_apart(trips: Trips) -> None:
    get()
    trips.taken()
    for where in ("/?page=2", "/filters"):
        get(where)
        assert trips.taken() > 1
    for where in ("/?page=2", "/?gclid=1", "/?gclid=2&utm_source=x"):
        get(where)
        assert trips.taken() == 1
    Client().get("/", headers={"host": "localhost"})
    assert trips.taken() == 5
    get()
    assert trips.taken() == 1


def test_filters_of_sources_too(trips: Trips) -> None:
    record("photos/0.jpg", "10x10", source=SourceRecord(30, 40))
    trips.taken()
    first = get("/filters")
    assert first[:5] == ["True"] + ["False"] * 4
    trips.taken()
    assert get("/filters") == first
    assert trips.taken() == 1


def test_it_can_be_switched_off(trips: Trips, settings: Any) -> None:
    settings.THUMBNAIL_PREFETCH = False
    for _ in range(2):
        get()
        assert trips.taken() == 5


@pytest.mark.parametrize("prefetch", [True, False])
def test_what_a_view_prefetches_is_one_trip(trips: Trips, settings: Any, prefetch: bool) -> None:
    """Without guesses too; the templates of the view find it."""
    settings.THUMBNAIL_PREFETCH = prefetch
    for _ in range(2):
        assert get("/prefetched") == ["True"] * 5
        assert trips.taken() == 1
    prefetch_thumbnails([Photo(image=name) for name in names(HttpRequest())], "image", "300x200")
    assert trips.taken() == 1


def test_outside_of_requests_nothing_is_kept(trips: Trips) -> None:
    for _ in range(2):
        get_thumbnail("photos/1.jpg", "300x200")
    assert trips.taken() == 2
    assert current_page() is None


def test_a_cache_that_is_gone(trips: Trips, monkeypatch: pytest.MonkeyPatch) -> None:
    get()

    def fail(*args: Any) -> Any:
        raise DriverError("gone")

    monkeypatch.setattr(type(get_shared_cache().connection.driver), "get_many", fail)
    assert get() == ["True"] * 5


@pytest.mark.django_db  # which Django closes at a request's end
@pytest.mark.usefixtures("photo")
def test_what_a_request_deletes_it_does_not_find(trips: Trips) -> None:
    record("photos/dawn.jpg")
    request_started.send(sender=None, environ={"PATH_INFO": "/deleting"})
    assert not get_thumbnail("photos/dawn.jpg", "300x200").lazy
    get_shared_cache().records.delete(
        [record_key(make_spec("photos/dawn.jpg", "300x200", {}, get_config()))]
    )
    assert not get_thumbnail("photos/dawn.jpg", "300x200").lazy
    delete("photos/dawn.jpg", delete_file=False)
    assert get_thumbnail("photos/dawn.jpg", "300x200").lazy
    request_finished.send(sender=None)
    assert current_page() is None


def test_requests_at_once_have_pages_of_their_own(trips: Trips) -> None:
    barrier = threading.Barrier(4)

    def ask(number: int) -> tuple[int, list[str]]:
        client = Client()
        for _ in range(5):
            barrier.wait()
            answer = get(f"/?page={number}", client)
        return len(answer), answer

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [(5, ["True"] * 5)] * 4
    assert trips.taken() == 4 * (5 + 4)


def test_async_requests(trips: Trips, settings: Any) -> None:
    settings.MIDDLEWARE = ["shrinkmeister.page.page_middleware"]

    async def ask() -> list[bytes]:
        client = AsyncClient()
        answers = []
        for _ in range(2):
            several = await asyncio.gather(*(client.get("/async", {"page": number}) for number in range(3)))
            answers += [answer.content for answer in several]
        return answers

    assert [answer.split() for answer in asyncio.run(ask())] == [[b"True"] * 5] * 6
    assert trips.taken() == 3 * (5 + 1)


def test_the_middleware_of_async_sites_does_no_harm_to_others(trips: Trips, settings: Any) -> None:
    settings.MIDDLEWARE = ["shrinkmeister.page.page_middleware"]
    get()
    trips.taken()
    for _ in range(3):
        assert get() == ["True"] * 5
        assert trips.taken() == 1


class TestPrefetching:
    def test_in_a_view(self, trips: Trips) -> None:
        for _ in range(2):
            assert get("/prefetched") == ["True"] * 5
            assert trips.keys == [10]
            trips.taken()

    def test_anywhere(self, trips: Trips) -> None:
        url = record("photos/1.jpg", crop="center")
        trips.taken()
        photos = [Photo(image="photos/1.jpg"), Photo(), Photo(image="photos/2.jpg")]
        found = prefetch_thumbnails(photos, "image", "300x200", crop="center")
        assert trips.taken() == 1
        assert [thumbnail and thumbnail.lazy for thumbnail in found] == [False, None, True]
        assert found[0] is not None
        assert found[0].url == url
        assert current_page() is None

    def test_dummies(self, trips: Trips, settings: Any) -> None:
        settings.THUMBNAIL_DUMMY = True
        (dummy,) = prefetch_thumbnails([Photo(image="a.jpg")], "image", 300)
        assert dummy is not None
        assert trips.taken() == 0

    def test_images_of_other_hosts(self, trips: Trips, settings: Any) -> None:
        settings.THUMBNAIL_DEBUG = False

        class Linked:
            image = "https://unlisted-4.example.com/a.jpg"

        (thumbnail,) = prefetch_thumbnails([Linked()], "image", "300")
        assert thumbnail is not None
        assert thumbnail.url == Linked.image


def test_a_page_that_takes_long_looks_again() -> None:
    now, trips = [0.0], []

    def fetch(keys: Sequence[str], waited: float) -> dict[str, bytes]:
        trips.append(keys)
        return {"a": b"%d" % len(trips)}

    one = RequestCache(["b"], clock=lambda: now[0], fetch=fetch)
    assert one.get(["a"]) == {"a": b"1"}
    now[0] += 9
    assert one.get(["a", "b"]) == {"a": b"1"}
    now[0] += 2
    assert one.get(["a"]) == {"a": b"2"}
    assert trips == [["a", "b"], ["a"]]


class TestGuesses:
    def visit(
        self, guesses: PrefetchHistory, where: str, query: str = "", keys: int = 3, of: str = ""
    ) -> bool:
        """Return whether all keys of a page were remembered. By default all queries show the same page."""
        address = ("example.com", where, query)
        visited = RequestCache(address=address)
        visited.asked = dict.fromkeys(f"{of or where}:{key}" for key in range(keys))
        known = {*guesses.of(address)}
        guesses.remember(visited)
        return known.issuperset(visited.asked)

    def test_they_are_bounded(self) -> None:
        for visits in (1, 2):  # each has a bound of its own
            guesses = PrefetchHistory(most=20, most_once=10)
            for number in range(100):
                for _ in range(visits):
                    self.visit(guesses, f"/{number}")
            known = [bool(guesses.of(("example.com", f"/{number}", ""))) for number in range(100)]
            assert known == [False] * 97 + [True] * 3

    def test_one_page_is_bounded(self) -> None:
        guesses = PrefetchHistory()
        self.visit(guesses, "/", keys=10_000)
        assert len(guesses.of(("example.com", "/", ""))) == page.MOST_KEYS_OF_A_PAGE
        self.visit(guesses, "/", "?other", keys=10_000, of="other")
        assert len(guesses.of(("example.com", "/", "?unknown"))) == page.MOST_KEYS_OF_A_PAGE

    def test_what_was_visited_lately_stays(self) -> None:
        guesses = PrefetchHistory(most=12, most_once=3)
        for where in ("/1", "/2", "/3"):
            for _ in range(2):
                self.visit(guesses, where)
        self.visit(guesses, "/1")
        for _ in range(2):
            self.visit(guesses, "/4")
        assert [self.visit(guesses, where) for where in ("/1", "/3", "/4", "/2")] == [
            True,
            True,
            True,
            False,
        ]

    @pytest.mark.parametrize("keys", [0, 1])
    @pytest.mark.parametrize("query", ["", "gclid=1"])
    def test_a_visit_that_shows_less_forgets_nothing(self, keys: int, query: str) -> None:
        guesses = PrefetchHistory()
        self.visit(guesses, "/", query)
        self.visit(guesses, "/", query and "gclid=2", keys=keys)
        assert self.visit(guesses, "/", query and "gclid=3")

    def test_a_page_that_has_changed_is_not_fetched_as_it_was(self) -> None:
        guesses = PrefetchHistory()
        self.visit(guesses, "/", of="before")
        self.visit(guesses, "/", keys=2, of="after")
        assert guesses.of(("example.com", "/", "")) == ("after:0", "after:1")

    def test_an_unknown_query_is_taken_for_one_that_changes_nothing(self) -> None:
        guesses = PrefetchHistory()
        assert not self.visit(guesses, "/")
        assert all(self.visit(guesses, "/", f"gclid={number}") for number in range(100))
        assert not self.visit(guesses, "/other", "gclid=1")
        assert self.visit(guesses, "/other", "gclid=2")
        assert self.visit(guesses, "/other")

    def test_queries_that_change_a_page(self) -> None:
        guesses = PrefetchHistory()
        self.visit(guesses, "/")
        assert not self.visit(guesses, "/", "page=2", of="second")
        assert not self.visit(guesses, "/", "page=3", of="third")
        assert self.visit(guesses, "/", "page=2", of="second")
        assert self.visit(guesses, "/", "page=3", of="third")
        assert self.visit(guesses, "/", "gclid=1")
        assert self.visit(guesses, "/", "gclid=2")

    def test_a_page_that_has_changed_since_it_was_visited_without_a_query(self) -> None:
        guesses = PrefetchHistory()
        self.visit(guesses, "/")
        assert [self.visit(guesses, "/", f"gclid={n}", of="changed") for n in range(3)] == [
            False,
            True,
            True,
        ]

    def test_pages_that_are_visited_once_forget_no_others(self) -> None:
        guesses = PrefetchHistory(most=2000, most_once=100)
        pages = [("/", ""), ("/", "page=2"), ("/shop", "")]
        for where, query in pages * 2:
            self.visit(guesses, where, query, of=where + query)
        for number in range(1000):
            self.visit(guesses, "/search", f"q={number}", of=f"{number}")
            self.visit(guesses, f"/{number}")
            self.visit(guesses, "/", f"fbclid={number}")
        assert all(self.visit(guesses, where, query, of=where + query) for where, query in pages)

    def test_hosts_are_apart(self) -> None:
        guesses = PrefetchHistory()
        self.visit(guesses, "/")
        assert guesses.of(("example.com", "/", "unknown"))
        assert not guesses.of(("other.example", "/", ""))

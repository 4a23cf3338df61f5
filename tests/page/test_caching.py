"""Pages and fragments that a site keeps: with Django's own caches, real views, WSGI and ASGI."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import django
import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.utils import make_template_fragment_key
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import TemplateSyntaxError
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.cache import get_max_age
from django.views.decorators import cache as django_decorators
from sorl.thumbnail import get_thumbnail

from shrinkmeister import caching, page
from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.caching import cache_page, cache_seconds, has_lazy_thumbnails, watch_thumbnails
from shrinkmeister.conf import get_config
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.lifetime import LAZY_SECONDS, Lifetime
from shrinkmeister.page import PrefetchHistory, RequestCache, using_page
from shrinkmeister.prefetch import prefetch_thumbnails
from shrinkmeister.protocol.records import ThumbnailRecord
from tests.servers.s3 import S3Server
from tests.site.models import Photo
from tests.support.pages import Trips, lazy, record, render
from tests.support.pictures import picture

IMAGE = (
    '{% load thumbnail %}{% thumbnail "photos/1.jpg" "300x200" crop="center" as im %}{{ im.url }}'
    "{% endthumbnail %}"
)
FRAGMENT = (
    "{% load shrinkmeister %}{% cache_thumbnails 900 side who %}" + IMAGE + "{% endcache_thumbnails %}"
)
PARTS = (
    "{% load shrinkmeister thumbnail %}"
    '{% thumbnail "logo.png" "50" as im %}{{ im.url }}{% endthumbnail %}'
    "{% cache_thumbnails 900 all %}{% for number in numbers %}"
    '{% thumbnail number "300x200" as im %}{{ im.url }}{% endthumbnail %}'
    "{% endfor %}{% endcache_thumbnails %}"
)
LAZY = "https://thumbs.example.com/"


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(IMAGE))


def show_later(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, django.template.engines["django"].from_string(IMAGE))


def show_prefetched(request: HttpRequest) -> HttpResponse:
    photos = [Photo(image="photos/1.jpg")]
    (thumbnail,) = prefetch_thumbnails(photos, "image", "300x200", crop="center")
    assert thumbnail is not None
    return HttpResponse(thumbnail.url)


def show_fragment(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(FRAGMENT, who=1))


def show_parts(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(PARTS, numbers="123456"))


def show_once(request: HttpRequest) -> HttpResponse:
    return HttpResponse() if request.method == "POST" else show_parts(request)


@django_decorators.cache_control(max_age=3000, public=True, s_maxage=6000)
def show_to_cdns(request: HttpRequest) -> HttpResponse:
    return show(request)


@django_decorators.cache_control(max_age=3000)
def show_in_pieces(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(render(IMAGE) for _ in range(2))


@django_decorators.cache_control(max_age=3000)
def show_file(request: HttpRequest) -> FileResponse:
    lazy()
    return FileResponse(BytesIO(b"a file"))


def say(request: HttpRequest) -> HttpResponse:
    before = has_lazy_thumbnails()
    get_thumbnail("photos/1.jpg", "300x200", crop="center")
    return HttpResponse(json.dumps([before, has_lazy_thumbnails(), cache_seconds(900), cache_seconds(5)]))


async def say_async(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return say(request)


KEPT = {"now": show, "later": show_later, "prefetched": show_prefetched, "fragment": show_fragment}
urlpatterns = [
    *(path(name, cache_page(900)(view)) for name, view in KEPT.items()),
    path("parts", show_parts),
    path("whole", cache_page(900)(show_parts)),
    path("form", show_once),
    path("own", cache_page(20, cache="other", key_prefix="x")(show)),
    path("django", django_decorators.cache_page(900)(show)),
    path("plain", show),
    path("cdn", show_to_cdns),
    path("pieces", show_in_pieces),
    path("file", show_file),
    path("say", say),
    path("say-async", say_async),
]


class NotedCache(LocMemCache):
    """Django's cache in memory, which notes for how long it is asked to keep values."""

    noted: dict[str, Any] = {}

    def set(self, key: str, value: Any, timeout: Any = 0, version: Any = None) -> None:
        self.noted[key] = timeout
        super().set(key, value, timeout, version)


@pytest.fixture(autouse=True)
def site(media: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.page.test_caching"
    settings.MIDDLEWARE = []
    settings.CACHES = {
        **settings.CACHES,
        "default": {"BACKEND": "tests.page.test_caching.NotedCache", "LOCATION": "pages"},
        "other": {"BACKEND": "tests.page.test_caching.NotedCache", "LOCATION": "others"},
    }
    monkeypatch.setattr(page, "_guesses", PrefetchHistory())
    NotedCache.noted.clear()
    yield
    for alias in ("default", "other"):
        caches[alias].clear()


def get(where: str) -> str:
    return Client().get(f"/{where}").content.decode()


def kept_for(part: str = "cache_page") -> list[int]:
    return [timeout for key, timeout in NotedCache.noted.items() if part in key]


def record_one() -> str:
    return record("photos/1.jpg", crop="center")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stops."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.fixture
def private(settings: Any, clock: None) -> None:
    """A private bucket, whose URLs end after an hour."""
    options = {
        "bucket_name": "photos",
        "access_key": "key",
        "secret_key": "secret",
        "querystring_expire": 3600,
    }
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    settings.THUMBNAIL_SOURCES = ["s3://photos"]
    spec = make_spec("photos/1.jpg", "300x200", {"crop": "center"}, get_config())
    get_shared_cache().records.save(spec, ThumbnailRecord(300, 200, None), None)


class TestPages:
    def test_djangos_own_keeps_lazy_urls(self) -> None:
        """As long as it is asked to: which is what `shrinkmeister.caching` is for."""
        assert get("django").startswith(LAZY)
        assert kept_for() == [900]
        record_one()
        assert get("django").startswith(LAZY)

    @pytest.mark.parametrize("where", KEPT)
    def test_one_with_a_lazy_thumbnail_is_kept_shortly(self, where: str) -> None:
        response = Client().get(f"/{where}")
        assert response.content.decode().startswith(LAZY)
        assert kept_for() == [LAZY_SECONDS]
        assert get_max_age(response) == LAZY_SECONDS
        url = record_one()
        assert get(where).startswith(LAZY)
        caches["default"].clear()
        assert get(where) == url
        assert kept_for() == [900]

    @pytest.mark.parametrize("where", KEPT)
    def test_one_with_final_urls_is_kept_as_long_as_it_is_asked_to(self, where: str) -> None:
        url = record_one()
        for _ in range(2):
            response = Client().get(f"/{where}")
            assert response.content.decode() == url
            assert get_max_age(response) == 900
        assert kept_for() == [900]

    @pytest.mark.usefixtures("private")
    @pytest.mark.parametrize("where", KEPT)
    def test_one_with_signed_urls_is_kept_for_a_quarter_of_their_time(self, where: str) -> None:
        assert "X-Amz-Signature" in get(where)
        assert kept_for() == [900]
        NotedCache.noted.clear()
        with using_page(RequestCache()):
            response = cache_page(5000)(show)(RequestFactory().get("/"))
        assert get_max_age(response) == 900

    @pytest.mark.usefixtures("clock")
    def test_lazy_urls_that_end_sooner(self, settings: Any) -> None:
        settings.THUMBNAIL_URL_TTL = 60
        get("now")
        assert kept_for() == [30]

    def test_arguments_of_djangos(self) -> None:
        get("own")
        assert kept_for() == [20]  # less than a lazy page may be kept
        assert kept_for("cache_page.x.") == [20]
        assert not any(key in caches["default"] for key in NotedCache.noted)

    def test_a_request_without_a_page_is_taken_for_lazy(self) -> None:
        record_one()
        cache_page(900)(show)(RequestFactory().get("/"))
        assert kept_for() == [LAZY_SECONDS]

    def test_a_site_that_keeps_all_pages(self, settings: Any) -> None:
        settings.MIDDLEWARE = [
            "shrinkmeister.caching.UpdateCacheMiddleware",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ]
        settings.CACHE_MIDDLEWARE_SECONDS = 900
        get("plain")
        assert kept_for() == [LAZY_SECONDS]
        caches["default"].clear()
        record_one()
        get("plain")
        assert kept_for() == [900]
        get("cdn")
        assert sorted(kept_for()) == [900, 3000]


class TestMaxAge:
    @pytest.fixture(autouse=True)
    def middleware(self, settings: Any) -> None:
        settings.MIDDLEWARE = ["shrinkmeister.caching.max_age_middleware"]

    def header(self, where: str) -> set[str]:
        return set(filter(None, Client().get(f"/{where}").get("Cache-Control", "").split(", ")))

    def test_of_lazy_pages(self) -> None:
        lowered = {f"max-age={LAZY_SECONDS}", f"s-maxage={LAZY_SECONDS}", "public"}
        assert self.header("cdn") == lowered
        assert self.header("plain") == set()

    def test_of_final_ones(self) -> None:
        record_one()
        assert self.header("cdn") == {"max-age=3000", "s-maxage=6000", "public"}

    def test_of_streamed_ones(self) -> None:
        assert self.header("pieces") == {f"max-age={LAZY_SECONDS}"}
        assert self.header("file") == {"max-age=3000"}

    def test_async(self) -> None:
        async def answer(request: HttpRequest) -> HttpResponse:
            return show_to_cdns(request)

        async def ask() -> Any:
            with using_page(RequestCache()):
                return await caching.max_age_middleware(answer)(RequestFactory().get("/"))

        assert get_max_age(asyncio.run(ask())) == LAZY_SECONDS


class TestKnowing:
    def test_in_a_view(self) -> None:
        assert json.loads(get("say")) == [False, True, LAZY_SECONDS, 5]
        record_one()
        assert json.loads(get("say")) == [False, False, 900, 5]

    @pytest.mark.parametrize(
        "middleware",
        [
            ["shrinkmeister.page.page_middleware"],
            pytest.param([], marks=pytest.mark.skipif(django.VERSION < (6, 1), reason="needs Django 6.1")),
        ],
        ids=["middleware", "none"],
    )
    @pytest.mark.parametrize("where", ["say", "say-async"])
    def test_under_asgi(self, where: str, middleware: list[str], settings: Any) -> None:
        settings.MIDDLEWARE = middleware

        async def ask() -> Any:
            return json.loads((await AsyncClient().get(f"/{where}")).content)

        assert asyncio.run(ask()) == [False, True, LAZY_SECONDS, 5]
        record_one()
        assert asyncio.run(ask()) == [False, False, 900, 5]

    def test_a_kept_page_under_asgi(self, settings: Any) -> None:
        settings.MIDDLEWARE = ["shrinkmeister.page.page_middleware"]

        async def ask() -> str:
            return (await AsyncClient().get("/later")).content.decode()

        assert asyncio.run(ask()).startswith(LAZY)
        assert kept_for() == [LAZY_SECONDS]
        caches["default"].clear()
        url = record_one()
        assert asyncio.run(ask()) == url
        assert kept_for() == [900]

    def test_parts_of_a_page(self) -> None:
        with using_page(RequestCache()):
            with watch_thumbnails() as empty:
                pass
            with watch_thumbnails() as outer, watch_thumbnails() as inner:
                render(IMAGE)
            with watch_thumbnails() as after:
                pass
            assert [one.lazy for one in (empty, inner, outer, after)] == [False, True, True, False]
            assert has_lazy_thumbnails()
        with watch_thumbnails() as alone:
            render(IMAGE)
        assert alone.lazy
        assert page.current_page() is None

    def test_lifetimes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "time", lambda: 1000.0)
        assert Lifetime().cache_seconds(900) == 900
        assert Lifetime().cache_seconds(None) is None
        assert Lifetime(lazy=True).cache_seconds(900, lazy=10) == 10
        assert Lifetime(lazy=True).cache_seconds(None) == LAZY_SECONDS
        assert Lifetime(ends=1101.0).cache_seconds(900) == 50
        assert Lifetime(lazy=True, ends=1021.0).cache_seconds(900) == 10
        assert Lifetime(ends=999.0).cache_seconds(900) == 0


@pytest.mark.parametrize("where", ["parts", "whole", "form"])
def test_what_was_kept_for_a_while_takes_one_trip_again(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = Trips(monkeypatch)
    Client().get(f"/{where}")
    assert trips.taken() == 7
    for _ in range(3):
        Client().get(f"/{where}")
        Client().post(f"/{where}")
    caches["default"].clear()
    trips.taken()
    Client().get(f"/{where}")
    assert trips.taken() == 1


@pytest.mark.makes_thumbnails
def test_signed_urls_of_the_eager_mode(
    s3_server: S3Server, s3_bucket: Callable[..., str], settings: Any, clock: None
) -> None:
    options = {**s3_server.storage_options, "bucket_name": s3_bucket(), "querystring_expire": 3600}
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    default_storage.save("photos/1.jpg", ContentFile(picture()))
    with watch_thumbnails() as lifetime, eager_thumbnails():
        get_thumbnail("photos/1.jpg", "300x200")
    assert lifetime.cache_seconds(9000) == 900


class TestFragments:
    def shown(self, who: int = 1) -> str:
        return render(FRAGMENT, who=who)

    def test_one_with_a_lazy_thumbnail_is_kept_shortly(self) -> None:
        assert self.shown().startswith(LAZY)
        assert kept_for("template.cache") == [LAZY_SECONDS]
        url = record_one()
        assert self.shown().startswith(LAZY)
        assert self.shown(who=2) == url
        assert sorted(kept_for("template.cache")) == [LAZY_SECONDS, 900]
        caches["default"].delete(make_template_fragment_key("side", [1]))
        assert self.shown() == url

    def test_a_page_that_shows_a_kept_one_knows(self) -> None:
        self.shown()
        with using_page(RequestCache()):
            assert not has_lazy_thumbnails()
            assert self.shown().startswith(LAZY)
            assert has_lazy_thumbnails()
        with watch_thumbnails() as lifetime:
            self.shown()
        assert lifetime.lazy

    @pytest.mark.usefixtures("private")
    def test_one_with_signed_urls(self) -> None:
        self.shown()
        render(FRAGMENT.replace("900", "5000"), who=2)
        assert kept_for("template.cache") == [900, 900]
        with watch_thumbnails() as lifetime:
            self.shown()
        assert lifetime == Lifetime(lazy=False, ends=time.time() + 1800)

    def test_djangos_tag_reads_what_it_keeps(self) -> None:
        """Where a template goes back to it."""
        html = self.shown()
        plain = "{% load cache %}{% cache 900 side who %}{% endcache %}"
        assert render(plain, who=1) == html
        assert render(FRAGMENT, who=2) == html
        assert render(plain, who=2) == html

    @pytest.mark.parametrize(("timeout", "kept"), [("nothing", None), ('"30"', 30), ("0", 0)])
    def test_timeouts(self, timeout: str, kept: int | None) -> None:
        record_one()
        render(FRAGMENT.replace("900", timeout), nothing=None, who=1)
        assert kept_for("template.cache") == [kept]

    def test_the_cache_is_chosen_as_djangos_tag_does(self, settings: Any) -> None:
        render(FRAGMENT.replace("who %}", 'who using="other" %}'), who=1)
        key = make_template_fragment_key("side", [1])
        assert key in caches["other"]
        assert key not in caches["default"]
        settings.CACHES = {**settings.CACHES, "template_fragments": settings.CACHES["other"]}
        self.shown(who=2)
        assert make_template_fragment_key("side", [2]) in caches["template_fragments"]

    @pytest.mark.parametrize(
        "arguments",
        ["", "900", "missing side", '"x" side', '900 side using="missing"', "900 side using=missing"],
    )
    def test_wrong_arguments(self, arguments: str) -> None:
        with pytest.raises(TemplateSyntaxError, match="cache_thumbnails"):
            render(
                "{% load shrinkmeister %}{% cache_thumbnails " + arguments + " %}{% endcache_thumbnails %}"
            )

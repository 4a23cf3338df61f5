"""The eager mode: what a site's own tests, e-mails and commands get is finished."""

import asyncio
import contextvars
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from sorl.thumbnail import delete, get_thumbnail

from shrinkmeister import eager
from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import SourceInvalidError, SourceMissingError
from shrinkmeister_server import pipeline
from tests.support.pages import render
from tests.support.pictures import picture, size_of
from tests.support.sorls import Sorl

pytestmark = pytest.mark.makes_thumbnails

PAGE = '{% load thumbnail %}{% thumbnail f "300x200" crop="center" as im %}{{ im.url }} {{ im.width }}'
PAGE += "{% empty %}none{% endthumbnail %}"


@pytest.fixture
def eagerly(settings: Any) -> None:
    settings.THUMBNAIL_EAGER = True
    # As a site would have it: the server's settings are not there, and nothing but its storage is.
    for name in ("THUMBNAIL_SERVER_URL", "THUMBNAIL_SOURCES"):
        setattr(settings, name, None)


@pytest.mark.usefixtures("eagerly")
class TestSetting:
    def test_a_thumbnail_is_finished(self, media: Path, photo: str) -> None:
        thumbnail = get_thumbnail(photo, "300")
        assert (thumbnail.lazy, thumbnail.certain_size) == (False, (300, 225))
        assert thumbnail.url.startswith("https://example.com/media/cache/")
        assert size_of((media / thumbnail.name).read_bytes()) == (300, 225)
        assert render(PAGE, f=photo).endswith(".jpg 300")

    def test_it_is_made_once(self, photo: str, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = get_thumbnail(photo, "300")
        monkeypatch.setattr(pipeline, "render", lambda *args: pytest.fail("made again"))
        assert get_thumbnail(photo, "300") == first

    def test_alternative_resolutions(self, photo: str, media: Path, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        thumbnail = get_thumbnail(photo, "100")
        place = thumbnail.url_of("2x").removeprefix("https://example.com/media/")
        assert size_of((media / place).read_bytes()) == (200, 150)
        assert render('{% load thumbnail %}{{ u|resolution:"2x" }}', u=thumbnail.url).endswith(place)

    @pytest.mark.parametrize(
        ("backend", "options"),
        [
            ("django.core.files.storage.FileSystemStorage", {"base_url": "/media/"}),
            ("django.core.files.storage.InMemoryStorage", {"base_url": "/media/"}),
        ],
    )
    def test_urls_of_this_host(
        self, settings: Any, tmp_path: Path, backend: str, options: dict[str, Any]
    ) -> None:
        """As the tests of most sites have them."""
        if "FileSystem" in backend:
            options = {**options, "location": str(tmp_path)}
        settings.STORAGES = {"default": {"BACKEND": backend, "OPTIONS": options}}
        name = storages["default"].save("a.jpg", ContentFile(picture((400, 300))))
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        for _ in range(2):
            thumbnail = get_thumbnail(name, "100")
            assert thumbnail.url == f"/media/{thumbnail.name}"
            assert not thumbnail.lazy
            assert storages["default"].exists(thumbnail.name)
            assert thumbnail.url_of("2") == f"/media/{thumbnail.name}".replace(".jpg", "%402x.jpg")

    def test_the_servers_urls_stay(self, media: Path, photo: str, settings: Any) -> None:
        """A command of a site whose own URLs are relative; its pages show what the server has recorded."""
        made = get_thumbnail(photo, "100")
        assert made.url.startswith("https://example.com/media/cache/")
        options = {"location": str(media), "base_url": "/media/"}
        backend = "django.core.files.storage.FileSystemStorage"
        settings.STORAGES = {"default": {"BACKEND": backend, "OPTIONS": options}}
        assert get_thumbnail(photo, "100") == made
        settings.THUMBNAIL_EAGER = False
        assert get_thumbnail(photo, "100") == made

    def test_a_record_without_a_url_gets_one(self, media: Path, settings: Any, photo: str) -> None:
        """Once the site's storage gives public URLs, after signed or relative ones."""
        backend, location = "django.core.files.storage.FileSystemStorage", str(media)
        for base in ("/media/", "https://example.com/media/"):
            options = {"location": location, "base_url": base}
            settings.STORAGES = {"default": {"BACKEND": backend, "OPTIONS": options}}
            thumbnail = get_thumbnail(photo, "100")
            assert thumbnail.url == f"{base}{thumbnail.name}"
            spec = make_spec(photo, "100", {}, get_config())
            record = get_shared_cache().lookups.look_up(spec).thumbnail
            assert record is not None
            assert record.base == (None if base == "/media/" else f"{base}cache/")

    @pytest.mark.django_db
    def test_a_cache_that_keeps_nothing(self, media: Path, photo: str, settings: Any) -> None:
        """So that the tests of a site know nothing of one another."""
        settings.CACHES = {
            "default": settings.CACHES["default"],
            "shrinkmeister": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        }
        first = get_thumbnail(photo, "300")
        assert get_thumbnail(photo, "300") == first
        delete(photo)
        with pytest.raises(SourceMissingError):
            get_thumbnail(photo, "300")

    def test_what_cannot_be_made_is_an_error(
        self, media: Path, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        storages["default"].save("photos/text.jpg", ContentFile(b"no image"))
        with pytest.raises(SourceInvalidError):
            get_thumbnail("photos/text.jpg", "300")
        with pytest.raises(SourceMissingError):
            render(PAGE, f="photos/gone.jpg")
        settings.THUMBNAIL_DEBUG = False
        assert render(PAGE, f="photos/gone.jpg") == "none"
        assert "no such file" in str(caplog.records[-1].exc_info)

    def test_it_is_what_sorl_makes(self, media: Path, photo: str, sorl: Sorl, settings: Any) -> None:
        settings.THUMBNAIL_FLATTEN = True
        for options in ({}, {"crop": "smart", "format": "PNG"}, {"padding": True, "quality": 40}):
            made = (media / get_thumbnail(photo, "200x180", **options).name).read_bytes()
            assert made == sorl.read(photo, "200x180", **options)

    def test_limits_hold(self, media: Path, photo: str, settings: Any) -> None:
        settings.THUMBNAIL_MAX_PIXELS = 1000
        with pytest.raises(Exception, match="pixels"):
            get_thumbnail(photo, "300")


class TestBlock:
    def test_it_holds_for_a_block(self, media: Path, photo: str) -> None:
        assert get_thumbnail(photo, "300").lazy
        with eager_thumbnails():
            assert not get_thumbnail(photo, "300").lazy
        assert get_thumbnail(photo, "200").lazy

    def test_it_ends_with_an_error_too(self, media: Path) -> None:
        with pytest.raises(SourceMissingError), eager_thumbnails():
            get_thumbnail("photos/gone.jpg", "300")
        assert get_thumbnail("photos/gone.jpg", "300").lazy

    @pytest.mark.parametrize("base", ["/media/", "https://example.com/media/"])
    def test_urls_without_a_host_are_logged_once(
        self, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture, base: str
    ) -> None:
        backend = "django.core.files.storage.FileSystemStorage"
        options = {"location": str(tmp_path), "base_url": base}
        settings.STORAGES = {"default": {"BACKEND": backend, "OPTIONS": options}}
        name = storages["default"].save("a.jpg", ContentFile(picture((400, 300))))
        for geometry in ("100", "120"):
            with eager_thumbnails():
                get_thumbnail(name, geometry)
        assert len(caplog.records) == (1 if base == "/media/" else 0)
        assert all("MEDIA_URL" in record.getMessage() for record in caplog.records)

    def test_blocks_within_blocks(self, media: Path, photo: str) -> None:
        with eager_thumbnails():
            with eager_thumbnails():
                pass
            assert not get_thumbnail(photo, "300").lazy
        assert get_thumbnail(photo, "200").lazy

    def test_blocks_of_generators_that_end_in_any_order(self, media: Path, photo: str) -> None:
        def block() -> Generator[None, None, None]:
            with eager_thumbnails():
                yield

        first, second = block(), block()
        next(first)
        next(second)
        for generator in (first, second):
            generator.close()
        assert get_thumbnail(photo, "300").lazy
        # One that another context closes, as servers do with the answers that they stream.
        third = block()
        contextvars.copy_context().run(next, third)
        third.close()
        with eager_thumbnails():
            assert not get_thumbnail(photo, "300").lazy

    def test_it_holds_for_this_thread_and_this_task(self, media: Path, photo: str) -> None:
        def lazy(geometry: str) -> bool:
            return bool(get_thumbnail(photo, geometry).lazy)

        async def task(geometry: str, eagerly: bool) -> bool:
            if eagerly:
                with eager_thumbnails():
                    await asyncio.sleep(0)
                    return lazy(geometry)
            await asyncio.sleep(0)
            return lazy(geometry)

        async def both() -> tuple[bool, bool]:
            eagerly, lazily = await asyncio.gather(task("50", True), task("60", False))
            return eagerly, lazily

        assert asyncio.run(both()) == (False, True)
        with eager_thumbnails(), ThreadPoolExecutor(1) as pool:
            assert pool.submit(lazy, "70").result() is True


def test_what_makes_them_has_to_be_installed(
    media: Path, photo: str, eagerly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eager, "MAKER", "no_such_package.make")
    with pytest.raises(SettingError, match=r'pip install "shrinkmeister\[server\]"'):
        get_thumbnail(photo, "300")


@pytest.mark.outside
def test_the_server_is_loaded_when_it_is_wanted() -> None:
    script = """
import sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"],
    THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
    THUMBNAIL_SECRET_KEY="the secret of this script, which is long enough",
    THUMBNAIL_SERVER_URL="https://thumbs.example.com",
    THUMBNAIL_CACHE_BACKEND="django",
    THUMBNAIL_CACHE_NAME="default",
    STORAGES={"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}},
)
import django
django.setup()
from sorl.thumbnail import get_thumbnail
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import SourceMissingError
get_thumbnail("a.jpg", "10x10")
print("shrinkmeister_server" in sys.modules)
with eager_thumbnails():
    try:
        get_thumbnail("a.jpg", "10x10")
    except SourceMissingError:
        print("missing")
print("shrinkmeister_server" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "missing", "True"]

"""`manage.py shrinkmeister clear | prune`, on files, buckets and each kind of cache."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.utils import timezone
from sorl.thumbnail import default, get_thumbnail
from sorl.thumbnail.base import ThumbnailBackend

from shrinkmeister.exceptions import DriverError, StorageError
from shrinkmeister.results import StorageResults, get_results
from shrinkmeister.shared_cache import SharedCache, get_shared_cache
from shrinkmeister.sources import place_of
from tests.pages import lazy
from tests.pictures import picture
from tests.servers.s3 import S3Server
from tests.sides import Server
from tests.sorls import follow_settings

PHOTOS = ("photos/dawn.jpg", "photos/dusk.jpg")
GEOMETRIES = ("300x200", "100")


def shrinkmeister(*arguments: str) -> None:
    call_command("shrinkmeister", *arguments)


class Site:
    """With two photos and two thumbnails of each, in two resolutions."""

    def __init__(self, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        for photo in PHOTOS:
            storages["default"].save(photo, ContentFile(picture((400, 300))))
            for geometry in GEOMETRIES:
                assert server.get(lazy(photo, geometry).url).status_code == 302
        assert self.lazy() == [False] * 4

    def lazy(self) -> list[bool]:
        return [lazy(photo, geometry).lazy for photo in PHOTOS for geometry in GEOMETRIES]


@pytest.fixture(params=["redis", "memcached", "django"])
def cache(request: pytest.FixtureRequest, settings: Any) -> str:
    if request.param != "django":
        settings.THUMBNAIL_CACHE_BACKEND = request.param
        settings.THUMBNAIL_CACHE_NAME = None
        settings.CACHES = {"default": settings.CACHES["default"]}
        settings.THUMBNAIL_CACHE_LOCATION = request.getfixturevalue(f"{request.param}_location")
    return str(request.param)


@pytest.fixture
def site(media: Path, server: Server, settings: Any) -> Site:
    return Site(server, settings)


@pytest.fixture(params=["files", "bucket"])
def anywhere(request: pytest.FixtureRequest, server: Server, settings: Any) -> Site:
    if request.param == "files":
        request.getfixturevalue("media")
    else:
        s3: S3Server = request.getfixturevalue("s3_server")
        bucket: Callable[..., str] = request.getfixturevalue("s3_bucket")
        media, thumbs = bucket(), bucket(public=True)
        options = {**s3.storage_options, "bucket_name": media, "querystring_auth": False}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        settings.THUMBNAIL_BUCKET = thumbs
        settings.THUMBNAIL_SOURCES = [f"s3://{media}"]
    return Site(server, settings)


def objects() -> set[str]:
    return {stored.name for stored in get_results().walk("cache/")}


class TestClear:
    def test_records_go_and_thumbnails_stay(
        self, cache: str, anywhere: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = objects()
        assert len(before) == 8
        shrinkmeister("clear", "--dry-run")
        assert anywhere.lazy() == [False] * 4
        shrinkmeister("clear")
        assert anywhere.lazy() == [True] * 4
        assert lazy(PHOTOS[0], "90").size is None  # what was known of the source went too
        assert objects() == before
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "Would clear 6 records."
        assert "Cleared 6 records." in said
        assert ("cannot list its keys" in said[-1]) == (cache == "django")

    @pytest.mark.parametrize("cache", ["redis", "memcached"], indirect=True)
    def test_records_of_what_is_gone_go_too(self, cache: str, site: Site) -> None:
        get_results().delete(sorted(objects()))
        shrinkmeister("clear")
        assert site.lazy() == [True] * 4

    def test_nothing_else_goes(self, cache: str, site: Site) -> None:
        """Not the locks of those who are making something, nor what others keep in that cache."""
        shared = get_shared_cache()
        shared.set_bookmark("adopt", "here")
        shared._driver.set("another:t1:key", b"1", 60)
        shared._driver.set("shrinkmeister:l1:key", b"1", 60)
        shrinkmeister("clear")
        assert shared._driver.get("another:t1:key") == b"1"
        assert shared._driver.get("shrinkmeister:l1:key") == b"1"
        assert shared.bookmark("adopt") == "here"

    def test_a_cache_that_is_gone(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*args: Any) -> None:
            raise DriverError("Redis: refused")

        monkeypatch.setattr(SharedCache, "remove", fail)
        with pytest.raises(CommandError, match="Redis: refused"):
            shrinkmeister("clear")


class TestPrune:
    def test_what_is_older_goes_with_its_records(
        self, anywhere: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shrinkmeister("prune", "--older-than", "1h")
        assert anywhere.lazy() == [False] * 4
        later = timezone.now() + timedelta(hours=2)
        monkeypatch.setattr(timezone, "now", lambda: later)
        shrinkmeister("prune", "--older-than", "1h", "--dry-run")
        assert anywhere.lazy() == [False] * 4
        shrinkmeister("prune", "--older-than", "1h")
        assert anywhere.lazy() == [True] * 4
        assert objects() == set()
        assert capsys.readouterr().out.splitlines() == [
            "Deleted 0 of 4 thumbnails, 0 objects with their alternative resolutions.",
            "Would delete 4 of 4 thumbnails, 8 objects with their alternative resolutions.",
            "Deleted 4 of 4 thumbnails, 8 objects with their alternative resolutions.",
        ]
        assert all(storages["default"].exists(photo) for photo in PHOTOS)

    def test_they_come_back(self, anywhere: Site, server: Server) -> None:
        shrinkmeister("prune", "--older-than", "0")
        assert objects() == set()
        assert server.get(lazy(PHOTOS[0]).url).status_code == 302
        assert anywhere.lazy() == [False, True, True, True]

    @pytest.mark.parametrize("given", ["plain", "whole"])
    def test_those_of_one_source(self, anywhere: Site, given: str) -> None:
        source = place_of(storages["default"], PHOTOS[0])
        shrinkmeister("prune", "--source", PHOTOS[0] if given == "plain" else str(source))
        assert anywhere.lazy() == [True, True, False, False]
        assert lazy(PHOTOS[0], "90").size is None
        assert len(objects()) == 4

    def test_old_ones_of_one_source(self, site: Site, media: Path) -> None:
        for path in (media / "cache").rglob("*.jpg"):
            os.utime(path, (10**9, 10**9))
        shrinkmeister("prune", "--older-than", "8w", "--source", PHOTOS[1])
        assert site.lazy() == [False, False, True, True]

    def test_one_that_is_new_in_a_resolution_is_new(self, site: Site, media: Path) -> None:
        """It has just been made again; its record would name a resolution that is gone."""
        for path in (media / "cache").rglob("*.jpg"):
            os.utime(path, (10**9, 10**9))
        os.utime(next((media / "cache").rglob("*@2x.jpg")))
        shrinkmeister("prune", "--older-than", "1d")
        assert len(objects()) == 2
        assert sorted(site.lazy()) == [False, True, True, True]

    def test_nothing_else_goes(self, site: Site, media: Path, settings: Any) -> None:
        """Below an empty prefix lie the sources, and whatever else is in that storage."""
        for name in (
            "cache/a/b/of-sorl.jpg",
            "cache/of somebody@2x.jpg",
            "a" * 32 + "/" + "b" * 31 + ".jpg",
        ):
            storages["default"].save(name, ContentFile(b"x"))
        before = {path for path in media.rglob("*") if path.is_file()} - set(
            (media / "cache").glob("*/*.jpg")
        )
        settings.THUMBNAIL_PREFIX = ""
        shrinkmeister("prune", "--older-than", "0")
        settings.THUMBNAIL_PREFIX = "cache/"
        shrinkmeister("prune", "--older-than", "0")
        assert {path for path in media.rglob("*") if path.is_file()} == before

    def test_records_go_first_and_an_error_ends_it(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any) -> None:
            raise DriverError("Redis: refused")

        before = objects()
        with monkeypatch.context() as patch:
            patch.setattr(SharedCache, "remove", fail)
            with pytest.raises(CommandError, match="Redis: refused"):
                shrinkmeister("prune", "--older-than", "0")
        assert objects() == before
        assert site.lazy() == [False] * 4

    @pytest.mark.parametrize("where", ["walk", "_modified"])
    def test_no_error_counts_as_old_or_gone(
        self, site: Site, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise StorageError("throttled")

        before = objects()
        with monkeypatch.context() as patch:
            patch.setattr(StorageResults, where, fail)
            with pytest.raises(CommandError, match="throttled"):
                shrinkmeister("prune", "--older-than", "1s")
        assert objects() == before
        assert site.lazy() == [False] * 4

    def test_a_bucket_that_refuses(self, settings: Any, s3_server: S3Server, media: Path) -> None:
        settings.THUMBNAIL_BUCKET = "there-is-no-such-bucket"
        settings.STORAGES = {
            "default": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {**s3_server.storage_options, "bucket_name": "neither-is-there-this"},
            }
        }
        with pytest.raises(CommandError, match="NoSuchBucket"):
            shrinkmeister("prune", "--older-than", "0")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((), "--older-than 90d"),
            (("--older-than", "soon"), "'soon' is not an age"),
            (("--older-than", "-5"), "--older-than"),
            (("--source", "s3://"), "''"),
            (("--source", "gopher://a/b"), "gopher"),
            (("--source", "a.jpg", "--adopted"), "--adopted goes with"),
        ],
    )
    def test_what_is_not_understood(self, site: Site, arguments: tuple[str, ...], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            shrinkmeister("prune", *arguments)
        assert site.lazy() == [False] * 4


@pytest.mark.django_db
class TestPruneAdopted:
    @pytest.fixture
    def former(self, site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        follow_settings(monkeypatch)
        for photo in PHOTOS:
            ThumbnailBackend().get_thumbnail(photo, "70x60", crop="center")
        shrinkmeister("adopt")
        return lambda: [get_thumbnail(photo, "70x60", crop="center").lazy for photo in PHOTOS]

    def test_what_sorl_has_made_goes(
        self, former: Callable[[], list[bool]], site: Site, media: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        storages["default"].save("cache/of somebody.jpg", ContentFile(b"x"))
        assert former() == [False, False]
        shrinkmeister("prune", "--adopted", "--older-than", "1h")
        shrinkmeister("prune", "--adopted", "--older-than", "0", "--dry-run")
        assert former() == [False, False]
        capsys.readouterr()
        shrinkmeister("prune", "--adopted", "--older-than", "0")
        assert capsys.readouterr().out.startswith("Deleted 2 of 3 thumbnails, 4 objects")
        assert former() == [True, True]
        assert site.lazy() == [False] * 4
        assert (media / "cache" / "of somebody.jpg").exists()
        assert len([path for path in media.rglob("*") if path.is_file()]) == 8 + 2 + 1
        # And sorl, if it comes back, makes them again.
        again = ThumbnailBackend().get_thumbnail(PHOTOS[0], "70x60", crop="center")
        assert again.exists()

    def test_clearing_takes_them_too(self, former: Callable[[], list[bool]], site: Site) -> None:
        shrinkmeister("clear")
        assert former() == [True, True]
        shrinkmeister("adopt")
        assert former() == [False, False]


class TestProgress:
    def test_a_bar_is_drawn_where_it_is_wanted(
        self, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shrinkmeister("prune", "--older-than", "1h", "--verbosity", "2")
        said = capsys.readouterr()
        assert "4 thumbnails" in said.err
        assert said.out.startswith("Deleted 0 of 4")
        shrinkmeister("prune", "--older-than", "1h")  # no terminal
        assert capsys.readouterr().err == ""
        shrinkmeister("prune", "--older-than", "1h", "--verbosity", "0")
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "")

    def test_it_can_be_stopped(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def stop(*args: Any, **kwargs: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(StorageResults, "walk", stop)
        with pytest.raises(CommandError, match="Stopped"):
            shrinkmeister("prune", "--older-than", "1h")


class TestSorlsCommand:
    def test_with_another_backend_it_is_sorls(
        self, media: Path, db: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        follow_settings(monkeypatch)
        monkeypatch.setattr(default.backend, "_wrapped", ThumbnailBackend())
        call_command("thumbnail", "cleanup")
        assert capsys.readouterr().out == "Cleanup thumbnails ... [Done]\n"

    def test_its_place_in_the_settings_is_checked(self) -> None:
        script = """
from django.conf import settings
settings.configure(INSTALLED_APPS=["sorl.thumbnail", "shrinkmeister"])
import django
django.setup()
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.returncode != 0
        assert "INSTALLED_APPS has 'sorl.thumbnail' before 'shrinkmeister'." in done.stderr

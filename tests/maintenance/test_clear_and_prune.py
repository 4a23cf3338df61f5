"""`manage.py shrinkmeister clear | prune`, on files, buckets and each kind of cache."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from itertools import count, permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from sorl.thumbnail import default, get_thumbnail
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import ImageFile

from shrinkmeister.adoption.kvstore import FormerStore, get_former_store
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.record_store import RecordStore
from shrinkmeister.exceptions import DriverError, StorageError
from shrinkmeister.management.commands import shrinkmeister as command
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.sources import place_of
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage, listing
from shrinkmeister.storage.django_storage import DjangoThumbnailStorage
from tests.servers.s3 import S3Server
from tests.support.pages import lazy
from tests.support.pictures import picture
from tests.support.sides import Server
from tests.support.sorls import follow_settings

PHOTOS = ("photos/dawn.jpg", "photos/dusk.jpg")
GEOMETRIES = ("300x200", "100")


def shrinkmeister(*arguments: str) -> None:
    call_command("shrinkmeister", *arguments)


class InTwoHours(datetime):
    """Stands for the class."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=2)


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
    """Our own thumbnails."""
    return {
        stored.name
        for stored in get_thumbnail_storage().walk("cache/")
        if is_object_name(stored.name, "cache/")
    }


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
        assert lazy(PHOTOS[0], "90").certain_size is None  # what was known of the source went too
        assert objects() == before
        said = capsys.readouterr().out
        assert re.findall("[0-9]+", said) == ["6", "6"]
        # One more sentence, both times, for a cache that cannot list its keys.
        assert len(said.splitlines()) == (4 if cache == "django" else 2)

    def test_the_server_records_what_is_stored(
        self, cache: str, site: Site, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shrinkmeister("clear")
        monkeypatch.setattr("shrinkmeister_server.pipeline.render", lambda *args: pytest.fail("made again"))
        assert server.get(lazy(PHOTOS[0], GEOMETRIES[0]).url).status_code == 302
        assert site.lazy() == [False, True, True, True]

    @pytest.mark.parametrize("cache", ["redis", "memcached"], indirect=True)
    def test_records_of_what_is_gone_go_too(self, cache: str, site: Site) -> None:
        get_thumbnail_storage().delete(sorted(objects()))
        shrinkmeister("clear")
        assert site.lazy() == [True] * 4

    def test_nothing_else_goes(self, cache: str, site: Site) -> None:
        """Not the locks of those who are making something, nor what others keep in that cache."""
        shared = get_shared_cache()
        shared.notes.set_bookmark("adopt", "here")
        others = ("another:t1:" + "a" * 32, "shrinkmeister:l1:" + "a" * 32, "shrinkmeister:s1:of-somebody")
        for name in others:
            shared.connection.driver.set(name, b"1", 60)
        shrinkmeister("clear")
        assert set(shared.connection.driver.get_many(others)) == set(others)
        assert shared.notes.bookmark("adopt") is None  # or adopting would go on behind what has just gone

    def test_a_cache_that_is_gone(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*args: Any) -> None:
            raise DriverError("Redis: refused")

        monkeypatch.setattr(RecordStore, "delete", fail)
        with pytest.raises(CommandError, match="Redis: refused"):
            shrinkmeister("clear")


class TestPrune:
    def test_what_is_older_goes_with_its_records(
        self, anywhere: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shrinkmeister("prune", "--older-than", "1h")
        assert anywhere.lazy() == [False] * 4
        monkeypatch.setattr("shrinkmeister.management.commands.shrinkmeister.datetime", InTwoHours)
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
        assert lazy(PHOTOS[0], "90").certain_size is None
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
            patch.setattr(RecordStore, "delete", fail)
            with pytest.raises(CommandError, match="Redis: refused"):
                shrinkmeister("prune", "--older-than", "0")
        assert objects() == before
        assert site.lazy() == [False] * 4

    @pytest.mark.parametrize("where", ["walk", "modified"])
    def test_no_error_counts_as_old_or_gone(
        self, site: Site, where: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise StorageError("throttled")

        before = objects()
        with monkeypatch.context() as patch:
            patch.setattr(DjangoThumbnailStorage, where, fail)
            with pytest.raises(CommandError, match="throttled"):
                shrinkmeister("prune", "--older-than", "1")
        assert objects() == before
        assert site.lazy() == [False] * 4

    @pytest.mark.parametrize("use_tz", [True, False])
    def test_times_with_and_without_zones(self, site: Site, settings: Any, use_tz: bool) -> None:
        settings.USE_TZ = use_tz
        settings.TIME_ZONE = "Asia/Tokyo"
        shrinkmeister("prune", "--older-than", "1h")
        assert site.lazy() == [False] * 4

    def test_one_that_goes_meanwhile(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*args: Any) -> Any:
            raise FileNotFoundError

        monkeypatch.setattr(type(storages["default"]), "get_modified_time", gone)
        shrinkmeister("prune", "--older-than", "1")
        assert len(objects()) == 8

    @pytest.mark.parametrize("arguments", [("--dry-run",), ("--older-than", "1d")])
    def test_what_is_known_of_a_source_stays_with_its_thumbnails(
        self, site: Site, arguments: tuple[str, ...]
    ) -> None:
        shrinkmeister("prune", "--source", PHOTOS[0], *arguments)
        assert lazy(PHOTOS[0], "90").certain_size == (90, 68)

    def test_a_server_that_records_meanwhile(
        self, anywhere: Site, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has found the object before it goes, and writes the record after that has gone."""
        storage = type(get_thumbnail_storage())
        delete = storage.delete

        def late(self: Any, names: list[str]) -> None:
            for photo in PHOTOS:
                for geometry in GEOMETRIES:
                    assert server.get(lazy(photo, geometry).url).status_code == 302
            delete(self, names)

        monkeypatch.setattr(storage, "delete", late)
        shrinkmeister("prune", "--older-than", "0")
        assert objects() == set()
        assert anywhere.lazy() == [True] * 4

    def test_sources_are_told(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        for given, meant in (
            ("https://Example.com/a.jpg?x=1", "https://example.com/a.jpg"),
            ("photos/none.jpg", "storage://default/photos/none.jpg"),
        ):
            shrinkmeister("prune", "--source", given)
            assert meant in capsys.readouterr().out

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
            ((), "--older-than"),
            (("--older-than", "soon"), "'soon'"),
            (("--older-than", "-5"), "--older-than"),
            (("--older-than", "5m"), "'5m'"),
            (("--older-than", "9999999999w"), "9999999999w"),
            (("--source", "s3://"), "''"),
            (("--source", ""), "source is empty"),
            (("--source", "gopher://a/b"), "gopher"),
            (("--source", "a.jpg", "--adopted"), "--adopted"),
            (("--older-than", "1d", "--adopted"), "--adopted"),
        ],
    )
    def test_what_is_not_understood(self, site: Site, arguments: tuple[str, ...], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            shrinkmeister("prune", *arguments)
        assert site.lazy() == [False] * 4


@pytest.fixture(params=["cached_db", "redis"])
def kvstore(request: pytest.FixtureRequest, settings: Any) -> str:
    """sorl's; the Redis of `cache` has it too, and both live side by side."""
    if request.param == "redis":
        settings.THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.redis_kvstore.KVStore"
        settings.THUMBNAIL_REDIS_URL = request.getfixturevalue("redis_location")
    return str(request.param)


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:Using any other KVStore:DeprecationWarning")
class TestPruneAdopted:
    """Of the same photos sorl has made a thumbnail each."""

    def warm(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        follow_settings(monkeypatch)
        for photo in PHOTOS:
            ThumbnailBackend().get_thumbnail(photo, "70x60", crop="center")
        shrinkmeister("adopt")
        assert self.lazy() == [False, False]

    def lazy(self) -> list[bool]:
        return [get_thumbnail(photo, "70x60", crop="center").lazy for photo in PHOTOS]

    def test_what_sorl_has_made_goes(
        self,
        kvstore: str,
        anywhere: Site,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.warm(settings, monkeypatch)
        storages["default"].save("cache/of somebody.jpg", ContentFile(b"x"))
        shrinkmeister("prune", "--adopted", "--dry-run")
        assert self.lazy() == [False, False]
        capsys.readouterr()
        shrinkmeister("prune", "--adopted")
        assert re.findall("[0-9]+", capsys.readouterr().out) == ["2", "2", "4"]
        assert self.lazy() == [True, True]
        assert anywhere.lazy() == [False] * 4
        left = {stored.name for stored in get_former_storage().walk("")} - objects()
        assert left == {*PHOTOS, "cache/of somebody.jpg"}
        assert list(get_former_store().sources()) == []
        # If the site goes back to sorl, it makes them again.
        assert ThumbnailBackend().get_thumbnail(PHOTOS[0], "70x60", crop="center").exists()

    @pytest.mark.parametrize("prefix", ["", "p", "photos/"])
    def test_sources_stay_wherever_they_lie(
        self, anywhere: Site, prefix: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_PREFIX = prefix
        self.warm(settings, monkeypatch)
        # sorl knows sources that have no thumbnails too.
        default.kvstore.get_or_set(ImageFile(PHOTOS[0]))
        lonely = storages["default"].save("photos/lonely.jpg", ContentFile(picture((40, 30))))
        default.kvstore.get_or_set(ImageFile(lonely))
        shrinkmeister("adopt")
        shrinkmeister("prune", "--adopted")
        assert self.lazy() == [True, True]
        assert all(storages["default"].exists(name) for name in (*PHOTOS, lonely))

    @pytest.mark.parametrize("place", ["forget_adopted", "delete", "forget"])
    def test_where_it_was_stopped_it_goes_on(
        self, site: Site, place: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.warm(settings, monkeypatch)
        owner = {"forget_adopted": RecordStore, "delete": DjangoThumbnailStorage, "forget": FormerStore}[
            place
        ]

        def fail(*args: Any) -> None:
            raise StorageError("refused")

        with monkeypatch.context() as patch:
            patch.setattr(owner, place, fail)
            with pytest.raises(CommandError, match="refused"):
                shrinkmeister("prune", "--adopted")
        # Records go first: no page has the URL of what is gone.
        assert self.lazy() == ([False, False] if place == "forget_adopted" else [True, True])
        shrinkmeister("prune", "--adopted")
        assert list(get_former_store().sources()) == []
        assert {stored.name for stored in get_former_storage().walk("")} - objects() == set(PHOTOS)

    def test_a_thumbnail_that_is_a_source_too_stays(
        self, site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.warm(settings, monkeypatch)
        first = ThumbnailBackend().get_thumbnail(PHOTOS[0], "70x60", crop="center")
        ThumbnailBackend().get_thumbnail(first, "20x20")
        shrinkmeister("prune", "--adopted")
        assert storages["default"].exists(first.name)

    @pytest.mark.parametrize("cache", ["redis", "memcached", "django"], indirect=True)
    def test_clearing_takes_their_records_too(
        self, cache: str, site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.warm(settings, monkeypatch)
        shrinkmeister("clear")
        assert self.lazy() == [True, True]
        shrinkmeister("adopt")
        assert self.lazy() == [False, False]


class TestProgress:
    @pytest.mark.parametrize(
        ("verbosity", "terminal", "reported"),
        [("0", True, False), ("1", True, True), ("1", False, False), ("2", False, True)],
    )
    def test_progress_is_reported_on_a_terminal_or_if_asked_for(
        self,
        site: Site,
        verbosity: str,
        terminal: bool,
        reported: bool,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("django.core.management.base.OutputWrapper.isatty", lambda self: terminal)
        shrinkmeister("prune", "--older-than", "1h", "--verbosity", verbosity)
        assert ("4 thumbnails" in capsys.readouterr().err) == reported

    def test_progress_is_reported_at_most_every_few_seconds(
        self, site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "BATCH", 1)
        for step, lines in ((0, 1), (command.PROGRESS_SECONDS, 4)):
            clock = SimpleNamespace(monotonic=count(1000, step).__next__)
            monkeypatch.setattr(f"{command.__name__}.time", clock)
            shrinkmeister("prune", "--older-than", "1h", "--verbosity", "2")
            assert len(capsys.readouterr().err.splitlines()) == lines

    @pytest.mark.parametrize(
        "option", [["--settings", "tests.site.settings"], ["--no-color"], ["--traceback"]]
    )
    def test_options_of_django_may_follow_the_job(
        self, site: Site, option: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        shrinkmeister("prune", "--older-than", "1h", "--dry-run", *option)
        assert capsys.readouterr().out

    def test_it_is_silent_if_asked_to_be(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        shrinkmeister("prune", "--older-than", "1h", "--verbosity", "0")
        assert capsys.readouterr() == ("", "")

    def test_it_can_be_stopped(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def stop(*args: Any, **kwargs: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(DjangoThumbnailStorage, "walk", stop)
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

    @pytest.mark.outside
    @pytest.mark.parametrize("apps", [*permutations(["shrinkmeister", "sorl.thumbnail"])])
    def test_the_order_of_the_apps_does_not_matter(self, apps: tuple[str, ...]) -> None:
        """In a process of its own: the command and subclasses refuse, and templates have our filters."""
        script = f"""
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS={[*apps]},
    THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
    THUMBNAIL_SECRET_KEY="the secret of this script, which is long enough",
    THUMBNAIL_SERVER_URL="https://thumbs.example.com",
    THUMBNAIL_CACHE_BACKEND="django",
    THUMBNAIL_CACHE_NAME="default",
    CACHES={{"default": {{"BACKEND": "tests.site.caches.SharedMemoryCache"}}}},
    TEMPLATES=[{{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}}],
)
django.setup()
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.template import engines
from sorl.thumbnail.management.commands.thumbnail import Command, VALID_LABELS

class Own(Command):
    pass

refused = 0
for label in VALID_LABELS:
    for command in ("thumbnail", Own()):
        try:
            call_command(command, label)
        except CommandError as error:
            refused += "shrinkmeister" in str(error)
from shrinkmeister.sorl_patches.filters import SORLS
for library in ("thumbnail", "sorl_thumbnail"):
    template = engines["django"].from_string("{{% load " + library + " %}}")
    for name in SORLS:
        assert engines["django"].engine.template_libraries[library].filters[name] is not SORLS[name]
    assert template.render() == ""
from sorl.thumbnail import default
store = default.kvstore.__class__
print(refused, [str(message.id) for message in run_checks()], store.__mro__[1].__name__)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("8 [] Invalidating\n", "")

"""A site that had sorl's own thumbnails before: they are adopted, and nothing is made again."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from sorl.thumbnail import default, delete, get_thumbnail
from sorl.thumbnail.base import EXTENSIONS, ThumbnailBackend
from sorl.thumbnail.images import ImageFile
from sorl.thumbnail.models import KVStore

from shrinkmeister.adoption.former import former_of
from shrinkmeister.adoption.kvstore import get_former_store
from shrinkmeister.backend import make_spec
from shrinkmeister.cache import get_shared_cache
from shrinkmeister.cache.coordination import Coordination
from shrinkmeister.cache.record_store import RecordStore
from shrinkmeister.conf import SettingError, get_config
from shrinkmeister.eager import eager_thumbnails, get_maker
from shrinkmeister.exceptions import DriverError, StorageError
from shrinkmeister.maintenance.adopt import adopt as run_adoption
from shrinkmeister.storage import get_former_storage, listing
from shrinkmeister.storage.django_storage import DjangoThumbnailStorage
from tests.servers.s3 import S3Server
from tests.site.models import Photo
from tests.support.pages import render
from tests.support.pictures import picture
from tests.support.sorls import follow_settings

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("300x200", {"crop": "center"}),
    ("100", {"format": "PNG", "quality": 80}),
    ("x90", {"padding": True, "an_option": "of the site"}),
]
SORLS_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"


class SpeakingBackend(ThumbnailBackend):  # type: ignore[misc]  # sorl has no types
    """A site's own names, as many sites have them, and its own way with errors."""

    def get_thumbnail(self, file_: Any, geometry_string: str, **options: Any) -> Any:
        options.setdefault("quality", 70)
        try:
            return super().get_thumbnail(file_, geometry_string, **options)
        except Exception:
            return None

    def _get_thumbnail_filename(self, source: Any, geometry_string: str, options: Any) -> str:
        stem = Path(source.name).stem.replace(" ", "-")
        return f"cache/{stem} {geometry_string}.{options['format'].lower()}"


class WrappingBackend(ThumbnailBackend):  # type: ignore[misc]  # sorl has no types
    """Changes an option, and so the name that sorl makes, and returns an SVG as it is."""

    def get_thumbnail(self, file_: Any, geometry_string: str, **options: Any) -> Any:
        if str(file_).endswith(".svg"):
            return file_
        return super().get_thumbnail(file_, geometry_string, **{"quality": 70, **options})


class CopyingBackend(ThumbnailBackend):  # type: ignore[misc]  # sorl has no types
    """Contains the body of sorl's method."""

    def get_thumbnail(self, file_: Any, geometry_string: str, **options: Any) -> Any:
        self._get_thumbnail_filename(file_, geometry_string, {**self.default_options, **options})
        pytest.fail("a page would make the thumbnail")


class Site:
    """With two photos, whose thumbnails sorl's own backend has made."""

    def __init__(self, sorl: ThumbnailBackend) -> None:
        self.sorl = sorl
        self.photos = [
            Photo(image=storages["default"].save(f"photos/{name}.jpg", ContentFile(picture(size))))
            for name, size in (("dawn", (400, 300)), ("tall tree", (300, 500)))
        ]
        self.before = self.page(sorl.get_thumbnail)

    def page(self, make: Callable[..., Any] = get_thumbnail) -> list[tuple[str, int, int]]:
        """(URL, width, height) of each thumbnail."""
        made = [
            make(photo.image, geometry, **options) for photo in self.photos for geometry, options in CALLS
        ]
        return [(thumbnail.url, thumbnail.width, thumbnail.height) for thumbnail in made]

    def lazy(self) -> list[bool]:
        return [
            get_thumbnail(photo.image, geometry, **options).lazy
            for photo in self.photos
            for geometry, options in CALLS
        ]


@pytest.fixture(params=["cached_db", "redis"])
def kvstore(request: pytest.FixtureRequest, settings: Any) -> str:
    if request.param == "redis":
        settings.THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.redis_kvstore.KVStore"
        settings.THUMBNAIL_REDIS_URL = request.getfixturevalue("redis_location")
    return str(request.param)


pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Using any other KVStore:DeprecationWarning"),
]


@pytest.fixture
def site(media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
    follow_settings(monkeypatch)
    return Site(ThumbnailBackend())


def adopt(*arguments: str) -> None:
    call_command("shrinkmeister", "adopt", *arguments)


def counts(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """Return what `adopt` has counted: thumbnails, sources, unknown files, incomplete thumbnails."""
    return [int(number) for number in re.findall(r"\b[0-9]+\b", capsys.readouterr().out)]


class TestWarmPagesStayWarm:
    def test_on_files(self, kvstore: str, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        assert site.lazy() == [True] * 6
        adopt()
        assert counts(capsys) == [6, 2, 0]
        assert site.page() == site.before
        assert site.lazy() == [False] * 6

    @pytest.mark.parametrize("private", [False, True])
    def test_in_a_bucket(
        self,
        kvstore: str,
        private: bool,
        settings: Any,
        s3_server: S3Server,
        s3_bucket: Callable[..., str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """With another bucket for what is made from now on."""
        options = {**s3_server.storage_options, "bucket_name": s3_bucket(), "querystring_auth": private}
        settings.STORAGES = {
            "default": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {**options, "location": "media"},
            }
        }
        settings.THUMBNAIL_BUCKET = s3_bucket(public=True)
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()

        def bare(page: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
            return [(url.partition("?")[0], width, height) for url, width, height in page]

        assert bare(site.page()) == bare(site.before)
        thumbnail = get_thumbnail(site.photos[0].image, "300x200", crop="center")
        assert ("?" in thumbnail.url) == private
        assert unquote(thumbnail.url_of("2x")).partition("?")[0].endswith("@2x.jpg")

    @pytest.mark.parametrize(
        ("location", "prefix"), [("cache", "cache/"), ("media", "media/cache/"), ("media", "")]
    )
    def test_in_a_folder_that_the_prefix_names_too(
        self,
        location: str,
        prefix: str,
        settings: Any,
        s3_server: S3Server,
        s3_bucket: Callable[..., str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """sorl takes the location off the names of thumbnails, as it does with those of sources."""
        options = {**s3_server.storage_options, "bucket_name": s3_bucket(), "querystring_auth": False}
        settings.STORAGES = {
            "default": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {**options, "location": location},
            }
        }
        settings.THUMBNAIL_PREFIX = prefix
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()
        assert site.page() == site.before

    def test_with_names_of_a_sites_own(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = "tests.adoption.test_adoption.SpeakingBackend"
        follow_settings(monkeypatch)
        site = Site(SpeakingBackend())
        adopt()
        assert site.page() == site.before
        assert site.page()[3][0] == "https://example.com/media/cache/tall-tree%20300x200.jpeg"

    def test_with_options_of_a_sites_own(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = "tests.adoption.test_adoption.WrappingBackend"
        follow_settings(monkeypatch)
        site = Site(WrappingBackend())
        adopt()
        assert site.page() == site.before
        assert former_of("photos/logo.svg", "10x10", {}, get_config()) is None

    @pytest.mark.parametrize(
        "changed",
        [
            {"THUMBNAIL_PRESERVE_FORMAT": True, "THUMBNAIL_FORMAT": "PNG"},
            {"THUMBNAIL_PROGRESSIVE": False, "THUMBNAIL_ORIENTATION": False, "THUMBNAIL_BLUR": 2},
        ],
    )
    def test_names_depend_on_settings_as_sorls_do(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        for name, value in changed.items():
            setattr(settings, name, value)
        follow_settings(monkeypatch)
        # Pillow refuses the filter of sorl 12.11's engine. Only the name counts here.
        monkeypatch.setattr(
            "sorl.thumbnail.engines.pil_engine.Engine.blur", lambda self, image, *args: image
        )
        photo = storages["default"].save("photos/dawn.jpg", ContentFile(picture((40, 30))))
        former = former_of(photo, "20x20", {"crop": "center"}, get_config())
        assert former
        assert former.name == ThumbnailBackend().get_thumbnail(photo, "20x20", crop="center").name

    def test_with_urls_of_this_host(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.STORAGES["default"]["OPTIONS"]["base_url"] = "/media/"
        settings.STORAGES = dict(settings.STORAGES)
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()
        assert site.page()[0][0].startswith("/media/cache/")
        assert site.page() == site.before

    def test_a_page_of_them_touches_nothing(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        adopt()
        urls = [url for url, _, _ in site.before]
        for name in ("open", "exists", "listdir", "size"):
            monkeypatch.setattr(type(storages["default"]), name, lambda *args: pytest.fail("touched"))
        rendered = [
            render(
                "{% load thumbnail %}{% thumbnail f g options=o %}", f=photo.image, g=geometry, o=options
            )
            for photo in site.photos
            for geometry, options in CALLS
        ]
        assert rendered == urls

    def test_sources_are_known_to_filters(self, kvstore: str, site: Site) -> None:
        page = "{% load thumbnail %}{{ f|is_portrait }}"
        assert render(page, f=site.photos[1].image) == "False"
        adopt()
        assert [render(page, f=photo.image) for photo in site.photos] == ["False", "True"]

    def test_alternative_resolutions_have_to_be_there(
        self, settings: Any, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [1.5, 2]
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        next(media.rglob("*@1.5x.png")).unlink()
        adopt()
        assert sorted(site.lazy()) == [False] * 5 + [True]
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        assert site.lazy() == [False] * 6


class TestWhatIsAdopted:
    def test_what_is_stored_and_known(
        self, site: Site, media: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Not what is gone, nor what others have put there, nor our own."""
        next(media.rglob("*.png")).unlink()
        (media / "cache" / "of somebody.jpg").write_bytes(b"")
        ours = media / "cache" / ("a" * 32)
        ours.mkdir()
        (ours / ("b" * 32 + ".jpg")).write_bytes(b"")
        adopt()
        assert counts(capsys) == [5, 2, 1]
        assert sorted(site.lazy()) == [False] * 5 + [True]

    def test_all_files_are_gone(self, kvstore: str, site: Site, media: Path) -> None:
        rmtree(media / "cache")
        *_, done = run_adoption(3600)
        assert (done.thumbnails, done.lost, done.unknown) == (0, 6, 0)

    @pytest.mark.parametrize(("files", "named"), [(False, "THUMBNAIL_PREFIX"), (True, "THUMBNAIL_KVSTORE")])
    def test_why_nothing_is_adopted(
        self, site: Site, media: Path, capsys: pytest.CaptureFixture[str], files: bool, named: str
    ) -> None:
        if files:
            KVStore.objects.all().delete()
        else:
            rmtree(media / "cache")
        adopt()
        assert named in capsys.readouterr().out.partition("Nothing is adopted")[2]

    def test_a_dry_run_writes_nothing(
        self, kvstore: str, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        adopt("--dry-run")
        assert counts(capsys) == [6, 2, 0]
        assert site.lazy() == [True] * 6
        assert get_shared_cache().notes.bookmark("adopt") is None

    def test_a_source_of_a_storage_that_is_gone(self, site: Site) -> None:
        key = f"sorl-thumbnail||image||{ImageFile(site.photos[0].image).key}"
        row = KVStore.objects.get(key=key)
        row.value = json.dumps({**json.loads(row.value), "storage": "a.module.that.is.Gone"})
        row.save()
        adopt()
        assert site.lazy() == [False] * 6

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "{}",
            "[]",
            "not JSON",
            '{"name": "cache/a.jpg", "size": [0, 5]}',
            '{"name": "cache/a.jpg", "size": "big"}',
            '{"name": "cache/a.jpg", "size": [1.5, 2]}',
            '{"name": null, "size": [1, 2]}',
            '{"name": "\\ud800", "size": [1, 2]}',
        ],
    )
    def test_entries_that_are_none(
        self, site: Site, value: str, media: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        KVStore.objects.filter(key__contains="||image||").update(value=value)
        adopt()
        assert site.lazy() == [True] * 6
        assert counts(capsys)[:2] == [0, 0]
        KVStore.objects.filter(key__contains="||thumbnails||").update(value=value)
        delete(site.photos[0].image)
        assert not (media / site.photos[0].image.name).exists()

    def test_an_alternative_resolution_alone_is_no_thumbnail(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        first = next(path for path in media.rglob("*.png") if "@" not in path.name)
        first.unlink()
        adopt()
        assert sorted(site.lazy()) == [False] * 5 + [True]

    def test_a_file_with_a_name_that_is_no_text(self, site: Site, media: Path) -> None:
        (media / "cache" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
        adopt()
        assert site.lazy() == [False] * 6

    def test_a_neighbour_whose_name_sorl_would_cut(
        self, site: Site, media: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        thumbnail = next(media.rglob("*.png"))
        thumbnail.with_name(f"{thumbnail.name}?v=2").write_bytes(b"x")
        adopt()
        assert counts(capsys)[2] == 1

    def test_storages_that_cannot_be_opened(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """STATIC_ROOT is not set, as in a new project, and another needs what is not there."""
        settings.STORAGES = {
            **settings.STORAGES,
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            "gone": {"BACKEND": "no.such.Storage"},
        }
        settings.STATIC_ROOT = None
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()
        assert render("{% load thumbnail %}{{ f|is_portrait }}", f=site.photos[1].image) == "True"

    def test_sources_in_several_storages(
        self, media: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """sorl tells them apart by its key, since 13.2, and so do we."""
        backend = settings.STORAGES["default"]["BACKEND"]
        settings.STORAGES = {
            **settings.STORAGES,
            "others": {"BACKEND": backend, "OPTIONS": {"location": str(tmp_path / "others")}},
        }
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        follow_settings(monkeypatch)
        storages["default"].save("a.jpg", ContentFile(picture((40, 30))))
        storages["others"].save("a.jpg", ContentFile(picture((30, 40))))
        images = [ImageFile("a.jpg", storages[alias]) for alias in ("default", "others")]
        for image in images:
            ThumbnailBackend().get_thumbnail(image, "20x20", crop="center")
        adopt()
        page = "{% load thumbnail %}{{ f|is_portrait }}"
        apart = images[0].key != images[1].key
        assert [render(page, f=image) for image in images] == ["False", str(apart)]

    def test_thumbnails_in_a_storage_of_their_own(
        self, media: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = {"location": str(tmp_path / "thumbs"), "base_url": "https://thumbs.example.com/"}
        backend = settings.STORAGES["default"]["BACKEND"]
        settings.STORAGES = {**settings.STORAGES, "thumbs": {"BACKEND": backend, "OPTIONS": options}}
        settings.THUMBNAIL_STORAGE = "thumbs"
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        follow_settings(monkeypatch)
        photo = storages["thumbs"].save("a.jpg", ContentFile(picture((40, 30))))
        before = ThumbnailBackend().get_thumbnail(photo, "20x20").url
        adopt()
        assert get_thumbnail(photo, "20x20").url == before

    @pytest.mark.makes_thumbnails
    def test_urls_stay_when_our_server_makes_the_same_thumbnail(self, site: Site) -> None:
        """It does, if the cache did not answer a page in time, and a browser asked for its lazy URLs."""
        adopt()
        geometry, options = CALLS[0]
        with eager_thumbnails():
            spec = make_spec(site.photos[0].image, geometry, options, get_config())
            _, record = get_maker()(spec)
        assert record.base is not None
        assert site.page() == site.before

    def test_records_hold_urls(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that a page asks no storage for them; unless a storage spells them in a way of its own."""
        adopt()
        monkeypatch.setattr(type(storages["default"]), "url", lambda *args: pytest.fail("asked"))
        assert site.page() == site.before
        monkeypatch.undo()

    def test_urls_that_a_storage_spells_in_its_own_way(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spelled = "https://cdn.example.com/x/{}.."
        monkeypatch.setattr(type(storages["default"]), "url", lambda self, name: spelled.format(name))
        adopt()
        assert site.page()[0][0].startswith("https://cdn.example.com/x/cache/")
        assert site.lazy() == [False] * 6

    def test_what_is_deleted_meanwhile(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        keep = RecordStore.adopt

        def late(self: RecordStore, images: Any, ttl: int) -> None:
            delete(site.photos[0].image, delete_file=False)
            keep(self, images, ttl)

        monkeypatch.setattr(RecordStore, "adopt", late)
        adopt()
        assert site.lazy() == [True] * 3 + [False] * 3

    def test_what_lacks_a_resolution_is_told(
        self, site: Site, settings: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        adopt()
        assert counts(capsys) == [6, 2, 0, 6]
        assert site.lazy() == [True] * 6

    def test_resolutions_as_sorl_spells_them(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2.0]
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()
        thumbnail = get_thumbnail(site.photos[0].image, CALLS[0][0], **CALLS[0][1])
        place = thumbnail.url_of("2.0x").removeprefix("https://example.com/media/")
        assert (media / place).exists()

    @pytest.mark.parametrize("ttl", ["0", "36501d", "soon"])
    def test_lives_that_are_none(self, site: Site, ttl: str) -> None:
        with pytest.raises(CommandError, match="--ttl"):
            adopt("--ttl", ttl)

    def test_records_live_as_long_as_sorls_own_or_as_told(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lives = []

        def set_many(self: Any, values: Any, timeout: int) -> None:
            lives.append(timeout)

        monkeypatch.setattr(type(get_shared_cache().connection.driver), "set_many", set_many)
        adopt()
        adopt("--ttl", "30d")
        assert set(lives) == {3650 * 24 * 3600, 30 * 24 * 3600}


def test_a_table_is_read_page_by_page(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shrinkmeister.adoption.kvstore.BATCH", 3)
    keys = [f"{number:03}" for number in range(10)]
    KVStore.objects.bulk_create(
        KVStore(key=f"sorl-thumbnail||{kind}||{key}", value="[]")
        for key in keys
        for kind in ("image", "thumbnails", "thumbnails-of-others")
    )
    store = get_former_store()
    pages = list(store.sources())
    assert [key for page in pages for key in page] == keys
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    store.forget(keys[:9])
    assert list(store.sources()) == [keys[9:]]
    assert KVStore.objects.count() == 12


class TestInterrupted:
    @pytest.fixture(autouse=True)
    def _small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "BATCH", 2)
        monkeypatch.setattr("shrinkmeister.adoption.kvstore.BATCH", 1)

    @pytest.mark.parametrize("batches", [1, 2, 3, 4])
    def test_it_goes_on_where_it_was_stopped(
        self,
        kvstore: str,
        site: Site,
        batches: int,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        adopted: list[int] = []
        keep = RecordStore.adopt

        def failing(self: RecordStore, images: Any, ttl: int) -> None:
            if len(adopted) == batches:
                adopted.append(0)
                raise DriverError("the cache is gone")
            adopted.append(len(images))
            keep(self, images, ttl)

        monkeypatch.setattr(RecordStore, "adopt", failing)
        with pytest.raises(CommandError, match="the cache is gone"):
            adopt()
        adopt()
        # Nothing twice, but for sources.
        assert sum(adopted) == 8 + (1 if batches == 4 else 0)
        assert counts(capsys)[:2] == [6, 2]
        assert site.lazy() == [False] * 6
        assert get_shared_cache().notes.bookmark("adopt") is None

    def test_or_begins_anew(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        bookmark = json.dumps({"of": f"{SORLS_BACKEND} default cache/", "bookmark": "cache/zz"})
        get_shared_cache().notes.set_bookmark("adopt", bookmark)
        adopt("--dry-run")  # neither takes it up nor takes it away
        adopt()
        assert site.lazy() == [True] * 6
        get_shared_cache().notes.set_bookmark("adopt", bookmark)
        adopt("--restart")
        assert site.lazy() == [False] * 6

    def test_a_dry_run_counts_all(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        bookmark = json.dumps({"of": f"{SORLS_BACKEND} default cache/", "bookmark": "cache/zz"})
        get_shared_cache().notes.set_bookmark("adopt", bookmark)
        adopt("--dry-run")
        assert counts(capsys)[0] == 6
        assert get_shared_cache().notes.bookmark("adopt") == bookmark

    @pytest.mark.parametrize(
        "bookmark",
        [
            "",
            "not JSON",
            "[]",
            '{"another": 1}',
            '{"bookmark": "cache/zz"}',
            json.dumps({"of": f"{SORLS_BACKEND} default archive/", "bookmark": "cache/zz"}),
            json.dumps({"of": f"{SORLS_BACKEND} default cache/", "bookmark": 5}),
            json.dumps({"of": f"{SORLS_BACKEND} default cache/", "thumbnails": "x"}),
        ],
    )
    def test_a_bookmark_that_is_none(self, site: Site, bookmark: str) -> None:
        get_shared_cache().notes.set_bookmark("adopt", bookmark)
        adopt()
        assert site.lazy() == [False] * 6

    def test_a_storage_that_fails(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: Any) -> Any:
            raise StorageError("could not list")

        monkeypatch.setattr(DjangoThumbnailStorage, "walk", fail)
        with pytest.raises(CommandError, match="could not list"):
            adopt()

    def test_no_more_than_a_batch_is_held(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a listing, and of the key-value store."""
        walk, ahead = DjangoThumbnailStorage.walk, [0, 0]

        def counted(self: Any, *args: Any) -> Iterator[Any]:
            for stored in walk(self, *args):
                ahead[0] += 1
                ahead[1] = max(ahead)
                yield stored

        def kept(self: Any, images: Any, ttl: int) -> None:
            ahead[0] -= len(images)

        monkeypatch.setattr(DjangoThumbnailStorage, "walk", counted)
        monkeypatch.setattr(RecordStore, "adopt", kept)
        adopt()
        assert 2 <= ahead[1] <= 3


class TestSwappingBack:
    def test_nothing_is_lost(self, kvstore: str, site: Site, media: Path) -> None:
        files = {path: path.read_bytes() for path in media.rglob("*") if path.is_file()}
        adopt()
        site.page()
        assert {path: path.read_bytes() for path in media.rglob("*") if path.is_file()} == files

        def refuse(*args: Any) -> Any:
            pytest.fail("made again")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(default.engine._wrapped), "get_image", refuse)
            assert site.page(ThumbnailBackend().get_thumbnail) == site.before

    def test_deleting_takes_all_that_sorl_had(
        self, kvstore: str, site: Site, media: Path, settings: Any
    ) -> None:
        adopt()
        delete(site.photos[0].image)
        assert site.lazy() == [True] * 3 + [False] * 3
        assert len([path for path in media.rglob("*") if path.is_file()]) == 4
        delete(site.photos[1].image, delete_file=False)
        assert [path.name for path in media.rglob("*") if path.is_file()] == ["tall tree.jpg"]
        assert list(get_former_store().sources()) == []
        assert render("{% load thumbnail %}{{ f|is_portrait }}", f=site.photos[1].image) == "False"

    def test_deleting_while_the_cache_is_down(
        self,
        kvstore: str,
        site: Site,
        media: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Nobody is to have thumbnails of a deleted source; the logged command deletes their records."""
        adopt()

        def fail(*args: Any) -> None:
            raise DriverError("down")

        with monkeypatch.context() as down:
            down.setattr(Coordination, "mark_change", fail)
            delete(site.photos[0].image)
        assert len([path for path in media.rglob("*") if path.is_file()]) == 4
        given = f"storage://default/{site.photos[0].image.name}"
        assert f"prune --source '{given}'" in caplog.text
        call_command("shrinkmeister", "prune", "--source", given)
        assert site.lazy() == [True] * 3 + [False] * 3
        assert default.kvstore.get(ImageFile(site.photos[0].image)) is None

    def test_deleting_while_sorls_store_is_down_too(
        self, site: Site, media: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As where both are in one Redis: the row of a table can be deleted all the same."""
        adopt()

        def fail(*args: Any) -> None:
            raise DriverError("down")

        def fail_raw(*args: Any) -> None:
            raise ConnectionError("the store's own")

        with monkeypatch.context() as down:
            down.setattr(Coordination, "mark_change", fail)
            down.setattr(type(get_former_store()), "thumbnails", fail_raw)
            delete(site.photos[0].image)
        assert not (media / site.photos[0].image.name).exists()
        assert "the store's own" in caplog.text
        call_command("shrinkmeister", "prune", "--source", f"storage://default/{site.photos[0].image.name}")
        assert len([path for path in media.rglob("*") if path.is_file()]) == 4

    @pytest.mark.parametrize("folder", ["", "media"])
    def test_pruning_those_of_one_source(
        self,
        folder: str,
        s3_server: S3Server,
        s3_bucket: Callable[..., str],
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        options = {
            **s3_server.storage_options,
            "bucket_name": s3_bucket(public=True),
            "querystring_auth": False,
            "location": folder,
        }
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()
        source = make_spec(site.photos[1].image, "1", {}, get_config()).source
        call_command("shrinkmeister", "prune", "--source", str(source), "--dry-run")
        assert site.lazy() == [False] * 6
        call_command("shrinkmeister", "prune", "--source", str(source))
        assert site.lazy() == [False] * 3 + [True] * 3
        stored = [one.name for one in get_former_storage().walk("cache/")]
        assert len(stored) == 3

    def test_deleting_a_source_by_url(self, site: Site, settings: Any, media: Path) -> None:
        """sorl's thumbnails of it go, whether or not the server may read that host now."""
        url = "https://images.example.com/a.jpg"
        image = ImageFile(url)
        name = storages["default"].save("cache/of-url.jpg", ContentFile(picture((20, 20))))
        thumbnail = ImageFile(name, storages["default"])
        image.set_size((40, 40))
        thumbnail.set_size((20, 20))
        default.kvstore.set(image)
        default.kvstore.set(thumbnail, image)
        settings.THUMBNAIL_SOURCES = ["https://images.example.com"]
        delete(url)
        assert not (media / name).exists()
        assert default.kvstore.get(thumbnail) is None

    def test_deleting_takes_alternative_resolutions(
        self, settings: Any, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        follow_settings(monkeypatch)
        site = Site(ThumbnailBackend())
        adopt()
        for photo in site.photos:
            delete(photo.image)
        assert [path.name for path in media.rglob("*") if path.is_file()] == []

    @pytest.mark.parametrize("delete_file", [True, False])
    def test_deleting_one_thumbnail(self, kvstore: str, site: Site, media: Path, delete_file: bool) -> None:
        adopt()
        geometry, options = CALLS[0]
        thumbnail = get_thumbnail(site.photos[0].image, geometry, **options)
        delete(thumbnail, delete_file)
        assert site.lazy() == [True] + [False] * 5
        assert (media / thumbnail.object_name).exists() is not delete_file
        assert default.kvstore.get(ImageFile(thumbnail.object_name, storages["default"])) is None

    def test_without_adoption_sorls_thumbnails_are_left_alone(
        self, site: Site, media: Path, settings: Any
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = None
        delete(site.photos[0].image)
        assert len(list(media.rglob("*.png"))) == 2


class TestSettings:
    def test_a_backend_that_would_make_thumbnails_is_refused(self, settings: Any) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = "tests.adoption.test_adoption.CopyingBackend"
        with pytest.raises(SettingError, match="E016"):
            former_of("photos/dawn.jpg", "10x10", {}, get_config())

    def test_adopting_needs_to_be_told_whose(self, site: Site, settings: Any) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = None
        with pytest.raises(CommandError, match="E016"):
            adopt()

    @pytest.mark.parametrize(
        "path",
        ["no.such.Backend", "shrinkmeister.backend.ShrinkmeisterBackend", "tests.support.pages.NAME"],
    )
    def test_a_backend_that_is_none(self, site: Site, settings: Any, path: str) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = path
        with pytest.raises(CommandError, match=path):
            adopt()

    def test_a_store_that_cannot_be_read(
        self, site: Site, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.dbm_kvstore.KVStore"
        settings.THUMBNAIL_DBM_FILE = str(tmp_path / "store")
        follow_settings(monkeypatch)
        with pytest.raises(CommandError, match="E019"):
            adopt()


def test_a_format_that_the_former_sorl_does_not_make(
    media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AVIF, before sorl 13.1: nothing was made of it, and a page asks for it all the same."""
    settings.THUMBNAIL_ADOPTED_BACKEND = SORLS_BACKEND
    known = {name: extension for name, extension in EXTENSIONS.items() if name != "AVIF"}
    for module in ("sorl.thumbnail.base", "shrinkmeister.adoption.former"):
        monkeypatch.setattr(f"{module}.EXTENSIONS", known)
    assert get_thumbnail("photos/dawn.jpg", "300", format="AVIF").lazy
    settings.THUMBNAIL_FORMAT = "AVIF"
    assert get_thumbnail("photos/dawn.jpg", "300").lazy

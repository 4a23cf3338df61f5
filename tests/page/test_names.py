"""The name of a thumbnail names a file that is there, or is an error: code that keeps it loses nothing."""

import json
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import call_command
from django.db import transaction
from sorl.thumbnail import default, delete, get_thumbnail
from sorl.thumbnail.helpers import ThumbnailError

from shrinkmeister import eager
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import NotStoredError, SourceMissingError
from shrinkmeister.storage.buckets import S3_BACKEND
from shrinkmeister.thumbnails.files import Origin
from shrinkmeister.thumbnails.thumbnail import Thumbnail
from shrinkmeister_server import pipeline
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import running_thumbnail_server
from tests.site.models import Album, Photo
from tests.support.pages import Untouchable, lazy, record, render
from tests.support.pictures import picture, size_of
from tests.support.sides import Server
from tests.support.sorls import Sorl, follow_settings

pytestmark = pytest.mark.makes_thumbnails


def read(name: str) -> bytes:
    with storages["default"].open(name) as file:
        return bytes(file.read())


def new_photo(name: str = "photos/dawn.jpg") -> Photo:
    return Photo.objects.create(image=storages["default"].save(name, ContentFile(picture((400, 300)))))


def shrink(photo: Photo) -> None:
    """What sites do that keep no originals."""
    storage, old = photo.image.storage, photo.image.name
    photo.image = get_thumbnail(photo.image, "200").name
    photo.save()
    storage.delete(old)


def no_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "MAKER", "no_such_package.make")


@pytest.mark.django_db(transaction=True)
class TestOriginals:
    """An original that is replaced by its thumbnail: the file is there, or nothing was lost."""

    def test_a_lazy_thumbnail_is_made(self, media: Path) -> None:
        photo = new_photo()
        old = photo.image.path
        photo.image = get_thumbnail(photo.image, "200").name
        photo.save()
        os.remove(old)
        assert size_of(read(Photo.objects.get().image.name)) == (200, 150)

    def test_a_recorded_thumbnail(self, media: Path, server: Server) -> None:
        photo = new_photo()
        assert server.get(lazy(photo.image.name, "200").url).status_code == 302
        shrink(photo)
        assert size_of(read(Photo.objects.get().image.name)) == (200, 150)

    def test_a_recorded_thumbnail_that_is_lost_is_made_again(self, media: Path, server: Server) -> None:
        photo = new_photo()
        assert server.get(lazy(photo.image.name, "200").url).status_code == 302
        (lost,) = (media / "cache").rglob("*.jpg")
        lost.unlink()
        assert not lazy(photo.image.name, "200").lazy
        shrink(photo)
        assert size_of(read(Photo.objects.get().image.name)) == (200, 150)

    def test_in_the_eager_mode(self, media: Path) -> None:
        photo = new_photo()
        with eager_thumbnails():
            shrink(photo)
        assert size_of(read(Photo.objects.get().image.name)) == (200, 150)

    @pytest.mark.parametrize("recorded", [True, False])
    def test_what_cannot_be_made_loses_nothing(self, media: Path, recorded: bool) -> None:
        name = storages["default"].save("photos/broken.jpg", ContentFile(b"no image"))
        photo = Photo.objects.create(image=name)
        if recorded:
            record(name, "200")
        with pytest.raises(NotStoredError):
            shrink(photo)
        assert read(Photo.objects.get().image.name) == b"no image"

    @pytest.mark.parametrize("prefix", ["cache/", "media/cache/"])
    def test_a_bucket_with_originals_and_thumbnails(
        self, settings: Any, s3_server: S3Server, s3_bucket: Callable[..., str], prefix: str
    ) -> None:
        bucket = s3_bucket()
        options = {**s3_server.storage_options, "bucket_name": bucket, "querystring_auth": True}
        settings.STORAGES = {"default": {"BACKEND": S3_BACKEND, "OPTIONS": options}}
        settings.THUMBNAIL_PREFIX = prefix
        for name, thumbnails in (("photos/a.jpg", None), ("photos/b.jpg", bucket)):
            settings.THUMBNAIL_BUCKET = thumbnails
            photo = Photo(image=storages["default"].save(name, ContentFile(picture((400, 300)))))
            old = photo.image.name
            photo.image = get_thumbnail(photo.image, "200").name
            storages["default"].delete(old)
            assert photo.image.name.startswith(prefix)
            assert size_of(read(photo.image.name)) == (200, 150)

    @pytest.mark.parametrize("kind", ["another bucket", "another folder", "a folder on disk"])
    def test_thumbnails_that_are_elsewhere_have_no_name(
        self, settings: Any, media: Path, s3_server: S3Server, s3_bucket: Callable[..., str], kind: str
    ) -> None:
        bucket = s3_bucket()
        settings.THUMBNAIL_BUCKET = s3_bucket() if kind == "another bucket" else bucket
        if kind != "a folder on disk":
            options = {**s3_server.storage_options, "bucket_name": bucket, "querystring_auth": True}
            if kind == "another folder":
                options["location"] = "media"
            settings.STORAGES = {
                "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
            }
        name = storages["default"].save("photos/a.jpg", ContentFile(picture((400, 300))))
        recorded = record(name, "100")
        assert get_thumbnail(name, "100").url == recorded
        for geometry in ("100", "200"):
            with pytest.raises(NotStoredError, match="THUMBNAIL_BUCKET"):
                _ = get_thumbnail(name, geometry).name
        assert size_of(read(name)) == (400, 300)
        objects = s3_server.client().list_objects_v2(Bucket=settings.THUMBNAIL_BUCKET).get("Contents", [])
        assert [one["Key"] for one in objects if "cache/" in one["Key"]] == []

    def test_adopted_thumbnails(self, media: Path, sorl: Sorl, settings: Any) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        photo = new_photo()
        sorls = sorl.get(photo.image, "200").name
        call_command("shrinkmeister", "adopt", verbosity=0)
        adopted = get_thumbnail(photo.image, "200")
        assert (adopted.lazy, adopted.name) == (False, sorls)
        (media / sorls).unlink()
        with pytest.raises(NotStoredError):
            _ = adopted.name

    @pytest.mark.parametrize("adopted", [True, False])
    def test_what_a_storage_raises_shows_no_password(
        self, media: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, adopted: bool
    ) -> None:
        thumbnail = get_thumbnail(storages["default"].save("photos/a.jpg", ContentFile(b"x")), "200")
        settings.AWS_S3_ENDPOINT_URL = "https://site:swordfish-42@s3.example.com"

        def exists(name: str) -> bool:
            raise OSError("no route to https://site:swordfish-42@s3.example.com")

        monkeypatch.setattr(storages["default"], "exists", exists)
        with pytest.raises(NotStoredError) as refused:
            _ = Origin("photos/a.jpg").stored(in_site_storage=True) if adopted else thumbnail.name
        assert "swordfish-42" not in "".join(traceback.format_exception(refused.value))
        assert "OSError" in str(refused.value)


class TestServer:
    """Where nothing that makes thumbnails is installed, the thumbnail server is asked."""

    @pytest.fixture
    def _running(
        self,
        media: Path,
        settings: Any,
        tmp_path: Path,
        redis_location: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        variables = {
            "THUMBNAIL_SECRET_KEY": settings.THUMBNAIL_SECRET_KEY,
            "THUMBNAIL_CACHE_LOCATION": redis_location,
            "STORAGES": json.dumps(settings.STORAGES),
        }
        settings.THUMBNAIL_CACHE_BACKEND = "redis"
        settings.THUMBNAIL_CACHE_NAME = None
        settings.CACHES = {"default": settings.CACHES["default"]}
        settings.THUMBNAIL_CACHE_LOCATION = redis_location
        no_maker(monkeypatch)
        with running_thumbnail_server(tmp_path, variables) as server:
            settings.THUMBNAIL_SERVER_URL = server.url
            yield

    @pytest.mark.usefixtures("_running")
    def test_it_makes_a_thumbnail(self, media: Path, photo: str) -> None:
        assert size_of(read(get_thumbnail(photo, "200").name)) == (200, 150)
        # Of another version the server has seen no size.
        lazy_one = get_thumbnail(photo, "100", version=2)
        assert lazy_one.certain_size is None
        assert (size_of(lazy_one.read()), lazy_one.size) == ((100, 75), [100, 75])
        # And one that is recorded and lost, though the record says that it is stored.
        recorded = get_thumbnail(photo, "200")
        assert not recorded.lazy
        (media / recorded.object_name).unlink()
        assert size_of(read(recorded.name)) == (200, 150)

    @pytest.mark.usefixtures("_running")
    def test_what_it_refuses_is_an_error(self, media: Path) -> None:
        with pytest.raises(NotStoredError, match="404"):
            _ = get_thumbnail("photos/gone.jpg", "200").name

    @pytest.mark.usefixtures("_running")
    def test_what_it_stores_elsewhere_is_an_error(self, photo: str, settings: Any, tmp_path: Path) -> None:
        options = {"location": str(tmp_path / "copy"), "base_url": "https://example.com/media/"}
        settings.STORAGES = {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
        }
        with pytest.raises(NotStoredError, match="elsewhere"):
            _ = get_thumbnail(photo, "200").name

    @pytest.mark.outside
    def test_one_that_cannot_be_reached_is_an_error(
        self, photo: str, settings: Any, monkeypatch: pytest.MonkeyPatch, unused_tcp_url: str
    ) -> None:
        no_maker(monkeypatch)
        settings.THUMBNAIL_SERVER_URL = unused_tcp_url
        with pytest.raises(NotStoredError) as raised:
            _ = get_thumbnail(photo, "200").name
        assert raised.value.__cause__ is not None


@pytest.fixture
def unused_tcp_url() -> str:
    """An address at which nothing listens: of no port at all."""
    return "http://127.0.0.1:0"


class TestErrors:
    @pytest.mark.outside
    def test_code_that_was_written_for_sorl_catches_them(self, media: Path) -> None:
        with pytest.raises(ThumbnailError) as raised:
            _ = lazy("photos/gone.jpg").name
        assert isinstance(raised.value, NotStoredError)
        assert isinstance(raised.value.__cause__, SourceMissingError)

    def test_text_is_the_name_as_sorls(self, media: Path, photo: str) -> None:
        thumbnail = lazy(photo)
        assert str(thumbnail) == thumbnail.name == thumbnail.object_name
        assert (media / str(thumbnail)).is_file()
        with pytest.raises(NotStoredError):
            str(lazy("photos/gone.jpg"))

    def test_placeholders_and_images_of_other_hosts_have_none(self, settings: Any) -> None:
        settings.THUMBNAIL_DEBUG = False
        elsewhere = get_thumbnail("https://unlisted-4.example.com/a.jpg", "300")
        settings.THUMBNAIL_DUMMY = True
        for thumbnail in (elsewhere, get_thumbnail("a.jpg", "300")):
            with pytest.raises(NotStoredError):
                _ = thumbnail.name

    def test_an_error_of_a_storage_is_no_missing_attribute(
        self, photo: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any) -> None:
            raise AttributeError("the library's own")

        monkeypatch.setattr(FileSystemStorage, "exists", fail)
        with pytest.raises(NotStoredError):
            hasattr(lazy(photo), "name")


@pytest.mark.usefixtures("untouchable")
def test_nothing_is_made_where_no_name_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing, hashing, printing for developers, pickling, and what pages show."""
    monkeypatch.setattr(pipeline, "make_for_site", Untouchable())
    thumbnail = lazy(geometry="300x200", crop="center")
    assert thumbnail == lazy(geometry="300x200", crop="center")
    assert hash(thumbnail) == hash(lazy(geometry="300x200", crop="center"))
    assert thumbnail.object_name in repr(thumbnail)
    assert pickle.loads(pickle.dumps(thumbnail)) == thumbnail
    shown = "{{ im.url }} {{ im.src }} {{ im.width }} {{ im.size.0 }} {{ im.exists }} {{ im.is_portrait }}"
    assert render(shown, im=thumbnail).endswith("300 300 True False")
    assert render("{{ im.size }}{{ im.ratio }}", im=lazy()) == ""
    assert render("{{ im.delete }}{{ im.write }}", im=thumbnail) == ""


def test_a_pickled_thumbnail_knows_its_name(media: Path, photo: str) -> None:
    thumbnail: Thumbnail = pickle.loads(pickle.dumps(lazy(photo)))
    assert (media / thumbnail.name).is_file()


def test_a_page_that_prints_a_name_makes_the_thumbnail(media: Path, photo: str, settings: Any) -> None:
    page = '{% load thumbnail %}{% thumbnail f "200" as im %}{{ im.name }}{% empty %}none{% endthumbnail %}'
    assert (media / render(page, f=photo)).is_file()
    settings.THUMBNAIL_DEBUG = False
    assert render(page, f="photos/gone.jpg") == "none"


def test_a_name_is_looked_for_before_anything_is_made(
    media: Path, photo: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of a stored thumbnail may be lost."""
    server.get(lazy(photo).url)
    caches["shrinkmeister"].clear()
    assert lazy(photo).lazy
    monkeypatch.setattr(eager, "MAKER", "tests.page.test_names.refuse")
    assert (media / lazy(photo).name).is_file()


def refuse(spec: Any) -> None:
    raise AssertionError("made again")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("connected_cleanup")
class TestCleanup:
    """THUMBNAIL_CLEANUP deletes the thumbnails of a file, but for those that the instance now names."""

    def test_what_replaces_the_original_stays(self, media: Path, server: Server, settings: Any) -> None:
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
        photo = new_photo()
        former = photo.image.name
        assert server.get(lazy(former, "100").url).status_code == 302
        other = lazy(former, "100").object_name
        shrink(photo)
        assert size_of(read(photo.image.name)) == (200, 150)
        assert not storages["default"].exists(other)
        assert lazy(former, "100").lazy
        # The server finds what is stored, and takes its alternative resolutions for stored too.
        assert size_of(read(photo.image.name.replace(".jpg", "@2x.jpg"))) == (400, 300)

    def test_a_transaction_of_several_saves(self, media: Path) -> None:
        photo = new_photo()
        former = photo.image.name
        with transaction.atomic():
            photo.image = ContentFile(picture((90, 60)), "dusk.jpg")
            photo.save()
            again = Photo.objects.get()
            again.image = get_thumbnail(former, "200").name
            again.save()
            photo.image = "photos/not saved.jpg"
        assert size_of(read(Photo.objects.get().image.name)) == (200, 150)

    def test_a_thumbnail_in_another_field(self, media: Path) -> None:
        name = storages["default"].save("photos/dawn.jpg", ContentFile(picture((400, 300))))
        cover = get_thumbnail(name, "200").name
        album = Album.objects.create(image=name, cover=cover)
        album.image = storages["default"].save("photos/dusk.jpg", ContentFile(picture((400, 300))))
        album.save()
        assert Album.objects.get().cover.name == cover
        assert size_of(read(cover)) == (200, 150)

    def test_an_adopted_thumbnail(
        self, media: Path, sorl: Sorl, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        follow_settings(monkeypatch)
        photo = new_photo()
        kept, other = (str(sorl.get(photo.image, geometry).name) for geometry in ("200", "100"))
        photo.image = kept
        photo.save()
        assert size_of(read(kept)) == (200, 150)
        assert not storages["default"].exists(other)


def test_sorls_delete_takes_it_with_both_backends(
    media: Path, sorl: Sorl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/how-to/swap-a-site.md says: what is to stay is a copy."""
    for backend in (default.backend._wrapped or default.backend, sorl.backend):
        monkeypatch.setattr(default.backend, "_wrapped", backend)
        old = storages["default"].save("photos/a.jpg", ContentFile(picture((400, 300))))
        name = get_thumbnail(old, "200").name
        with storages["default"].open(name) as file:
            copy = storages["default"].save("photos/a-200.jpg", file)
        delete(old)
        assert not storages["default"].exists(name)
        assert size_of(read(copy)) == (200, 150)

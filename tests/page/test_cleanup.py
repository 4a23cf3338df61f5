"""THUMBNAIL_CLEANUP: the thumbnails of replaced and deleted files go, after the commit; the files stay."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save
from django.db.models.sql import DeleteQuery
from django.test.utils import CaptureQueriesContext

from shrinkmeister import cleanup, deletion
from shrinkmeister.exceptions import StorageError
from tests.site.models import Album, Photo, Portrait
from tests.support.pages import lazy
from tests.support.pictures import picture
from tests.support.sides import Server

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("connected_cleanup"),
]


class OverwritingStorage(FileSystemStorage):
    """Keeps one file of a name, as S3 does."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        self.delete(name)
        return name


def upload(name: str = "dawn.jpg") -> Any:
    return ContentFile(picture((400, 300)), name)


@pytest.fixture
def saved(media: Path, server: Server) -> Photo:
    """A photo that has a thumbnail."""
    photo = Photo.objects.create(image=upload())
    make(server, photo.image.name)
    return photo


def make(server: Server, name: str) -> None:
    assert server.get(lazy(name).url).status_code == 302
    assert not lazy(name).lazy


def test_replacing_a_file(saved: Photo, media: Path) -> None:
    former = saved.image.name
    saved.image = upload("dusk.jpg")
    saved.save()
    assert lazy(former).lazy
    assert [path for path in (media / "cache").rglob("*") if path.is_file()] == []
    assert (media / former).exists()  # Django leaves files, and so do we


def test_replacing_it_by_another_that_is_stored(saved: Photo) -> None:
    former = saved.image.name
    saved.image = storages["default"].save("photos/other.jpg", upload())
    saved.save()
    assert lazy(former).lazy


def test_taking_it_away(saved: Photo) -> None:
    former = saved.image.name
    saved.image = ""
    saved.save()
    assert lazy(former).lazy


def test_deleting_an_instance(saved: Photo, media: Path) -> None:
    saved.delete()
    assert lazy(saved.image.name).lazy
    assert (media / saved.image.name).exists()


def test_deleting_by_a_queryset(saved: Photo) -> None:
    Photo.objects.all().delete()
    assert lazy(saved.image.name).lazy


def test_saving_something_else(saved: Photo) -> None:
    saved.save()
    saved.title = "Dawn"
    saved.save(update_fields=["title"])
    Photo.objects.get().save()
    Photo.objects.only("title").get().save()
    assert not lazy(saved.image.name).lazy


def test_a_file_that_is_not_saved_yet(saved: Photo) -> None:
    former = saved.image.name
    saved.image = upload("dusk.jpg")
    saved.title = "Dusk"
    saved.save(update_fields=["title"])
    assert not lazy(former).lazy


def test_an_upload_under_the_same_name(
    saved: Photo, settings: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STORAGES = {
        "default": {
            "BACKEND": "tests.page.test_cleanup.OverwritingStorage",
            "OPTIONS": settings.STORAGES["default"]["OPTIONS"],
        }
    }
    monkeypatch.setattr(saved.image.field, "storage", storages["default"])
    saved = Photo.objects.get()
    former = saved.image.name
    saved.image = upload(Path(former).name)
    saved.save()
    assert saved.image.name == former
    assert lazy(former).lazy


def test_an_upload_under_a_name_that_was_free_again(saved: Photo, server: Server, media: Path) -> None:
    """Whose thumbnails somebody has forgotten."""
    name = saved.image.name
    Photo.objects.filter(pk=saved.pk).update(image="")
    (media / name).unlink()
    assert not lazy(name).lazy
    again = Photo.objects.create(image=upload())
    assert again.image.name == name
    assert lazy(name).lazy


@pytest.mark.parametrize("save", [True, False])
def test_a_field_that_saves_its_file_itself(
    saved: Photo, settings: Any, monkeypatch: pytest.MonkeyPatch, save: bool
) -> None:
    """Under the same name, in a storage that overwrites: nothing else has changed."""
    settings.STORAGES = {
        "default": {
            "BACKEND": "tests.page.test_cleanup.OverwritingStorage",
            "OPTIONS": settings.STORAGES["default"]["OPTIONS"],
        }
    }
    monkeypatch.setattr(saved.image.field, "storage", storages["default"])
    photo = Photo.objects.get()
    name = photo.image.name
    photo.image.save(Path(name).name, upload(), save=save)
    assert photo.image.name == name
    if not save:
        assert not lazy(name).lazy
        photo.save()
    assert lazy(name).lazy
    make_again = pickle.loads(pickle.dumps(photo))
    assert make_again.image.name == name


def test_a_new_instance_whose_field_saves_its_file_itself(saved: Photo, media: Path) -> None:
    name = saved.image.name
    (media / name).unlink()
    Photo().image.save("dawn.jpg", upload())
    assert [photo.image.name for photo in Photo.objects.all()] == [name, name]
    assert lazy(name).lazy


@pytest.mark.parametrize("deferred", [{"only": ["title"]}, {"defer": ["image"]}])
def test_deleting_what_was_not_loaded(saved: Photo, deferred: dict[str, list[str]]) -> None:
    ((method, fields),) = deferred.items()
    getattr(Photo.objects, method)(*fields).get().delete()
    assert lazy(saved.image.name).lazy


def test_deleting_what_was_changed_and_not_saved(saved: Photo) -> None:
    name = saved.image.name
    saved.image = "photos/other.jpg"
    saved.delete()
    assert lazy(name).lazy


def test_a_save_within_a_save(saved: Photo) -> None:
    """A receiver of the site's own, which comes before ours."""
    receivers = post_save.receivers
    post_save.receivers = []

    def again(instance: Photo, **kwargs: Any) -> None:
        if instance.title != "again":
            instance.title = "again"
            instance.save()

    post_save.connect(again, sender=Photo)
    post_save.receivers += receivers
    post_save.sender_receivers_cache.clear()
    try:
        former = saved.image.name
        saved.image = storages["default"].save("photos/other.jpg", upload())
        saved.save()
        assert saved.title == "again"
        assert lazy(former).lazy
    finally:
        post_save.disconnect(again, sender=Photo)


def test_a_save_that_fails_loses_nothing(
    saved: Photo, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = saved.image.name
    saved.image = storages["default"].save("photos/other.jpg", upload())
    with monkeypatch.context() as patch:
        patch.setattr(Photo, "_save_table", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            saved.save()
    assert not lazy(former).lazy
    saved.save()
    assert lazy(former).lazy


def test_saves_that_fail_leave_no_more_than_the_next_one_needs(
    saved: Photo, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = dict(vars(saved))
    saved.image = storages["default"].save("photos/other.jpg", upload())
    with monkeypatch.context() as patch:
        patch.setattr(Photo, "_save_table", lambda *args, **kwargs: 1 / 0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                saved.save()
    assert vars(saved)[cleanup.BEFORE] == {"image": {untouched["image"].name}}
    saved.save()
    assert vars(saved).keys() == untouched.keys()


def test_a_save_that_fails_within_a_save(
    saved: Photo, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver of the site's own that catches the error."""
    former = saved.image.name

    def again(instance: Photo, **kwargs: Any) -> None:
        if instance.title != "again":
            instance.title = "again"
            with monkeypatch.context() as patch:
                patch.setattr(Photo, "_save_table", lambda *args, **kwargs: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    instance.save(update_fields=["title"])

    pre_save.connect(again, sender=Photo)
    try:
        saved.image = storages["default"].save("photos/other.jpg", upload())
        saved.save()
    finally:
        pre_save.disconnect(again, sender=Photo)
    assert saved.title == "again"
    assert lazy(former).lazy
    assert cleanup.BEFORE not in vars(saved)


def test_a_deletion_that_fails(saved: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    former = saved.image.name
    with monkeypatch.context() as patch:
        patch.setattr(DeleteQuery, "delete_batch", lambda *args: 1 / 0)
        with transaction.atomic(), pytest.raises(ZeroDivisionError):
            saved.delete()
    saved.save()
    assert not lazy(former).lazy
    saved.delete()
    assert lazy(former).lazy
    assert cleanup.BEFORE not in vars(saved)


def test_receivers_of_a_site_keep_their_names(saved: Photo) -> None:
    """Django connects no second receiver under a dispatch_uid that a signal has already."""
    seen = []

    def after_save(instance: Photo, **kwargs: Any) -> None:
        seen.append(instance)

    name = cleanup._after_save.__qualname__
    post_save.connect(after_save, sender=Photo, dispatch_uid=name)
    try:
        former = saved.image.name
        saved.image = upload("dusk.jpg")
        saved.save()
    finally:
        post_save.disconnect(sender=Photo, dispatch_uid=name)
    assert seen == [saved]
    assert lazy(former).lazy


def test_another_database(media: Path, server: Server) -> None:
    photo = Photo.objects.using("other").create(image=upload())
    Photo.objects.create(pk=photo.pk, image="photos/of-the-first.jpg")
    former = photo.image.name
    make(server, former)
    with transaction.atomic(using="other"):
        photo.image = upload("dusk.jpg")
        photo.save()
        assert not lazy(former).lazy
    assert lazy(former).lazy


def test_rows_that_a_manager_hides_and_keys_that_are_made_before(media: Path, server: Server) -> None:
    with CaptureQueriesContext(connection) as queries:
        portrait = Portrait.objects.create(image=upload())
    assert not any(query["sql"].startswith("SELECT") for query in queries)
    former = str(portrait.image)
    make(server, former)
    portrait.image = upload("dusk.jpg")
    portrait.save()
    assert lazy(former).lazy


def test_a_storage_that_has_no_name(
    saved: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No page can have a thumbnail of what lies there."""
    monkeypatch.setattr(saved.image.field, "storage", FileSystemStorage(tmp_path / "elsewhere"))
    Photo.objects.create(image=upload())
    assert caplog.records == []


def test_it_happens_after_the_commit_or_not_at_all(saved: Photo) -> None:
    name = saved.image.name
    with transaction.atomic():
        saved.delete()
        transaction.set_rollback(True)
    assert not lazy(name).lazy
    with transaction.atomic():
        Photo.objects.get().delete()
        assert not lazy(name).lazy
    assert lazy(name).lazy


def test_a_failure_is_logged_and_the_instance_is_saved(
    saved: Photo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise StorageError("could not list")

    monkeypatch.setattr(deletion, "get_thumbnail_storage", fail)
    saved.image = upload("dusk.jpg")
    saved.save()
    assert Photo.objects.get().image.name == "photos/dusk.jpg"
    assert "could not list" in caplog.text


def test_inherited_fields(media: Path, server: Server) -> None:
    album = Album.objects.create(image=upload(), cover=upload("cover.jpg"))
    names = (str(album.image), str(album.cover))
    for name in names:
        make(server, name)
    album.cover = upload("other.jpg")
    album.save()
    assert (lazy(names[0]).lazy, lazy(names[1]).lazy) == (False, True)
    album.delete()
    assert lazy(names[0]).lazy


def test_fixtures_are_loaded_as_they_are(saved: Photo) -> None:
    Photo(pk=saved.pk, image="photos/other.jpg").save_base(raw=True)
    assert not lazy(saved.image.name).lazy


def test_an_instance_that_is_not_in_the_table(media: Path) -> None:
    Photo(pk=12345, image="photos/other.jpg").save()
    assert Photo.objects.get().pk == 12345


@pytest.mark.outside
@pytest.mark.parametrize("wanted", [True, False])
def test_it_is_a_setting(wanted: bool) -> None:
    script = f"""
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.site.settings"
from django.conf import settings
settings.THUMBNAIL_CLEANUP = {wanted}
import django
django.setup()
from django.contrib.auth.models import User
from django.db.models.signals import post_delete
from tests.site.models import Photo
print(post_delete.has_listeners(Photo), post_delete.has_listeners(User))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(wanted), "False"]

"""THUMBNAIL_CLEANUP: the thumbnails of replaced and deleted files go, after the commit; the files stay."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save

from shrinkmeister import backend, cleanup
from shrinkmeister.exceptions import StorageError
from tests.pages import lazy
from tests.pictures import picture
from tests.sides import Server
from tests.site.models import Album, Photo

pytestmark = pytest.mark.django_db(transaction=True)


class OverwritingStorage(FileSystemStorage):
    """Keeps one file of a name, as S3 does."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        self.delete(name)
        return name


@pytest.fixture(autouse=True)
def _connected() -> Iterator[None]:
    cleanup.connect()
    yield
    for model in (Photo, Album):
        for signal, receiver in (
            (pre_save, cleanup._before_save),
            (post_save, cleanup._after_save),
            (post_delete, cleanup._after_delete),
        ):
            signal.disconnect(sender=model, dispatch_uid=receiver.__qualname__)


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
            "BACKEND": "tests.test_cleanup.OverwritingStorage",
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

    monkeypatch.setattr(backend, "get_results", fail)
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

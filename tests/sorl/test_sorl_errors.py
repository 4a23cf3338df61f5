"""Errors at sorl's own interface: code that was written for sorl catches all of them."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db.models.signals import pre_delete
from sorl.thumbnail import delete, get_thumbnail
from sorl.thumbnail.helpers import ThumbnailError
from sorl.thumbnail.parsers import ThumbnailParseError

from shrinkmeister import exceptions
from shrinkmeister.conf import SettingError
from shrinkmeister.drivers.base import CacheSettingError
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.exceptions import DriverError, HostNotListedError, ShrinkmeisterError
from shrinkmeister.prefetch import prefetch_thumbnails
from shrinkmeister.sorl_errors import as_sorls, sorl_kind
from tests.site.models import Photo
from tests.support.pages import lazy, render
from tests.support.pictures import picture
from tests.support.sorls import Sorl

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.usefixtures("media")]

LOAD = "{% load thumbnail %}"


def unnamed(folder: Path) -> Photo:
    """An image in a storage that STORAGES does not name."""
    photo = Photo(image="a.jpg")
    photo.image.storage = FileSystemStorage(folder)
    return photo


# What is called, the code of ours, and the class of sorl's.
CALLS: dict[str, tuple[Callable[[Path], Any], str, type[Exception]]] = {
    "no file": (lambda _: get_thumbnail(None, "300"), "empty-file", ValueError),
    "an empty field": (lambda _: get_thumbnail(Photo().image, "300"), "empty-file", ThumbnailError),
    "deleting an empty field": (lambda _: delete(Photo().image), "empty-file", ThumbnailError),
    "deleting nothing": (lambda _: delete(None), "empty-file", ThumbnailError),
    "a geometry": (lambda _: get_thumbnail("a.jpg", "wide"), "spec", ThumbnailParseError),
    "a format": (lambda _: get_thumbnail("a.jpg", "300", format="BMP"), "spec", ThumbnailError),
    "an option": (lambda _: get_thumbnail("a.jpg", "300", x=object()), "spec", ThumbnailError),
    "a thumbnail": (lambda _: get_thumbnail(lazy(), "300"), "spec", ThumbnailError),
    "a name": (lambda _: delete("../a.jpg\0"), "spec", ThumbnailError),
    "a storage": (
        lambda folder: get_thumbnail(unnamed(folder).image, "300"),
        "source-not-allowed",
        ThumbnailError,
    ),
    "a host": (lambda _: get_thumbnail("https://a.example.com/a", "9"), "host-not-listed", ThumbnailError),
    "prefetching": (
        lambda folder: prefetch_thumbnails([unnamed(folder)], "image", "300"),
        "source-not-allowed",
        ThumbnailError,
    ),
    "the tag": (lambda _: render(LOAD + "{% thumbnail 'a.jpg' 'wide' %}"), "spec", ThumbnailParseError),
    "a filter": (
        lambda folder: render(LOAD + "{{ f|is_portrait }}", f=unnamed(folder).image),
        "source-not-allowed",
        ThumbnailError,
    ),
    "a file that is read": (lambda _: lazy("gone.jpg", "300").read(), "not-stored", FileNotFoundError),
    "a name that is read": (lambda _: lazy("gone.jpg", "300").name, "not-stored", ThumbnailError),
    "a size that is read": (lambda _: lazy("gone.jpg", "300").size, "not-stored", ThumbnailError),
    "a file that is written": (lambda _: lazy().write(b""), "read-only", ThumbnailError),
    "the eager mode": (lambda _: eager("gone.jpg"), "source-missing", ThumbnailError),
    "the eager mode, a broken image": (lambda _: eager("broken.jpg"), "source-format", ThumbnailError),
}


def eager(name: str) -> Any:
    storages["default"].save("broken.jpg", ContentFile(b"no image"))
    with eager_thumbnails():
        return get_thumbnail(name, "300")


@pytest.mark.parametrize("what", CALLS)
def test_code_for_sorl_catches_it(what: str, tmp_path: Path) -> None:
    call, code, sorls = CALLS[what]
    with pytest.raises(sorls) as raised:
        call(tmp_path / "unnamed")
    error = raised.value
    assert isinstance(error, ShrinkmeisterError)
    assert isinstance(error, ThumbnailError)
    assert error.code == code
    # As code of ours catches it, too.
    assert isinstance(error, getattr(exceptions, type(error).__name__))


def test_a_storage_that_fails(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("the library's own")

    monkeypatch.setattr(FileSystemStorage, "delete", fail)
    with pytest.raises(ThumbnailError) as raised:
        delete(photo)
    assert isinstance(raised.value, exceptions.StorageError)
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_wrong_settings_are_seen(photo: str, settings: Any) -> None:
    """`except ThumbnailError: pass` is not for them, with sorl neither."""
    settings.THUMBNAIL_SECRET_KEY = "short"
    with pytest.raises(ImproperlyConfigured) as raised:
        get_thumbnail(photo, "300")
    assert isinstance(raised.value, SettingError)
    assert not isinstance(raised.value, ThumbnailError)


@pytest.mark.parametrize(
    "error",
    [
        SettingError("E000", "wrong", "right"),
        CacheSettingError("wrong", "right"),
        *(sorl_kind(kind)("wrong") for kind in (exceptions.SpecError, ShrinkmeisterError)),
        *(kind("wrong", "https://a/") for kind in (HostNotListedError, sorl_kind(HostNotListedError))),
    ],
    ids=lambda error: type(error).__module__ + type(error).__name__,
)
def test_errors_come_back_from_other_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(error, type(again))
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_errors_pickle() -> None:
    @as_sorls
    def fail() -> None:
        raise DriverError("down")

    with pytest.raises(ThumbnailError) as raised:
        fail()
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is type(raised.value) is sorl_kind(DriverError)
    assert str(again) == "down"


@pytest.mark.django_db(transaction=True)
class TestRows:
    """A handler of pre_delete, as sorl's documentation has it, and a shared cache that is down."""

    @pytest.fixture(autouse=True)
    def _handler(self) -> Iterator[None]:
        def delete_image(instance: Photo, **kwargs: Any) -> None:
            delete(instance.image)

        pre_delete.connect(delete_image, sender=Photo)
        yield
        pre_delete.disconnect(delete_image, sender=Photo)

    @pytest.mark.outside
    def test_a_row_can_be_deleted_without_the_cache(
        self, photo: str, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.THUMBNAIL_CACHE_BACKEND = "redis"
        settings.THUMBNAIL_CACHE_NAME = None
        settings.THUMBNAIL_CACHE_LOCATION = "redis://127.0.0.1:1/0"
        settings.CACHES = {"default": settings.CACHES["default"]}
        Photo.objects.create(image=photo).delete()
        assert not Photo.objects.exists()
        assert not storages["default"].exists(photo)
        (line,) = (one for one in caplog.records if one.name == "shrinkmeister.deletion")
        assert (line.levelname, f"'storage://default/{photo}'" in line.getMessage()) == ("ERROR", True)

    @pytest.mark.outside
    def test_sorl_itself_keeps_the_row(self, photo: str, settings: Any, sorl: Sorl) -> None:
        """With its cache down; the file is gone then."""
        settings.CACHES = {
            **settings.CACHES,
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",
            },
        }
        storages["default"].save("b.jpg", ContentFile(picture((4, 3))))
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            sorl.backend.delete("b.jpg")
        assert not storages["default"].exists("b.jpg")

    def test_an_image_that_is_empty(self) -> None:
        """Of a shop's dashboard, which catches ThumbnailError."""
        photo = Photo.objects.create()
        with pytest.raises(ThumbnailError):
            photo.delete()

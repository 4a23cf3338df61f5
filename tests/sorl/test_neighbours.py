"""What public projects do with sorl beyond `url` and sizes: docs/understand/differences-from-sorl.md.

The table names tests of other files too, as those of names, pickles and errors.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from django.core.files.storage import storages
from django.http import HttpResponse
from django.test import RequestFactory
from rest_framework import serializers
from sorl.thumbnail import default, delete, get_thumbnail
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import ImageFile

from shrinkmeister.exceptions import PrivateNameError, ShrinkmeisterError
from tests.site.models import Photo
from tests.support.pages import lazy
from tests.support.pictures import size_of
from tests.support.sides import Server
from tests.support.sorls import Sorl

SOURCES: dict[str, Callable[[Photo], Any]] = {
    "the file of a field": lambda photo: photo.image,
    "its .file": lambda photo: photo.image.file,
    "its .path": lambda photo: photo.image.path,
    "its .name": lambda photo: photo.image.name,
    "an ImageFile of it": lambda photo: ImageFile(photo.image),
    "an ImageFile of its name": lambda photo: ImageFile(photo.image.name),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.usefixtures("sorl")
def test_sources(kind: str, photo: str) -> None:
    instance = Photo(image=photo)
    thumbnail = get_thumbnail(SOURCES[kind](instance), "300")
    assert (thumbnail.url, thumbnail.lazy) == (lazy(photo, "300").url, True)


@pytest.mark.makes_thumbnails
class TestNames:
    def test_joined_to_a_folder(self, photo: str, media: Path) -> None:
        thumbnail = lazy(photo)
        for name in (thumbnail.name, str(thumbnail)):
            assert size_of(Path(os.path.join(media, name)).read_bytes()) == (267, 200)

    @pytest.mark.django_db
    def test_saved_to_a_model(self, photo: str) -> None:
        saved = Photo.objects.create(image=lazy(photo).name)
        with Photo.objects.get(pk=saved.pk).image.open() as file:
            assert size_of(file.read()) == (267, 200)

    def test_sent_by_the_web_server(self, photo: str, media: Path) -> None:
        response = HttpResponse(headers={"X-Accel-Redirect": f"/protected/{lazy(photo).name}"})
        name = response["X-Accel-Redirect"].removeprefix("/protected/")
        assert size_of((media / name).read_bytes()) == (267, 200)


class TestHosts:
    """A site adds its host to URLs of its own; an absolute URL, as of S3, has one already."""

    def test_an_absolute_url_keeps_its_host(self, photo: str) -> None:
        url = lazy(photo).url
        assert urljoin("https://example.com/", url) == url
        assert RequestFactory().get("/").build_absolute_uri(url) == url

    @pytest.mark.makes_thumbnails
    def test_a_relative_one_gets_it(self, photo: str, media: Path, settings: Any) -> None:
        options = {"location": str(media), "base_url": "/media/"}
        settings.STORAGES = {"default": {**settings.STORAGES["default"], "OPTIONS": options}}
        settings.THUMBNAIL_EAGER = True
        thumbnail = lazy(photo)
        absolute = f"https://example.com{thumbnail.url}"
        assert absolute == f"https://example.com/media/{thumbnail.name}"
        assert urljoin("https://example.com/", thumbnail.url) == absolute


class ImageUrl(serializers.ImageField):
    """A field of REST framework as sites and a package of the registry write it for sorl."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(get_thumbnail(value, "300x200", crop="center"))


class TestRestFramework:
    @pytest.mark.parametrize("request_", [None, RequestFactory().get("/")])
    def test_a_field_for_sorl(self, request_: Any, photo: str) -> None:
        class Answer(serializers.Serializer[Any]):
            image = ImageUrl()

        answer = Answer(Photo(image=photo), context={"request": request_}).data
        assert answer == {"image": lazy(photo, crop="center").url}


@pytest.mark.makes_thumbnails
@pytest.mark.django_db
def test_a_file_that_is_deleted_twice(photo: str, media: Path, server: Server) -> None:
    """django-cleanup calls delete() of sorl, as its documentation has it, and then deletes the file."""
    instance = Photo.objects.create(image=photo)
    assert server.get(lazy(photo).url).status_code == 302
    stored = media / lazy(photo).object_name
    assert stored.exists()
    delete(instance.image)
    instance.image.delete(save=False)
    assert not stored.exists()
    assert not (media / photo).exists()
    assert lazy(photo).lazy


@pytest.mark.makes_thumbnails
def test_sorls_store_does_not_have_it(photo: str, sorl: Sorl) -> None:
    """Code that asks it whether a thumbnail is made is answered as of one that is not."""
    for kept, thumbnail in ((True, sorl.get(photo, "30")), (False, lazy(photo))):
        found = default.kvstore.get(ImageFile(thumbnail.name, storages["default"]))
        assert (found is not None) is kept


class TestBackend:
    """sorl's names of the backend itself."""

    @pytest.mark.parametrize(
        "changed",
        [{}, {"THUMBNAIL_QUALITY": 70, "THUMBNAIL_FORMAT": "PNG", "THUMBNAIL_UPSCALE": False}],
    )
    def test_default_options(
        self, changed: dict[str, Any], photo: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in changed.items():
            setattr(settings, name, value)
        # sorl reads them when it is imported.
        sorls = {
            name: getattr(settings, f"THUMBNAIL_{name.upper()}", value)
            for name, value in ThumbnailBackend.default_options.items()
        }
        assert dict(default.backend.default_options) == sorls
        options: dict[str, Any] = {"crop": "center"}
        for name, value in default.backend.default_options.items():
            options.setdefault(name, value)
        assert options["crop"] == "center"
        options["crop"] = False
        assert get_thumbnail(photo, "300", **options) == get_thumbnail(photo, "300")

    def test_default_options_are_those_of_the_settings(self) -> None:
        """A site that changes them in place would change nothing: pages read the settings."""
        with pytest.raises(TypeError):
            default.backend.default_options["quality"] = 10

    @pytest.mark.parametrize(
        "name", ["_get_thumbnail_filename", "_create_thumbnail", "_get_format", "extra_options"]
    )
    def test_other_names_are_refused(self, name: str) -> None:
        assert hasattr(ThumbnailBackend, name)
        with pytest.raises(PrivateNameError) as raised:
            getattr(default.backend, name)
        assert (raised.value.code, repr(name) in str(raised.value)) == ("private-name", True)
        # Code that asks first is answered.
        assert not hasattr(default.backend, name)

    def test_a_name_that_sorl_has_not_is_a_plain_error(self) -> None:
        with pytest.raises(AttributeError) as raised:
            default.backend.get_thumbnails  # noqa: B018
        assert not isinstance(raised.value, ShrinkmeisterError)

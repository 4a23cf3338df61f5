"""What a template hands over becomes a Source, and nothing is asked of a storage for it."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage, storages

from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import SourceNotAllowedError, SpecError
from shrinkmeister.sources import source_of
from shrinkmeister.spec import Source
from tests.site.models import Photo


def source(file: Any) -> Source:
    return source_of(file, get_config())


@pytest.fixture
def buckets(settings: Any) -> None:
    s3 = {"BACKEND": "storages.backends.s3.S3Storage"}
    settings.STORAGES = {
        "default": {**s3, "OPTIONS": {"bucket_name": "photos"}},
        "uploads": {**s3, "OPTIONS": {"bucket_name": "photos", "location": "up/loads"}},
    }


def test_the_file_of_a_field(media: Path) -> None:
    photo = Photo(image="photos/dawn.jpg")
    assert source(photo.image) == Source("storage", "default", "photos/dawn.jpg")


@pytest.mark.usefixtures("media")
def test_a_plain_name_means_thumbnail_storage(settings: Any, tmp_path: Path) -> None:
    assert source("photos/dawn.jpg") == Source("storage", "default", "photos/dawn.jpg")
    settings.STORAGES = {
        **settings.STORAGES,
        "other": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "other")},
        },
    }
    settings.THUMBNAIL_STORAGE = "other"
    assert source("photos/dawn.jpg") == Source("storage", "other", "photos/dawn.jpg")


def test_an_absolute_name_inside_the_storage(media: Path) -> None:
    assert source(str(media / "photos/dawn.jpg")) == Source("storage", "default", "photos/dawn.jpg")


def test_an_open_file_of_no_storage(media: Path) -> None:
    with Path(__file__).open("rb") as file:
        assert source(File(file, name="photos/dawn.jpg")).name == "photos/dawn.jpg"


def test_two_storages_of_one_class_are_told_apart(settings: Any, media: Path, tmp_path: Path) -> None:
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    settings.STORAGES = {
        **settings.STORAGES,
        "one": {**folder, "OPTIONS": {"location": str(tmp_path / "1")}},
        "two": {**folder, "OPTIONS": {"location": str(tmp_path / "2")}},
    }
    for alias in ("one", "two"):
        photo = Photo(image="a.jpg")
        photo.image.storage = storages[alias]
        assert source(photo.image) == Source("storage", alias, "a.jpg")


def test_the_lazy_default_storage(media: Path) -> None:
    photo = Photo(image="a.jpg")
    photo.image.storage = default_storage
    assert source(photo.image) == Source("storage", "default", "a.jpg")


class BucketElsewhere(FileSystemStorage):
    """As django-storages' GoogleCloudStorage: a bucket, and not one of S3."""

    bucket_name = "photos"


def test_a_bucket_that_is_not_one_of_s3(settings: Any) -> None:
    settings.STORAGES = {"default": {"BACKEND": "tests.test_sources.BucketElsewhere"}}
    assert source("a.jpg") == Source("storage", "default", "a.jpg")


def test_a_storage_without_an_alias(media: Path, tmp_path: Path) -> None:
    photo = Photo(image="a.jpg")
    photo.image.storage = FileSystemStorage(location=str(tmp_path))
    with pytest.raises(SourceNotAllowedError, match="STORAGES") as refused:
        source(photo.image)
    assert "a.jpg" in str(refused.value)


@pytest.mark.usefixtures("buckets")
def test_buckets_are_named_with_whole_keys() -> None:
    photo = Photo(image="2024/dawn.jpg")
    photo.image.storage = storages["uploads"]
    assert source(photo.image) == Source("s3", "photos", "up/loads/2024/dawn.jpg")
    assert source("2024/dawn.jpg") == Source("s3", "photos", "2024/dawn.jpg")
    assert source("/2024/dawn.jpg") == Source("s3", "photos", "2024/dawn.jpg")
    assert source("Zürich/a b+c.jpg") == Source("s3", "photos", "Zürich/a b+c.jpg")


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize("name", ["../secret.jpg", "a/../../secret.jpg", "..", "."])
def test_names_that_lead_out_of_a_location(name: str) -> None:
    photo = Photo(image=name)
    photo.image.storage = storages["uploads"]
    with pytest.raises(SpecError):
        source(photo.image)


@pytest.mark.usefixtures("buckets")
def test_a_key_is_the_one_that_the_storage_writes(s3_server: Any, s3_bucket: Any, settings: Any) -> None:
    """Against django-storages itself: what it saves under a name lies under the key of the source."""
    from django.core.files.base import ContentFile

    bucket = s3_bucket()
    options = {**s3_server.storage_options, "bucket_name": bucket, "location": "up/loads"}
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    storage: Any = storages["default"]
    for name in (
        "a.jpg",
        "b/c d.jpg",
        "Zürich/日本.jpg",
        "e//f.jpg",
        "./g.jpg",
        "j+k%20&l.jpg",
    ):
        saved = storage.save(name, ContentFile(b"x"))
        keys = {entry.key for entry in storage.bucket.objects.all()}
        assert source(saved).name in keys, name
        assert source(name).name in keys, name
        storage.bucket.objects.all().delete()


def test_urls_are_refused_unless_their_host_is_listed(settings: Any) -> None:
    for url in (
        "https://images.example.com/a/b.jpg",
        "//images.example.com/a.jpg",
        "http://10.0.0.1/a.jpg",
    ):
        with pytest.raises(SourceNotAllowedError, match="THUMBNAIL_SOURCES"):
            source(url)
    settings.THUMBNAIL_SOURCES = ["https://images.example.com"]
    assert source("https://IMAGES.example.com/a/b.jpg") == Source("https", "images.example.com", "a/b.jpg")
    for url in ("https://images.example.com.evil.org/a.jpg", "http://images.example.com/a.jpg"):
        with pytest.raises(SourceNotAllowedError):
            source(url)


def test_query_strings_go_as_in_sorl(settings: Any, media: Path) -> None:
    assert source("a.jpg?X-Amz-Signature=1").name == "a.jpg"
    settings.THUMBNAIL_REMOVE_URL_ARGS = False
    assert source("a.jpg?b").name == "a.jpg?b"

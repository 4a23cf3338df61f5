"""What a template hands over becomes a Source, and nothing is asked of a storage for it."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.utils.functional import SimpleLazyObject
from storages.backends.s3 import S3Storage

from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import SourceNotAllowedError, SpecError
from shrinkmeister.protocol.spec import Source
from shrinkmeister.sources import source_of
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
    settings.STORAGES = {"default": {"BACKEND": "tests.page.test_sources.BucketElsewhere"}}
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


S3 = "storages.backends.s3.S3Storage"
KEYS: dict[str, Any] = {"access_key": "key", "secret_key": "secret"}


class OfAnotherEndpoint(S3Storage):  # type: ignore[misc]  # django-storages has no types
    bucket_name = "other"
    endpoint_url = "https://r2.example.com"


class OfARole(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """Its keys are those of a role that its session takes on."""

    def _create_session(self) -> Any:
        return super()._create_session()


class WithAMethodOfItsOwn(S3Storage):  # type: ignore[misc]  # django-storages has no types
    def get_object_parameters(self, name: str) -> Any:
        return {"CacheControl": "no-store"}


def place_in(storage: Any) -> str:
    photo = Photo(image="a/./b.jpg")
    photo.image.storage = storage
    return str(source(photo.image))


class TestS3Elsewhere:
    @pytest.fixture(autouse=True)
    def _default(self, settings: Any) -> None:
        self.settings = settings
        self.use()

    def use(self, backend: str = S3, own: dict[str, Any] | None = None, **options: Any) -> None:
        """Have the server's own storage, and another one as "r2"."""
        self.settings.STORAGES = {
            "default": {"BACKEND": S3, "OPTIONS": {"bucket_name": "photos", **(own or {})}},
            "r2": {"BACKEND": backend, "OPTIONS": {"bucket_name": "other", **options}},
        }

    @pytest.mark.parametrize(
        "options",
        [
            {"endpoint_url": "https://r2.example.com"},
            {"endpoint_url": "https://amazonaws.com.example.com"},
            {"endpoint_url": "https://s3.cn-north-1.amazonaws.com.cn"},
            KEYS,
            {"session_profile": "other"},
            {"security_token": "of-another-session"},
        ],
    )
    def test_another_endpoint_or_account(self, options: dict[str, Any]) -> None:
        self.use(location="media", **options)
        assert place_in(storages["r2"]) == "storage://r2/a/b.jpg"
        # Of a field's own, that is made as STORAGES says.
        assert (
            place_in(S3Storage(bucket_name="other", location="media", **options)) == "storage://r2/a/b.jpg"
        )
        with pytest.raises(SourceNotAllowedError):
            place_in(S3Storage(bucket_name="another", **options))
        # Where it is the server's own, the other one is elsewhere.
        self.settings.THUMBNAIL_STORAGE = "r2"
        assert place_in(storages["r2"]) == "s3://other/media/a/b.jpg"
        assert place_in(storages["default"]) == "storage://default/a/b.jpg"

    @pytest.mark.parametrize(
        ("own", "options"),
        [
            ({}, {}),
            ({}, {"region_name": "eu-west-1", "signature_version": "s3v4", "addressing_style": "path"}),
            ({}, {"querystring_auth": False, "custom_domain": "cdn.example.com"}),
            ({}, {"endpoint_url": "https://s3.eu-west-1.amazonaws.com"}),
            ({"endpoint_url": "https://s3.eu-west-1.amazonaws.com/"}, {"endpoint_url": None}),
            ({"endpoint_url": "https://r2.example.com"}, {"endpoint_url": "https://r2.example.com/"}),
            (KEYS, KEYS),
            ({"session_profile": "one"}, {"session_profile": "one"}),
        ],
    )
    def test_another_bucket_of_the_same(self, own: dict[str, Any], options: dict[str, Any]) -> None:
        self.use(own=own, **options)
        assert place_in(storages["r2"]) == "s3://other/a/b.jpg"
        assert place_in(S3Storage(bucket_name="another", **own)) == "s3://another/a/b.jpg"

    @pytest.mark.parametrize(
        ("name", "place"),
        [
            ("OfAnotherEndpoint", "storage://r2/a/b.jpg"),
            ("OfARole", "storage://r2/a/b.jpg"),
            ("WithAMethodOfItsOwn", "s3://other/a/b.jpg"),
        ],
    )
    def test_classes_of_a_site(self, name: str, place: str) -> None:
        self.use(f"tests.page.test_sources.{name}")
        assert place_in(storages["r2"]) == place
        assert place_in(SimpleLazyObject(lambda: storages["r2"])) == place

    def test_the_compared_method_makes_the_sessions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is private to django-storages; this fails if a version renames it or calls another one."""

        def make(storage: S3Storage) -> Any:
            raise LookupError("a session is wanted")

        monkeypatch.setattr(S3Storage, "_create_session", make)
        storage: Any = storages["r2"]
        with pytest.raises(LookupError):
            _ = storage.connection

    def test_keys_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        self.use(**KEYS)
        assert place_in(storages["r2"]) == "s3://other/a/b.jpg"
        self.use(access_key="another", secret_key="secret")
        assert place_in(storages["r2"]) == "storage://r2/a/b.jpg"

    def test_beside_a_storage_that_is_not_s3(self) -> None:
        """The server's own are the AWS settings then, as for THUMBNAIL_BUCKET."""
        files = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
        self.settings.STORAGES = {
            "default": files,
            "r2": {
                "BACKEND": S3,
                "OPTIONS": {"bucket_name": "other", "endpoint_url": "https://r2.example.com"},
            },
        }
        assert place_in(storages["r2"]) == "storage://r2/a/b.jpg"
        self.settings.AWS_S3_ENDPOINT_URL = "https://r2.example.com"
        assert place_in(storages["r2"]) == "s3://other/a/b.jpg"

    def test_a_class_that_no_alias_can_name(self) -> None:
        class Local(S3Storage):  # type: ignore[misc]  # django-storages has no types
            endpoint_url = "https://r2.example.com"

        with pytest.raises(SourceNotAllowedError):
            place_in(Local(bucket_name="other"))

    def test_names_that_lead_out_of_a_location(self) -> None:
        self.use(location="media", **KEYS)
        photo = Photo(image="../secret.jpg")
        photo.image.storage = storages["r2"]
        with pytest.raises(SpecError):
            source(photo.image)

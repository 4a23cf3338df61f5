"""A site whose files and thumbnails lie on Azure or Google: made, shown, adopted, and gone when deleted."""

import re
from base64 import b64encode
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import pytest
import urllib3
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from django.utils.module_loading import import_string
from sorl.thumbnail import delete, get_thumbnail
from sorl.thumbnail.base import ThumbnailBackend
from sorl.thumbnail.images import get_or_create_storage

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.exceptions import StorageDeniedError, StorageError
from shrinkmeister.protocol.keys import is_object_name
from shrinkmeister.storage import get_thumbnail_storage
from shrinkmeister.storage.compat import failure_of
from shrinkmeister_server import pipeline
from tests.site.models import Photo
from tests.support.pages import lazy
from tests.support.pictures import picture, size_of
from tests.support.sides import Server
from tests.support.sorls import follow_settings

pytestmark = [pytest.mark.clouds, pytest.mark.makes_thumbnails, pytest.mark.django_db]

NAME = "photos/100% Zürich #1.jpg"
GEOMETRIES = ("300x200", "100")


@pytest.fixture(params=["azure", "google"])
def cloud(request: pytest.FixtureRequest, settings: Any) -> str:
    """Where a site keeps its files, in a folder, and its thumbnails, in a container of their own."""
    new_storage = request.getfixturevalue(f"{request.param}_storage")
    settings.STORAGES = {"default": new_storage(location="media"), "thumbs": new_storage()}
    settings.THUMBNAIL_STORAGE = "thumbs"
    settings.THUMBNAIL_SOURCES = ["storage://default"]
    settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]
    return str(request.param)


@pytest.fixture
def photo(cloud: str, server: Server) -> Photo:
    """With two thumbnails, in two resolutions each."""
    photo = Photo(image=storages["default"].save(NAME, ContentFile(picture((400, 300)))))
    for geometry in GEOMETRIES:
        assert server.get(thumbnail(photo, geometry).url).status_code == 302
        assert not thumbnail(photo, geometry).lazy
    assert len(stored()) == 4
    return photo


def thumbnail(photo: Photo, geometry: str = "300x200") -> Any:
    return get_thumbnail(photo.image, geometry)


def stored() -> list[str]:
    """What there is of our own."""
    return [
        one.name for one in get_thumbnail_storage().walk("cache/") if is_object_name(one.name, "cache/")
    ]


def test_a_thumbnail_is_made_and_shown(photo: Photo, server: Server) -> None:
    final = thumbnail(photo)
    assert (final.certain_size, "?" in final.url) == ((267, 200), False)
    for url, size in ((final.url, (267, 200)), (final.url_of("2x"), (533, 400))):
        answer = urllib3.request("GET", url)
        assert (answer.status, size_of(answer.data)) == (200, size)
        assert answer.headers["Content-Type"] == "image/jpeg"


def test_deleting(photo: Photo) -> None:
    delete(photo.image)
    assert stored() == []
    assert not storages["default"].exists(NAME)
    assert all(thumbnail(photo, geometry).lazy for geometry in GEOMETRIES)
    assert thumbnail(photo, "90").certain_size is None  # what was known of the source went too
    delete(photo.image)


def test_one_of_several(photo: Photo, server: Server) -> None:
    other = storages["default"].save("photos/other.jpg", ContentFile(picture()))
    kept = get_thumbnail(Photo(image=other).image, "50")
    assert server.get(kept.url).status_code == 302
    delete(photo.image, delete_file=False)
    assert len(stored()) == 2
    assert storages["default"].exists(NAME)


def test_a_lost_cache_is_filled_from_what_is_stored(
    photo: Photo, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = thumbnail(photo).url
    caches["shrinkmeister"].clear()
    monkeypatch.setattr(pipeline, "load", lambda *args, **options: pytest.fail("made again"))
    assert server.get(thumbnail(photo).url)["Location"] == url
    assert not thumbnail(photo).lazy


def status(server: Server, name: str) -> int:
    return int(server.get(get_thumbnail(Photo(image=name).image, "70").url).status_code)


def test_a_source_that_is_no_good(cloud: str, server: Server, settings: Any) -> None:
    for name, data in (("photos/text.jpg", b"no picture"), ("photos/large.jpg", picture((400, 300)))):
        storages["default"].save(name, ContentFile(data))
    assert status(server, "photos/missing.jpg") == 404
    # No cloud has such a name.
    assert status(server, "x" * 1025) == 404
    assert status(server, "photos/text.jpg") == 415
    settings.THUMBNAIL_MAX_SOURCE_BYTES = 100
    assert status(server, "photos/large.jpg") == 413


@pytest.mark.parametrize("alias", ["default", "thumbs"])
def test_a_container_that_is_missing(cloud: str, alias: str, server: Server, settings: Any) -> None:
    """A wrong setting: nothing is remembered of the source."""
    name = storages["default"].save(NAME, ContentFile(picture()))
    assert server.get("/healthz").json()["bucket"] == "ok"
    right = settings.STORAGES
    option = {"azure": "azure_container", "google": "bucket_name"}[cloud]
    options = {**right[alias]["OPTIONS"], option: "test-misspelled"}
    settings.STORAGES = {**right, alias: {**right[alias], "OPTIONS": options}}
    assert server.get("/healthz").json()["bucket"] == ("failed" if alias == "thumbs" else "ok")
    assert status(server, name) == 502
    settings.STORAGES = right
    assert status(server, name) == 302


@pytest.mark.parametrize("cloud", ["azure"], indirect=True)
def test_a_wrong_key(cloud: str, server: Server, settings: Any) -> None:
    """Azure's emulator checks keys, though not for blobs that anybody may read. Google's checks none."""
    name = storages["default"].save(NAME, ContentFile(picture()))
    right = settings.STORAGES
    options = right["thumbs"]["OPTIONS"]
    key = b64encode(bytes(32)).decode()
    wrong = re.sub("AccountKey=[^;]+", f"AccountKey={key}", options["connection_string"])
    settings.STORAGES = {
        **right,
        "thumbs": {**right["thumbs"], "OPTIONS": {**options, "connection_string": wrong}},
    }
    answer = server.get(get_thumbnail(Photo(image=name).image, "70").url, Accept="application/json")
    assert (answer.status_code, answer.json()["code"]) == (502, "storage-denied")
    assert "Retry-After" not in answer.headers
    settings.STORAGES = right
    assert status(server, name) == 302


@pytest.mark.parametrize(
    ("path", "attributes", "kind"),
    [
        ("azure.core.exceptions.HttpResponseError", {"status_code": 401}, StorageDeniedError),
        ("azure.core.exceptions.HttpResponseError", {"status_code": 403}, StorageDeniedError),
        ("azure.core.exceptions.HttpResponseError", {"status_code": 500}, StorageError),
        ("azure.core.exceptions.ServiceRequestError", {}, StorageError),
        ("google.api_core.exceptions.Unauthorized", {}, StorageDeniedError),
        ("google.api_core.exceptions.Forbidden", {}, StorageDeniedError),
        ("google.api_core.exceptions.InternalServerError", {}, StorageError),
        ("google.auth.exceptions.DefaultCredentialsError", {}, StorageDeniedError),
    ],
)
def test_what_an_error_of_a_cloud_means(
    path: str, attributes: dict[str, int], kind: type[StorageError]
) -> None:
    error = import_string(path)("refused")
    for name, value in attributes.items():
        setattr(error, name, value)
    assert failure_of(error) is kind


def test_a_large_source_is_not_fetched(
    cloud: str, azure_reads: list[str], server: Server, settings: Any
) -> None:
    """A file of Azure fetches all of its bytes when it is asked for its size."""
    name = storages["default"].save(NAME, ContentFile(picture()))
    settings.THUMBNAIL_MAX_SOURCE_BYTES = 100
    assert status(server, name) == 413
    assert f"media/{name}" not in azure_reads
    settings.THUMBNAIL_MAX_SOURCE_BYTES = 40_000_000
    caches["shrinkmeister"].clear()
    assert status(server, name) == 302
    assert (f"media/{name}" in azure_reads) == (cloud == "azure")


@pytest.fixture
def azure_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the blobs whose bytes are asked for."""
    from azure.storage.blob import ContainerClient

    names: list[str] = []
    download = ContainerClient.download_blob

    def counted(client: Any, name: str, **options: Any) -> Any:
        names.append(name)
        return download(client, name, **options)

    monkeypatch.setattr(ContainerClient, "download_blob", counted)
    return names


class TestCleanup:
    pytestmark = [
        pytest.mark.django_db(transaction=True, databases=["default", "other"]),
        pytest.mark.usefixtures("connected_cleanup"),
    ]

    def test_a_row_that_loses_its_file(self, cloud: str, server: Server) -> None:
        photo = Photo.objects.create(image=ContentFile(picture((400, 300)), "dawn.jpg"))
        assert server.get(thumbnail(photo).url).status_code == 302
        assert len(stored()) == 2
        photo.image = ContentFile(picture((400, 300)), "dusk.jpg")
        photo.save()
        assert stored() == []
        assert server.get(thumbnail(photo).url).status_code == 302
        assert len(stored()) == 2
        photo.delete()
        assert stored() == []


class InTwoHours(datetime):
    """Stands for the class."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=2)


class TestCommands:
    def test_prune(
        self, photo: Photo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("shrinkmeister", "prune", "--older-than", "1h")
        assert len(stored()) == 4
        monkeypatch.setattr("shrinkmeister.management.commands.shrinkmeister.datetime", InTwoHours)
        call_command("shrinkmeister", "prune", "--older-than", "1h", "--dry-run")
        assert len(stored()) == 4
        call_command("shrinkmeister", "prune", "--older-than", "1h")
        assert stored() == []
        assert all(thumbnail(photo, geometry).lazy for geometry in GEOMETRIES)

    def test_clear(self, photo: Photo) -> None:
        """The records of a cache that cannot list its keys are those of what is stored."""
        assert get_shared_cache().records.keys() is None
        call_command("shrinkmeister", "clear")
        assert len(stored()) == 4
        assert all(thumbnail(photo, geometry).lazy for geometry in GEOMETRIES)

    @pytest.mark.django_db
    def test_adopt_and_prune_what_is_adopted(
        self, cloud: str, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Thumbnails of sorl's own backend, which it has kept in the site's storage."""
        settings.THUMBNAIL_STORAGE = "default"
        settings.THUMBNAIL_ADOPTED_BACKEND = "sorl.thumbnail.base.ThumbnailBackend"
        follow_settings(monkeypatch)
        name = storages["default"].save(NAME, ContentFile(picture((400, 300))))
        former = [ThumbnailBackend().get_thumbnail(name, geometry) for geometry in GEOMETRIES]
        assert [lazy(name, geometry).lazy for geometry in GEOMETRIES] == [True, True]
        call_command("shrinkmeister", "adopt")
        assert [lazy(name, geometry).url for geometry in GEOMETRIES] == [one.url for one in former]
        call_command("shrinkmeister", "prune", "--adopted")
        assert [one.name for one in get_thumbnail_storage().walk("")] == [NAME]
        assert [lazy(name, geometry).lazy for geometry in GEOMETRIES] == [True, True]
        get_or_create_storage.cache_clear()

"""What each storage of thumbnails does, whatever keeps the files: one contract, on the real parts."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.utils import timezone
from django.utils.encoding import filepath_to_uri

from shrinkmeister.conf import SettingError
from shrinkmeister.exceptions import StorageDeniedError, StorageError
from shrinkmeister.storage import get_former_storage, get_thumbnail_storage
from shrinkmeister.storage.base import StoredInfo, ThumbnailStorage
from shrinkmeister.storage.compat import delete_file, walk
from shrinkmeister.storage.django_storage import DjangoThumbnailStorage
from shrinkmeister.storage.listing import StoredObject, name_below
from shrinkmeister.storage.s3 import S3ThumbnailStorage
from tests.servers.s3 import S3Server
from tests.support.pictures import picture, size_of

NAMES = sorted(
    [
        "cache/a/x-1.jpg",
        "cache/a/x.jpg",
        "cache/a/x.k.jpg",
        "cache/a/x.png",
        "cache/a/x1.jpg",
        "cache/a/x1@2x.jpg",
        "cache/a/x@1.5x.jpg",
        "cache/a/x@2x.jpg",
        "cache/a/x@2x.png",
        "cache/a/x@notx.jpg",
        "cache/a/xylo.jpg",
        "cache/a-b/y.tar.gz",
        "cache/a.b/y",
        "cache/b/100% of 1+1 #1.jpg",
        "cache/b/lonely@2x.jpg",
        "cache/Ü.jpg",
        "cachet/z.jpg",
        "photos/z.jpg",
    ]
)
CLOUDS = pytest.mark.clouds


@dataclass(frozen=True)
class Kind:
    """folder  of the storage in its container"""

    name: str
    folder: str = ""

    @property
    def browsed(self) -> bool:
        """Whether a browser gets what `url` says."""
        return self.name not in ("files", "memory")


KINDS = [
    pytest.param(Kind("files"), id="files"),
    pytest.param(Kind("memory"), id="memory"),
    *(
        pytest.param(Kind(name, folder), id=f"{name} {folder}".strip(), marks=marks)
        for name, marks in (("bucket", ()), ("azure", CLOUDS), ("google", CLOUDS))
        for folder in ("", "media/x")
    ),
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Kind:
    """STORAGES has one of this kind."""
    kind: Kind = request.param
    storage: dict[str, Any]
    if kind.name == "files":
        options = {"location": str(tmp_path), "base_url": "https://example.com/media/"}
        storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    elif kind.name == "memory":
        options = {"location": "/memory", "base_url": "https://example.com/media/"}
        storage = {"BACKEND": "django.core.files.storage.InMemoryStorage", "OPTIONS": options}
    elif kind.name == "bucket":
        s3: S3Server = request.getfixturevalue("s3_server")
        bucket: Callable[..., str] = request.getfixturevalue("s3_bucket")
        place = {"bucket_name": bucket(public=True), "location": kind.folder, "querystring_auth": False}
        storage = {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {**s3.storage_options, **place},
        }
    else:
        storage = request.getfixturevalue(f"{kind.name}_storage")(location=kind.folder)
    settings.STORAGES = {"default": storage}
    return kind


@pytest.fixture
def thumbnail_storage(kind: Kind) -> ThumbnailStorage:
    return get_former_storage()


@pytest.fixture
def filled(thumbnail_storage: ThumbnailStorage) -> ThumbnailStorage:
    for name in NAMES:
        storages["default"].save(name, ContentFile(b"x"))
    return thumbnail_storage


def names(thumbnail_storage: ThumbnailStorage, prefix: str, after: str = "") -> list[str]:
    return [stored.name for stored in thumbnail_storage.walk(prefix, after)]


def save(thumbnail_storage: ThumbnailStorage, name: str, size: tuple[int, int] = (40, 30)) -> None:
    thumbnail_storage.save(name, picture(size), "image/jpeg", StoredInfo(*size, ("2",)))


class TestWalking:
    def test_in_the_order_of_names(self, filled: ThumbnailStorage) -> None:
        assert names(filled, "") == NAMES
        for prefix in ("cache/", "cache", "cache/a", "cache/a/", "cache/a/x1", "nothing/", "cache/a/x.jpg"):
            below = [name for name in NAMES if name.startswith(prefix)]
            assert names(filled, prefix) == below
        for prefix in ("cache", "cache/a/"):
            below = [name for name in NAMES if name.startswith(prefix)]
            for place, after in enumerate(below):
                assert names(filled, prefix, after) == below[place + 1 :], (prefix, after)
        assert names(filled, "cache/", "cache/a/x5") == names(filled, "cache/", "cache/a/x1@2x.jpg")

    def test_times_are_those_of_writing(self, thumbnail_storage: ThumbnailStorage) -> None:
        save(thumbnail_storage, "cache/a/x.jpg")
        (stored,) = thumbnail_storage.walk("cache/")
        modified = thumbnail_storage.modified(stored)
        assert modified is not None
        assert abs((timezone.now() - modified).total_seconds()) < 600

    def test_what_is_empty(self, thumbnail_storage: ThumbnailStorage) -> None:
        assert names(thumbnail_storage, "") == names(thumbnail_storage, "cache/") == []


class TestSaving:
    def test_it_is_found_and_shown(self, thumbnail_storage: ThumbnailStorage, kind: Kind) -> None:
        name = "cache/a/x.jpg"
        assert thumbnail_storage.find(name, {}) is None
        for one in (name, "cache/a/x@2x.jpg"):
            save(thumbnail_storage, one)
        info = thumbnail_storage.find(name, {"2": "cache/a/x@2x.jpg"})
        assert info is not None
        assert (info.width, info.height, info.resolutions) == (40, 30, ("2",))
        assert isinstance(info.modified, datetime)
        assert info.modified.tzinfo
        assert thumbnail_storage.url(name).endswith(f"/{name}")
        if kind.browsed:
            answer = urllib3.request("GET", thumbnail_storage.url(name))
            assert (answer.status, size_of(answer.data)) == (200, (40, 30))
            assert answer.headers["Content-Type"] == "image/jpeg"

    @pytest.mark.parametrize(("extension", "content_type"), [("webp", "image/webp"), ("png", "image/png")])
    def test_types(
        self, thumbnail_storage: ThumbnailStorage, kind: Kind, extension: str, content_type: str
    ) -> None:
        thumbnail_storage.save(f"cache/a.{extension}", b"any", content_type, StoredInfo(1, 1))
        if kind.browsed:
            answer = urllib3.request("GET", thumbnail_storage.url(f"cache/a.{extension}"))
            assert (answer.data, answer.headers["Content-Type"]) == (b"any", content_type)

    def test_over_an_older_one(self, thumbnail_storage: ThumbnailStorage) -> None:
        for size in ((40, 30), (80, 60)):
            save(thumbnail_storage, "cache/a/x.jpg", size)
        info = thumbnail_storage.find("cache/a/x.jpg", {})
        assert info is not None
        assert (info.width, info.height) == (80, 60)
        assert names(thumbnail_storage, "cache/") == ["cache/a/x.jpg"]

    def test_names_of_all_letters(self, thumbnail_storage: ThumbnailStorage, kind: Kind) -> None:
        name = "cache/Zürich/100% of 1+1 #1.jpg"
        save(thumbnail_storage, name)
        assert names(thumbnail_storage, "cache/") == [name]
        url = thumbnail_storage.url(name)
        assert url.endswith(filepath_to_uri(name))
        if kind.browsed:
            assert urllib3.request("GET", url).status == 200
        thumbnail_storage.delete([name])
        assert names(thumbnail_storage, "") == []


class TestDeleting:
    def test_what_is_there_and_what_is_not(self, filled: ThumbnailStorage) -> None:
        gone = ["cache/a/x.jpg", "cache/nothing.jpg", "cache/Ü.jpg", "nothing/at/all.jpg"]
        filled.delete(gone)
        assert names(filled, "") == [name for name in NAMES if name not in gone]
        filled.delete(gone)
        assert filled.find("cache/a/x.jpg", {}) is None
        assert filled.modified(StoredObject("cache/a/x.jpg")) is None

    def test_all(self, filled: ThumbnailStorage) -> None:
        filled.delete(names(filled, "cache/"))
        assert names(filled, "") == ["cachet/z.jpg", "photos/z.jpg"]


class TestChecking:
    def test_it_answers(self, thumbnail_storage: ThumbnailStorage) -> None:
        thumbnail_storage.check()


@pytest.mark.clouds
@pytest.mark.parametrize(
    ("cloud", "option"), [("azure", "azure_container"), ("google", "bucket_name")], ids=["azure", "google"]
)
def test_a_container_that_is_missing(
    cloud: str, option: str, request: pytest.FixtureRequest, settings: Any
) -> None:
    """A wrong setting is not an empty storage."""
    new_storage = request.getfixturevalue(f"{cloud}_storage")
    settings.STORAGES = {"default": new_storage(**{option: "test-misspelled"})}
    thumbnail_storage = get_former_storage()
    with pytest.raises(StorageError):
        thumbnail_storage.check()
    with pytest.raises(StorageError):
        names(thumbnail_storage, "cache/")
    with pytest.raises(StorageError):
        save(thumbnail_storage, "cache/a/x.jpg")


@pytest.mark.clouds
def test_a_container_that_is_missing_on_azure_is_not_a_missing_file(
    azure_storage: Callable[..., dict[str, Any]], settings: Any
) -> None:
    settings.STORAGES = {"default": azure_storage(azure_container="test-misspelled")}
    with pytest.raises(StorageError):
        get_former_storage().find("cache/a/x.jpg", {})


@pytest.mark.clouds
def test_a_listing_of_several_pages(
    azure_storage: Callable[..., dict[str, Any]], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure lists 5,000 names at once; a page of two stands for it."""
    settings.STORAGES = {"default": azure_storage()}
    thumbnail_storage = get_former_storage()
    for number in range(7):
        save(thumbnail_storage, f"cache/{number}.jpg")
    storage: Any = storages["default"]
    client = storage.client
    listed = client.list_blobs
    monkeypatch.setattr(client, "list_blobs", lambda **options: listed(**options, results_per_page=2))
    assert names(thumbnail_storage, "cache/") == [f"cache/{number}.jpg" for number in range(7)]


def test_a_site_whose_clock_is_not_of_a_zone(
    kind: Kind, thumbnail_storage: ThumbnailStorage, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """USE_TZ = False: storages give the time of TIME_ZONE without saying so."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
    save(thumbnail_storage, "cache/a/x.jpg")
    now = datetime.now(tz=timezone.get_fixed_timezone(0))
    for stored in (StoredObject("cache/a/x.jpg"), *thumbnail_storage.walk("cache/")):
        if modified := thumbnail_storage.modified(stored):
            assert abs((now - modified).total_seconds()) < 600


class Listed:
    """A storage that lists what it was given."""

    def __init__(self, location: str, **folders: tuple[list[str], list[str]]) -> None:
        self.location = location
        self._folders = folders

    def listdir(self, folder: str) -> Any:
        folders, files = self._folders[folder.strip("/").replace("/", "_") or "root"]
        return iter(folders), (name for name in files)


LISTINGS: dict[str, tuple[str, dict[str, tuple[list[str], list[str]]]]] = {
    "bare names": ("", {"cache": (["a"], ["b.jpg"]), "cache_a": ([], ["x.jpg"])}),
    "with slashes": ("", {"cache": (["./", "a/"], ["./b.jpg"]), "cache_a": ([], ["x.jpg", ""])}),
    "whole names": ("", {"cache": (["cache/a"], ["cache/b.jpg"]), "cache_a": ([], ["cache/a/x.jpg"])}),
    "all below": ("", {"cache": ([], ["cache/b.jpg", "cache/a/x.jpg"])}),
    "with its folder": ("/m/", {"cache": ([], ["m/cache/b.jpg", "m/cache/a/x.jpg"])}),
}


@pytest.mark.parametrize("form", LISTINGS)
def test_forms_of_listings(form: str) -> None:
    """Those that storages have or had; Django says nothing of it. None is empty where files are."""
    location, folders = LISTINGS[form]
    storage = Listed(location, **folders)
    assert [stored.name for stored in walk(storage, "cache/")] == ["cache/a/x.jpg", "cache/b.jpg"]
    assert [stored.name for stored in walk(storage, "cache/", "cache/a/x.jpg")] == ["cache/b.jpg"]


@pytest.mark.parametrize("listed", ["photos/dawn.jpg", "other/cache/b.jpg", "/cache/b.jpg"])
def test_a_listing_that_cannot_be_understood(listed: str) -> None:
    for folders, files in (([], [listed]), ([listed], [])):
        with pytest.raises(StorageError):
            list(walk(Listed("", cache=(folders, files)), "cache/"))


def test_a_whole_name_outside() -> None:
    assert name_below("media/", "cache/", "media/cache/x.jpg") == "cache/x.jpg"
    for outside in ("cache/x.jpg", "media/cachet/x.jpg", "other/cache/x.jpg"):
        with pytest.raises(StorageError):
            name_below("media/", "cache/", outside)


class Strict(FileSystemStorage):
    """Raises for what is missing, as the storage of Dropbox does."""

    def delete(self, name: str) -> None:
        if not self.exists(name):
            raise ValueError("not_found")
        super().delete(name)


class Stubborn(FileSystemStorage):
    def delete(self, name: str) -> None:
        raise PermissionError("no")


def test_a_storage_that_raises_for_what_is_missing(tmp_path: Path) -> None:
    storage = Strict(location=tmp_path)
    name = storage.save("a.jpg", ContentFile(b"x"))
    for _ in range(2):
        delete_file(storage, name)
    stubborn = Stubborn(location=tmp_path)
    name = stubborn.save("a.jpg", ContentFile(b"x"))
    with pytest.raises(PermissionError):
        delete_file(stubborn, name)
    with pytest.raises(StorageError):
        DjangoThumbnailStorage(stubborn).delete([name])


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, StorageDeniedError),
        (errno.EPERM, StorageDeniedError),
        (errno.EROFS, StorageDeniedError),
        (errno.ENOSPC, StorageError),
        (errno.EIO, StorageError),
    ],
    ids=lambda given: errno.errorcode.get(given, "") if isinstance(given, int) else "",
)
def test_a_folder_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError]
) -> None:
    storage = FileSystemStorage(location=tmp_path)

    def refuse(*arguments: Any) -> str:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(storage, "_save", refuse)
    with pytest.raises(StorageError) as raised:
        DjangoThumbnailStorage(storage).save("cache/a/x.jpg", b"x", "image/jpeg", StoredInfo(1, 1))
    assert type(raised.value) is kind


class WithoutUrls(FileSystemStorage):
    def url(self, name: str | None) -> str:
        raise NotImplementedError("subclasses of Storage must provide a url() method")


class OfABrokenLibrary(FileSystemStorage):
    def url(self, name: str | None) -> str:
        raise KeyError("account")


@pytest.mark.parametrize(
    ("storage", "error"),
    [(WithoutUrls, SettingError), (OfABrokenLibrary, StorageError)],
)
def test_a_storage_that_makes_no_url(storage: type[FileSystemStorage], error: type[Exception]) -> None:
    with pytest.raises(error):
        DjangoThumbnailStorage(storage()).url("cache/a.jpg")


def test_s3_gets_a_thumbnail_with_the_head_of_its_request(settings: Any) -> None:
    """Without `Expect: 100-continue`, for whose answer botocore would wait before it sends the body."""
    options = {"access_key": "key", "secret_key": "secret", "region_name": "eu-west-1"}
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    settings.THUMBNAIL_BUCKET = "thumbnails"
    storage = get_thumbnail_storage()
    assert isinstance(storage, S3ThumbnailStorage)
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **kwargs: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: iter(())))

    storage.client.meta.events.register("before-send.s3.PutObject", answer)
    storage.save("a.jpg", b"x" * 50_000, "image/jpeg", StoredInfo(30, 20))
    (request,) = sent
    assert (request.method, request.headers["Content-Length"]) == ("PUT", "50000")
    assert "Expect" not in request.headers

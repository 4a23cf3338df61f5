"""Sources at another S3 endpoint, or of another account, than the server's own.

The site is this process. The server is gunicorn, which knows its environment variables alone.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from sorl.thumbnail import delete, get_thumbnail

from shrinkmeister.checks import check_client
from shrinkmeister.doctor.examination import examine
from shrinkmeister.doctor.findings import OK, WRONG
from shrinkmeister.doctor.http import Response, get
from shrinkmeister.doctor.sources import FIELD_HINT
from shrinkmeister.eager import eager_thumbnails
from shrinkmeister.sources import field_storages
from shrinkmeister_server.checks import check_server
from tests.servers.faulty import FaultyProxy, running_faulty
from tests.servers.process import HOST
from tests.servers.s3 import S3Server, make_bucket, remove_bucket
from tests.servers.thumbnails import running_thumbnail_server
from tests.site.models import Photo
from tests.support.pictures import picture, size_of

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails, pytest.mark.django_db]

SECRET = "the secret of site and server which is long enough"
S3 = "storages.backends.s3.S3Storage"

# Where the image fields of tests.site have their files.
FOLDERS = ("photos", "covers", "portraits")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


class Elsewhere:
    """A site with its thumbnails in its own account, and photos at another endpoint, of another account."""

    def __init__(
        self, stack: ExitStack, directory: Path, settings: Any, own: S3Server, redis: str, thumbs: str
    ) -> None:
        assert own.stranger
        self._stack = stack
        self._directory = directory
        self._settings = settings
        self._own = own
        self.proxy: FaultyProxy = stack.enter_context(running_faulty(own.endpoint_url))
        access_key, secret_key = own.stranger
        self.other = replace(own, access_key=access_key, secret_key=secret_key, endpoint_url=self.proxy.url)
        self.bucket = f"{thumbs}-elsewhere"
        make_bucket(self.other, self.bucket)
        stack.callback(remove_bucket, self.other, self.bucket)
        self.r2 = {
            "BACKEND": S3,
            "OPTIONS": {**self.other.storage_options, "bucket_name": self.bucket, "location": "media"},
        }
        default = {**own.storage_options, "bucket_name": thumbs, "querystring_auth": False}
        settings.STORAGES = {"default": {"BACKEND": S3, "OPTIONS": default}, "r2": self.r2}
        settings.THUMBNAIL_SECRET_KEY = SECRET
        settings.THUMBNAIL_BUCKET = thumbs
        settings.CACHES = {"default": settings.CACHES["default"]}
        settings.THUMBNAIL_CACHE_BACKEND = "redis"
        settings.THUMBNAIL_CACHE_NAME = None
        settings.THUMBNAIL_CACHE_LOCATION = redis
        self.variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": redis,
            "THUMBNAIL_BUCKET": thumbs,
            "THUMBNAIL_SOURCES": f"s3://{thumbs},s3://{self.bucket},storage://r2",
            "AWS_S3_URL_PROTOCOL": "http:",
            "STORAGES": json.dumps({"default": {"BACKEND": S3}, "r2": self.r2}),
            **own.variables,
        }
        self.photo = Photo()
        self.photo.image.storage = storages["r2"]
        self.photo.image.name = storages["r2"].save("dawn.jpg", ContentFile(picture((400, 300))))

    def start(self, **changed: str) -> None:
        started = running_thumbnail_server(self._directory, {**self.variables, **changed}, workers=1)
        self._settings.THUMBNAIL_SERVER_URL = self._stack.enter_context(started).url


@pytest.fixture
def elsewhere(
    stack: ExitStack,
    tmp_path: Path,
    settings: Any,
    redis_location: str,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
) -> Elsewhere:
    if s3_server.stranger is None:
        pytest.skip("the S3 server has no second account")
    return Elsewhere(stack, tmp_path, settings, s3_server, redis_location, s3_bucket(public=True))


def browse(url: str) -> Response:
    return get(url, 60, redirects=True)


def test_the_whole_way(elsewhere: Elsewhere) -> None:
    """One request reads the source, with the keys of its own account; and `delete()` finds all of it."""
    elsewhere.start()
    seen = len(elsewhere.proxy.requests)
    lazy = get_thumbnail(elsewhere.photo.image, "300x200", crop="center")
    assert lazy.lazy
    made = browse(lazy.url)
    assert (made.status, size_of(made.body)) == (200, (300, 200))
    asked = [(one.method, one.path.partition("?")[0]) for one in elsewhere.proxy.requests[seen:]]
    assert asked == [("GET", f"/{elsewhere.bucket}/media/dawn.jpg")]
    final = get_thumbnail(elsewhere.photo.image, "300x200", crop="center")
    assert (final.lazy, final.certain_size) == (False, (300, 200))
    delete(elsewhere.photo.image)
    assert browse(final.url).status in (403, 404)
    assert not storages["r2"].exists("dawn.jpg")
    assert get_thumbnail(elsewhere.photo.image, "300x200", crop="center").lazy


def test_what_is_not_there(elsewhere: Elsewhere) -> None:
    elsewhere.start()
    elsewhere.photo.image.name = "gone.jpg"
    assert get(get_thumbnail(elsewhere.photo.image, "30").url, 60).status == 404


def test_the_eager_mode(elsewhere: Elsewhere) -> None:
    with eager_thumbnails():
        made = get_thumbnail(elsewhere.photo.image, "30x20", crop="center")
    assert size_of(browse(made.url).body) == (30, 20)


@pytest.fixture
def field(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image fields of the site are all in that storage."""
    for place in field_storages():
        model, _, name = place.field.rpartition(".")
        monkeypatch.setattr(apps.get_model(model)._meta.get_field(name), "storage", storages["r2"])


def warned() -> set[str]:
    return {str(message.id) for message in check_client(None)}


@pytest.mark.usefixtures("field")
class TestWrongSetUp:
    def test_the_check(self, elsewhere: Elsewhere, settings: Any) -> None:
        settings.THUMBNAIL_SERVER_URL = "https://thumbs.example.com"
        assert warned() == {"shrinkmeister.W013"}
        settings.THUMBNAIL_SOURCES = ["storage://r2"]
        assert warned() == set()
        settings.THUMBNAIL_SOURCES = []
        settings.THUMBNAIL_STORAGE = "r2"
        assert warned() == set()

    def test_all_is_well(self, elsewhere: Elsewhere) -> None:
        elsewhere.start()
        assert {finding.status for finding in examine(None, 60)} == {OK}

    @pytest.mark.parametrize("wrong", ["sources", "alias", "keys", "endpoint"])
    def test_the_doctor(self, elsewhere: Elsewhere, wrong: str) -> None:
        own = f"s3://{elsewhere.variables['THUMBNAIL_BUCKET']}"
        r2 = json.loads(json.dumps(elsewhere.r2))
        changed, status = {"STORAGES": json.dumps({"default": {"BACKEND": S3}, "r2": r2})}, 502
        match wrong:
            case "sources":
                changed, status = {"THUMBNAIL_SOURCES": own}, 403
            case "alias":
                changed = {"STORAGES": json.dumps({"default": {"BACKEND": S3}})}
            case "keys":
                r2["OPTIONS"]["secret_key"] = "wrong"
                changed = {"STORAGES": json.dumps({"default": {"BACKEND": S3}, "r2": r2})}
            case "endpoint":
                r2["OPTIONS"]["endpoint_url"] = f"http://{HOST}:1"
                changed = {"STORAGES": json.dumps({"default": {"BACKEND": S3}, "r2": r2})}
        elsewhere.start(**changed)
        found = [finding for finding in examine(None, 60) if finding.status != OK]
        assert {(one.id, one.status) for one in found} == {("sources", WRONG)}
        assert {one.hint for one in found} == {
            FIELD_HINT.format(entry=f"'storage://r2/{folder}/'") for folder in FOLDERS
        }
        assert all(f": {status} " in one.message for one in found)

    def test_the_doctor_of_a_bucket_that_the_server_does_not_reach(
        self, elsewhere: Elsewhere, settings: Any
    ) -> None:
        """The site takes the other account for the server's own."""
        settings.THUMBNAIL_STORAGE = "r2"
        elsewhere.start()
        found = {finding.id: finding for finding in examine(None, 60) if finding.status != OK}
        assert found.keys() == {"sources"}
        assert found["sources"].hint in {
            FIELD_HINT.format(entry=f"'s3://{elsewhere.bucket}/media/{folder}/'") for folder in FOLDERS
        }


def test_the_server_checks_the_aliases_that_it_may_read(settings: Any) -> None:
    settings.THUMBNAIL_SOURCES = ["storage://default", "storage://r2/photos/"]
    assert "shrinkmeister.E113" in {message.id for message in check_server(None)}
    settings.STORAGES = {**settings.STORAGES, "r2": settings.STORAGES["default"]}
    assert "shrinkmeister.E113" not in {message.id for message in check_server(None)}
    settings.AWS_STORAGE_BUCKET_NAME = None
    settings.STORAGES = {**settings.STORAGES, "r2": {"BACKEND": "storages.backends.s3.S3Storage"}}
    (found,) = (message for message in check_server(None) if message.id == "shrinkmeister.E113")
    assert "'r2'" in str(found.hint)
    settings.STORAGES["r2"]["OPTIONS"] = {"bucket_name": "photos", "endpoint_url": "localhost"}
    settings.STORAGES = {**settings.STORAGES}
    (found,) = (message for message in check_server(None) if message.id == "shrinkmeister.E103")
    assert "'r2'" in found.msg


def test_commands_run_where_a_storage_cannot_be_opened(settings: Any) -> None:
    """As in the build of an image that has no boto3."""
    settings.THUMBNAIL_SERVER_URL = "https://thumbs.example.com"
    settings.STORAGES = {
        "default": {"BACKEND": "nowhere.Storage"},
        "thumbs": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    settings.THUMBNAIL_STORAGE = "thumbs"
    assert warned() == set()
    settings.THUMBNAIL_STORAGE = "default"
    settings.AWS_QUERYSTRING_EXPIRE = 10**7
    assert warned() == set()


def test_a_storage_that_nobody_names(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.THUMBNAIL_SERVER_URL = "https://thumbs.example.com"
    field: Any = Photo._meta.get_field("image")
    monkeypatch.setattr(field, "storage", FileSystemStorage(location="/nowhere"))
    assert warned() == {"shrinkmeister.W015"}

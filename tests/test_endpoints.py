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
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from sorl.thumbnail import get_thumbnail

from shrinkmeister.web import Reply, get
from tests.pictures import picture, size_of
from tests.servers.faulty import FaultyProxy, running_faulty
from tests.servers.s3 import S3Server, make_bucket, remove_bucket
from tests.servers.thumbnails import running_thumbnail_server
from tests.site.models import Photo

pytestmark = pytest.mark.makes_thumbnails

SECRET = "the secret of site and server which is long enough"
S3 = "storages.backends.s3.S3Storage"


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


def browse(url: str) -> Reply:
    return get(url, 60, redirects=True)


def test_the_whole_way(elsewhere: Elsewhere) -> None:
    elsewhere.start()
    lazy = get_thumbnail(elsewhere.photo.image, "300x200", crop="center")
    assert lazy.lazy
    made = browse(lazy.url)
    assert (made.status, size_of(made.body)) == (200, (300, 200))

"""Site and thumbnail server as two processes, on real caches and real buckets.

The site is this process; the server is gunicorn, which knows its environment variables alone.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from sorl.thumbnail import delete, get_thumbnail

from tests.servers.s3 import S3Server
from tests.servers.thumbnails import running_thumbnail_server
from tests.site.models import Photo
from tests.support.pictures import picture, size_of

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails, pytest.mark.django_db]

SECRET = "the secret of site and server, which is long enough"


class Deployment:
    """A site with one photo, and its thumbnail server, with the same settings by construction."""

    def __init__(
        self, stack: ExitStack, directory: Path, settings: Any, cache: tuple[str, str, str]
    ) -> None:
        self._stack = stack
        self._directory = directory
        self._settings = settings
        backend, location, caches = cache
        self.shared = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_BACKEND": backend,
            "THUMBNAIL_CACHE_LOCATION": location,
            "THUMBNAIL_CACHE_NAME": "thumbs" if caches else "",
            "CACHES": caches,
        }
        settings.THUMBNAIL_SECRET_KEY = SECRET
        settings.THUMBNAIL_CACHE_BACKEND = backend
        settings.THUMBNAIL_CACHE_LOCATION = location
        settings.THUMBNAIL_CACHE_NAME = "thumbs"
        settings.CACHES = {"default": settings.CACHES["default"], **json.loads(caches or "{}")}
        settings.THUMBNAIL_ALTERNATIVE_RESOLUTIONS = [2]

    def on_buckets(self, s3: S3Server, new_bucket: Callable[..., str], private: bool) -> None:
        media, thumbs = new_bucket(), new_bucket(public=not private)
        options = {**s3.storage_options, "bucket_name": media, "querystring_auth": private}
        self._settings.STORAGES = {
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        }
        self._settings.THUMBNAIL_BUCKET = thumbs
        self._start(
            THUMBNAIL_BUCKET=thumbs,
            THUMBNAIL_SOURCES=f"s3://{media}",
            **s3.variables,
            AWS_QUERYSTRING_AUTH=str(private),
        )

    def on_files(self) -> None:
        self._settings.STORAGES = {
            "default": {
                "BACKEND": "django.core.files.storage.FileSystemStorage",
                "OPTIONS": {
                    "location": str(self._directory / "media"),
                    "base_url": (self._directory / "media").as_uri().replace("file://", "http://files")
                    + "/",
                },
            }
        }
        self._start(STORAGES=json.dumps(self._settings.STORAGES))

    def _start(self, **variables: str) -> None:
        server = running_thumbnail_server(
            self._directory, {**self.shared, "THUMBNAIL_ALTERNATIVE_RESOLUTIONS": "2", **variables}
        )
        self.server = self._stack.enter_context(server)
        self._settings.THUMBNAIL_SERVER_URL = self.server.url
        name = storages["default"].save("Fotos/Zürich 1.jpg", ContentFile(picture((800, 600))))
        self.photo = Photo(image=name)

    def thumbnail(self, geometry: str = "300x200", **options: Any) -> Any:
        return get_thumbnail(self.photo.image, geometry, **{"crop": "center", **options})

    def browse(self, url: str) -> bytes:
        """What a browser gets for the URL of an image, through redirects."""
        answer = urllib3.request("GET", url, redirect=False, retries=False, timeout=60)
        while answer.status == 302:
            url = answer.headers["Location"]
            if url.startswith("http://files/"):
                return Path(url.removeprefix("http://files").replace("%20", " ")).read_bytes()
            answer = urllib3.request("GET", url, redirect=False, retries=False, timeout=60)
        assert answer.status == 200, (url, answer.data, self.server.log.read_text())
        return answer.data


@pytest.fixture(params=["redis", "memcached", "django"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, str]:
    """THUMBNAIL_CACHE_BACKEND, THUMBNAIL_CACHE_LOCATION, CACHES."""
    if request.param == "django":
        files = {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path / "cache"),
        }
        return "django", "", json.dumps({"thumbs": files})
    return request.param, request.getfixturevalue(f"{request.param}_location"), ""


@pytest.fixture(params=["public bucket", "private bucket", "files"])
def deployment(
    request: pytest.FixtureRequest, cache: tuple[str, str, str], settings: Any, tmp_path: Path
) -> Iterator[Deployment]:
    with ExitStack() as stack:
        deployment = Deployment(stack, tmp_path, settings, cache)
        if request.param == "files":
            deployment.on_files()
        else:
            s3 = request.getfixturevalue("s3_server")
            bucket = request.getfixturevalue("s3_bucket")
            deployment.on_buckets(s3, bucket, private=request.param == "private bucket")
        yield deployment


def test_the_main_job(deployment: Deployment) -> None:
    """Cold page, browser, warm page, alternative resolution, deletion: on each cache and storage."""
    assert urllib3.request("GET", f"{deployment.server.url}/healthz", timeout=60).json() == {
        "cache": "ok",
        "bucket": "ok",
        "engine": "ok",
    }

    headers = {"Host": "elsewhere.example.com"}
    assert (
        urllib3.request("GET", f"{deployment.server.url}/nothing", headers=headers, timeout=60).status
        == 400
    )

    cold = deployment.thumbnail()
    assert cold.lazy
    assert cold.url.startswith(deployment.server.url)
    assert size_of(deployment.browse(cold.url)) == (300, 200)

    warm = deployment.thumbnail()
    assert not warm.lazy
    assert warm.certain_size == (300, 200)
    assert not warm.url.startswith(deployment.server.url)
    assert size_of(deployment.browse(cold.url_of("2x"))) == (600, 400)
    # What is known of the source makes the next cold thumbnail's size certain.
    assert deployment.thumbnail("90", crop=False).certain_size == (90, 68)

    delete(deployment.photo.image)
    assert deployment.thumbnail().lazy
    answer = urllib3.request("GET", cold.url, redirect=False, retries=False, timeout=60)
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")
    assert "Traceback" not in deployment.server.log.read_text()


@pytest.mark.parametrize("cache", ["redis"], indirect=True)
@pytest.mark.parametrize("deployment", ["public bucket"], indirect=True)
def test_many_browsers_at_once_get_the_one_thumbnail(deployment: Deployment) -> None:
    url = deployment.thumbnail("640x480").url
    with ThreadPoolExecutor(20) as pool:
        pictures = list(pool.map(deployment.browse, [url] * 20))
    assert len(set(pictures)) == 1
    assert size_of(pictures[0]) == (640, 480)

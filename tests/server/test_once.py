"""200 visitors at once of one thumbnail that does not exist, at four server processes: it is made once."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.conftest import SURVIVED
from tests.servers.canned import answering
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import encoded, photograph

pytestmark = [pytest.mark.outside, pytest.mark.makes_thumbnails, pytest.mark.survives("storms of visitors")]

SECRET = "the secret of the servers that are stormed, long enough"
VISITORS = 200


@contextmanager
def serving(data: bytes) -> Iterator[tuple[str, list[str]]]:
    """A web server of one source: its address, and what it was asked for."""
    asked: list[str] = []

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        return 200, {}, data

    with answering(answer) as url:
        yield url.removeprefix("http://"), asked


@pytest.fixture(params=["redis", "memcached", "django"])
def cache(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables of the server that say where the shared cache is."""
    if request.param == "django":
        location = request.getfixturevalue("redis_location")
        alias = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location}
        return {
            "THUMBNAIL_CACHE_BACKEND": "django",
            "THUMBNAIL_CACHE_NAME": "thumbs",
            "CACHES": json.dumps({"thumbs": alias}),
        }
    location = request.getfixturevalue(f"{request.param}_location")
    return {"THUMBNAIL_CACHE_BACKEND": request.param, "THUMBNAIL_CACHE_LOCATION": location}


def test_a_storm(
    cache: dict[str, str],
    tmp_path: Path,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
    record_property: Callable[[str, int], None],
) -> None:
    with serving(encoded(photograph((3000, 2000)), "JPEG", quality=85)) as (host, asked):
        variables = {
            **cache,
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_BUCKET": s3_bucket(public=True),
            "THUMBNAIL_SOURCES": f"http://{host}",
            "THUMBNAIL_PRIVATE_HOSTS": host,
            **s3_server.variables,
        }
        spec = ThumbnailSpec(Source("http", host, "dawn.jpg"), "300x200", {"crop": "center"})
        path = f"{Tokens([SECRET]).encrypt(spec)}.jpg"
        with (
            running_thumbnail_server(tmp_path, variables, workers=4) as server,
            ThreadPoolExecutor(VISITORS) as visitors,
        ):
            url = f"{server.url}/{path}"

            def visit(_: int) -> urllib3.BaseHTTPResponse:
                return urllib3.request("GET", url, redirect=False, retries=False, timeout=30)

            answers = list(visitors.map(visit, range(VISITORS)))
            assert [answer.status for answer in answers] == [302] * VISITORS, server.log.read_text()
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert asked == ["/dawn.jpg"]
    record_property(f"{SURVIVED}visitors at once of one thumbnail", VISITORS)
    assert sum("encode" in answer.headers["Server-Timing"] for answer in answers) == 1
    assert (
        urllib3.request("GET", answers[0].headers["Location"], timeout=60).headers["Content-Type"]
        == "image/jpeg"
    )

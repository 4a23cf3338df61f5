"""A shared cache that is emptied, and a bucket that is, under visitors: it heals by itself."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import urllib3
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from redis import Redis
from sorl.thumbnail import get_thumbnail

from shrinkmeister.cache import get_shared_cache
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import picture

pytestmark = [
    pytest.mark.outside,
    pytest.mark.makes_thumbnails,
    pytest.mark.survives("losses under visitors"),
]

SECRET = "the secret of what loses things, which is long enough"
NAMES = [f"photos/{number}.jpg" for number in range(20)]
VISITORS = 6
# Seconds for which a record is believed.
CHECK_TTL = 3


@dataclass
class Site:
    client: Any
    bucket: str
    redis: Redis

    def visit(self, name: str) -> int:
        """As a browser: the status of the picture, in the end."""
        answer = urllib3.request("GET", get_thumbnail(name, "300x200", crop="center").url, timeout=60)
        return answer.status

    def visit_all(self) -> list[int]:
        return [self.visit(name) for name in NAMES]

    def written(self) -> dict[str, Any]:
        """Thumbnail -> when."""
        listed = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        return {entry["Key"]: entry["LastModified"] for entry in listed}

    def empty_bucket(self) -> None:
        gone = [{"Key": name} for name in self.written()]
        self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": gone})


@pytest.fixture
def site(
    tmp_path: Path,
    settings: Any,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
    redis_location: str,
) -> Iterator[Site]:
    media, thumbs = s3_bucket(), s3_bucket(public=True)
    options = {**s3_server.storage_options, "bucket_name": media, "querystring_auth": False}
    settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
    settings.THUMBNAIL_SECRET_KEY = SECRET
    settings.THUMBNAIL_BUCKET = thumbs
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    settings.THUMBNAIL_CHECK_TTL = CHECK_TTL
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_BUCKET": thumbs,
        "THUMBNAIL_SOURCES": f"s3://{media}",
        "THUMBNAIL_CHECK_TTL": str(CHECK_TTL),
        **s3_server.variables,
    }
    for name in NAMES:
        storages["default"].save(name, ContentFile(picture((400, 300))))
    with (
        running_thumbnail_server(tmp_path, variables, threads=8) as server,
        Redis.from_url(redis_location) as redis,
    ):
        settings.THUMBNAIL_SERVER_URL = server.url
        yield Site(s3_server.client(), thumbs, redis)


def test_a_cache_that_is_emptied_again_and_again(site: Site) -> None:
    """Nothing is made again: records come back from the bucket."""
    assert set(site.visit_all()) == {200}
    before = site.written()
    assert len(before) == len(NAMES)
    last = int(time.time())
    # Or what is made again would have been written in the same second.
    wait_until(lambda: int(time.time()) > last + 1, "another second", 5)
    visits = count()

    def visit(_: int) -> list[int]:
        statuses = []
        for name in NAMES * 3:
            if next(visits) % 40 == 20:
                site.redis.flushall()
            statuses.append(site.visit(name))
        return statuses

    with ThreadPoolExecutor(VISITORS) as visitors:
        seen = [status for statuses in visitors.map(visit, range(VISITORS)) for status in statuses]
    assert set(seen) == {200}
    assert site.written() == before
    site.visit_all()
    assert len(site.redis.keys("shrinkmeister:t1:*")) == len(NAMES)


def test_a_bucket_that_is_emptied(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages show broken images until one is found lost, and then they heal all at once."""
    cache = get_shared_cache()
    # For the pages no record is due until one of them has shown what is lost.
    monkeypatch.setattr(cache.lookups, "check_ttl", 3600)
    assert set(site.visit_all()) == {200}
    stop, lost = Event(), Event()

    def browse(_: int) -> int:
        whole = 0
        while not stop.is_set():
            for name in NAMES:
                status = site.visit(name)
                # S3 says "forbidden" of what is not there to those who may not list.
                assert status in (200, 403)
                whole += status == 200
                if status == 403:
                    lost.set()
        return whole

    with ThreadPoolExecutor(VISITORS) as visitors:
        browsing = visitors.map(browse, range(VISITORS))
        try:
            site.empty_bucket()
            assert lost.wait(30), "nobody has seen a broken image"
            monkeypatch.setattr(cache.lookups, "check_ttl", CHECK_TTL)
            wait_until(lambda: set(site.visit_all()) == {200}, "all to heal", 30)
        finally:
            stop.set()
    assert sum(browsing)
    assert len(site.written()) == len(NAMES)

"""Servers that are killed while they make thumbnails: nothing half-done is left, and the next are served.

KILLS=100 makes it 100 times; 12 are the default.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from select import select

import pytest
import urllib3
from redis import Redis

from shrinkmeister.protocol.keys import lock_key, object_name, record_key
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.conftest import SURVIVED
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import ThumbnailServer, running_thumbnail_server
from tests.support.pictures import encoded, photograph, size_of

pytestmark = [
    pytest.mark.outside,
    pytest.mark.makes_thumbnails,
    pytest.mark.survives("servers killed while they worked"),
]

KILLS = int(os.environ.get("KILLS", "12"))
# Seconds within which a worker mostly has made a thumbnail.
LONGEST = 0.2
SECRET = "the secret of the servers that are killed, long enough"
PREFIX = "shrinkmeister:"


class Making:
    """A server with one worker, its bucket and its Redis."""

    def __init__(self, server: ThumbnailServer, s3: S3Server, photos: str, thumbs: str, redis: str) -> None:
        self.server = server
        self.client = s3.client()
        self.photos, self.thumbs = photos, thumbs
        self.redis = Redis.from_url(redis)
        self.tokens = Tokens([SECRET])

    def spec(self, number: int) -> ThumbnailSpec:
        options = {"crop": "center", "version": number}
        return ThumbnailSpec(Source("s3", self.photos, "dawn.jpg"), "300x200", options)

    def get(self, spec: ThumbnailSpec) -> urllib3.BaseHTTPResponse:
        url = f"{self.server.url}/{self.tokens.encrypt(spec)}.jpg"
        return urllib3.request("GET", url, redirect=False, retries=False, timeout=30)

    def kill_worker(self) -> None:
        """gunicorn starts another one, and keeps connections waiting for it."""
        pid = self.server.process.pid
        for worker in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            process = os.pidfd_open(int(worker))
            signal.pidfd_send_signal(process, signal.SIGKILL)
            # Until it is gone, it may take another connection with it.
            select([process], [], [])
            os.close(process)

    def is_recorded(self, spec: ThumbnailSpec) -> bool:
        return bool(self.redis.exists(PREFIX + record_key(spec)))

    def stored(self, spec: ThumbnailSpec) -> bytes | None:
        try:
            answer = self.client.get_object(Bucket=self.thumbs, Key=object_name(spec, "cache/"))
        except self.client.exceptions.NoSuchKey:
            return None
        data: bytes = answer["Body"].read()
        return data


@pytest.fixture
def making(
    tmp_path: Path, s3_server: S3Server, s3_bucket: Callable[..., str], redis_location: str
) -> Iterator[Making]:
    photos, thumbs = s3_bucket(), s3_bucket(public=True)
    data = encoded(photograph((3000, 2000)), "JPEG", quality=85)
    s3_server.client().put_object(Bucket=photos, Key="dawn.jpg", Body=data)
    variables = {
        "THUMBNAIL_SECRET_KEY": SECRET,
        "THUMBNAIL_CACHE_LOCATION": redis_location,
        "THUMBNAIL_BUCKET": thumbs,
        "THUMBNAIL_SOURCES": f"s3://{photos}",
        "THUMBNAIL_LOCK_SECONDS": "1",
        **s3_server.variables,
    }
    with running_thumbnail_server(tmp_path, variables, workers=1) as server:
        yield Making(server, s3_server, photos, thumbs, redis_location)


def test_killed_at_random_moments(making: Making, record_property: Callable[[str, int], None]) -> None:
    interrupted = 0
    moments = random.Random(4)
    with ThreadPoolExecutor(1) as browser:
        for number in range(KILLS):
            spec = making.spec(number)
            asked = browser.submit(making.get, spec)
            # The moment is what is random; nothing is waited for but the answer, if it comes before.
            wait([asked], timeout=moments.uniform(0, LONGEST))
            making.kill_worker()
            interrupted += asked.exception() is not None
            if making.is_recorded(spec):
                assert making.stored(spec) is not None, "a record without its object"
            if (data := making.stored(spec)) is not None:
                assert size_of(data) == (300, 200), "half an object"

            answer = making.get(spec)
            assert answer.status == 302, making.server.log.read_text()
            data = making.stored(spec)
            assert data is not None
            assert size_of(data) == (300, 200)
            assert making.is_recorded(spec)
            # Gone, or about to end: who is killed between recording and unlocking leaves it.
            assert making.redis.pttl(PREFIX + lock_key(spec)) <= 1000
    assert interrupted, "nothing was killed while it worked"
    record_property(f"{SURVIVED}kills of a worker", KILLS)
    record_property(f"{SURVIVED}kills of a worker before its answer", interrupted)

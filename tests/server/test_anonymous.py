"""What a request without a genuine token costs: no operation of the cache or the bucket, and one line."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.faulty import FaultyProxy, running_faulty
from tests.servers.process import HOST
from tests.servers.s3 import S3Server
from tests.servers.thumbnails import ThumbnailServer, running_thumbnail_server, running_waitress

pytestmark = [
    pytest.mark.outside,
    pytest.mark.makes_thumbnails,
    pytest.mark.survives("floods and slow clients"),
]

SECRET = "the secret of a server that strangers ask, long enough"
OTHERS = Tokens(["a secret of a stranger, which is long enough too"])
FORGED = OTHERS.encrypt(ThumbnailSpec(Source("s3", "photos", "dawn.jpg"), "300x200", {}))


def request(method: str, path: str, body: str = "", **headers: str) -> bytes:
    given = {"Host": HOST, "Connection": "close", **headers}
    if body:
        given["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in given.items()]]
    return "\r\n".join([*lines, "", body]).encode("latin-1")


def texts(*some: str) -> str:
    return json.dumps({"thumbnails": some})


REQUESTS = {
    "a forged token": request("GET", f"/{FORGED}.jpg"),
    "a HEAD for one": request("HEAD", f"/{FORGED}@2x.jpg"),
    "a token that is none": request("GET", "/AAAA.jpg"),
    "the longest token": request("GET", f"/{'A' * 3800}.jpg"),
    "options": request("OPTIONS", f"/{FORGED}.jpg", Origin="https://www.example.com"),
    "another method": request("DELETE", f"/{FORGED}.jpg"),
    "a method of nobody": request("X" * 19, "/nothing"),
    "a long path": request("GET", f"/{'a/' * 1900}"),
    "a long query": request("GET", f"/?{'a' * 3800}"),
    "a long header": request("GET", "/nothing", **{"User-Agent": "a" * 8000}),
    "a long host": request("GET", "/nothing", Host="h" * 8000),
    "a host of terminals": request("GET", "/nothing", Host="\x9b31m"),
    "a question that is none": request("GET", f"/doctor/{'A' * 3000}"),
    "a forged question": request("GET", f"/doctor/{FORGED}"),
    "a batch of garbage": request("POST", "/thumbnails", texts(*["AAAA.jpg", "x" * 4000] * 50)),
    "a batch of forged tokens": request("POST", "/thumbnails", texts(*[f"{FORGED}.jpg"] * 100)),
    "a batch that is too long": request("POST", "/thumbnails", texts(*["A"] * 101)),
    "a body that is no JSON": request("POST", "/thumbnails", "[" * 100_000),
    "a body that is too long": request("POST", "/thumbnails", **{"Content-Length": "9" * 12}),
    "a body for another": request("GET", "/nothing", "x" * 500),
    "metrics": request("GET", "/metrics"),
    "liveness": request("GET", "/livez"),
}


@dataclass(frozen=True)
class Asked:
    server: ThumbnailServer
    redis: redis.Redis
    s3: FaultyProxy

    def status(self, question: bytes) -> int:
        """Of the whole answer."""
        answer = b""
        with socket.create_connection((HOST, urlsplit(self.server.url).port or 0), 60) as client:
            client.sendall(question)
            try:
                while more := client.recv(65536):
                    answer += more
            except ConnectionResetError:
                # A body that is refused may still be on its way.
                assert answer
        return int(answer.split()[1])

    def operations(self) -> dict[str, int]:
        """Of the cache, since it has begun to count; and of the bucket."""
        stats = self.redis.info("commandstats")
        ours = {"cmdstat_info", "cmdstat_config|resetstat", "cmdstat_client|setinfo"}
        counts = {name: int(values["calls"]) for name, values in stats.items() if name not in ours}
        return {**counts, "s3": len(self.s3.requests)}


@pytest.fixture(params=[running_thumbnail_server, running_waitress], ids=["gunicorn", "serve"])
def asked(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
    redis_location: str,
) -> Iterator[Asked]:
    with running_faulty(s3_server.endpoint_url) as s3, redis.Redis.from_url(redis_location) as cache:
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": redis_location,
            "THUMBNAIL_BUCKET": s3_bucket(),
            "THUMBNAIL_SOURCES": "s3://photos",
            "THUMBNAIL_CORS_ORIGINS": "https://www.example.com",
            **s3_server.variables,
            "AWS_S3_ENDPOINT_URL": s3.url,
        }
        with request.param(tmp_path, variables) as server:
            yield Asked(server, cache, s3)


def test_strangers_cost_nothing(asked: Asked) -> None:
    # Processes of their own have made their connections by now.
    assert asked.status(request("GET", "/healthz")) == 200
    asked.redis.config_resetstat()
    before = asked.operations()
    for kind, question in REQUESTS.items():
        lines = asked.server.log.read_text().splitlines()
        status = asked.status(question)
        assert (kind in ("liveness", "options"), kind.startswith("a batch of")) == (
            status == 200 and not kind.startswith("a batch of"),
            status == 200 and kind not in ("liveness", "options"),
        ), (kind, status)
        more = asked.server.log.read_text().splitlines()[len(lines) :]
        assert len(more) <= 1, (kind, more)
        assert all(len(line) < 1200 for line in more), kind
        assert FORGED[:40] not in "".join(more), kind
    assert asked.operations() == before


def test_the_health_costs_once_in_some_seconds(asked: Asked) -> None:
    """Of each process; all but the first of these requests come within seconds, or one more is examined."""
    asked.redis.config_resetstat()
    before = asked.operations()["s3"]
    assert [asked.status(request("GET", "/healthz")) for _ in range(50)] == [200] * 50
    # Two processes; and a machine that pauses may let some seconds pass.
    assert 1 <= asked.operations()["s3"] - before < 50

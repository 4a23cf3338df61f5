"""docs/understand/costs.md: its tables are those of the model, whose requests are those of the code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from redis import Redis

from bench.model import (
    CHECK,
    FOUND,
    NEW,
    NOTHING_FREE,
    PAGE,
    Prices,
    Site,
    checks_of,
    figures,
    number,
    stale_share,
    written,
)
from shrinkmeister.cache import SharedCache, get_shared_cache
from shrinkmeister.cache.connection import CacheConnection, RecordCodec
from shrinkmeister.protocol.keys import record_key
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.faulty import FaultyProxy, running_faulty
from tests.servers.s3 import S3Server
from tests.support.pictures import picture
from tests.support.sides import Server

SECRET = "the secret of what is counted, which is long enough"
DAY = 24 * 3600


def test_the_page_has_the_tables_of_the_model() -> None:
    text = PAGE.read_text()
    assert text == written(text), "run `python -m bench.model`"


@dataclass
class Counted:
    """What the server in this process has asked for since the last time."""

    redis: Redis
    proxy: FaultyProxy
    before: int = 0

    def commands(self) -> int:
        stats: Any = self.redis.info("commandstats")
        counts = {name: one["calls"] for name, one in stats.items() if name not in OURS}
        former, self.before = self.before, sum(counts.values())
        return self.before - former

    def requests(self) -> list[str]:
        methods = [request.method for request in self.proxy.requests]
        self.proxy.requests.clear()
        return methods


# What a client of Redis says of itself, and what we ask.
OURS = ("cmdstat_info", "cmdstat_client|setinfo", "cmdstat_hello", "cmdstat_client|setname")


@pytest.fixture
def spec(s3_server: S3Server, s3_bucket: Callable[..., str]) -> ThumbnailSpec:
    photos = s3_bucket()
    s3_server.client().put_object(Bucket=photos, Key="dawn.jpg", Body=picture((400, 300)))
    return ThumbnailSpec(Source("s3", photos, "dawn.jpg"), "300x200", {"crop": "center"})


@pytest.fixture
def counted(
    settings: Any,
    s3_server: S3Server,
    s3_bucket: Callable[..., str],
    redis_location: str,
    spec: ThumbnailSpec,
) -> Iterator[Counted]:
    settings.THUMBNAIL_SECRET_KEY = SECRET
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    settings.THUMBNAIL_BUCKET = s3_bucket()
    settings.THUMBNAIL_SOURCES = [f"s3://{spec.source.container}"]
    with running_faulty(s3_server.endpoint_url) as proxy, Redis.from_url(redis_location) as redis:
        options = replace(s3_server, endpoint_url=proxy.url).storage_options
        options |= {"bucket_name": settings.THUMBNAIL_BUCKET, "querystring_auth": False}
        settings.STORAGES = {"default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}}
        # As where everything that is stored is known.
        get_shared_cache().coordination.initialize(lambda: True)
        counted = Counted(redis, proxy)
        counted.commands()
        yield counted


@pytest.mark.outside
def test_requests_take_what_the_model_says(
    counted: Counted, server: Server, spec: ThumbnailSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{Tokens([SECRET]).encrypt(spec)}.jpg"
    for step, asked in ((NEW, ["GET", "PUT"]), (FOUND, [])):
        assert server.get(path).status_code == 302
        assert (counted.commands(), counted.requests()) == (step.commands, asked)
        assert (step.gets, step.puts) == (asked.count("GET"), asked.count("PUT"))

    monkeypatch.setattr(get_shared_cache().coordination, "check_ttl", 0)
    assert server.get(path).status_code == 302
    assert (counted.commands(), counted.requests()) == (CHECK.commands, ["HEAD"])
    assert (CHECK.gets, CHECK.puts) == (1, 0)

    # The same after the loss of the shared cache; one request then asks whether anything is stored, too.
    counted.redis.flushdb()
    counted.redis.set("shrinkmeister:complete", 2**40)
    counted.commands()
    assert server.get(path).status_code == 302
    assert (counted.commands(), counted.requests()) == (CHECK.commands, ["HEAD"])


def test_records_are_due_when_the_model_says(redis_location: str, settings: Any) -> None:
    settings.THUMBNAIL_CACHE_BACKEND = "redis"
    settings.THUMBNAIL_CACHE_NAME = "unused"
    settings.THUMBNAIL_CACHE_LOCATION = redis_location
    driver, now = get_shared_cache().connection.driver, [1_800_000_000.0]
    cache = SharedCache(
        CacheConnection(driver, "due:"), RecordCodec(Signer([SECRET])), 30 * DAY, 7 * DAY, lambda: now[0]
    )
    for width in range(20, 40):
        spec = ThumbnailSpec(Source("s3", "photos", "dawn.jpg"), f"{width}x20", {"crop": "center"})
        cache.records.save(spec, ThumbnailRecord(width, 20, "https://cdn.example.com/cache/"), None)
        start, seconds = now[0], stale_share(record_key(spec).partition(":")[2]) * 7 * DAY
        now[0] = start + seconds - 1
        assert not cache.lookups.look_up(spec).stale
        now[0] = start + seconds + 1
        assert cache.lookups.look_up(spec).stale
        now[0] = start


def test_checks_in_a_month() -> None:
    """One for each view where views are rare, and no more than records come to be due."""
    assert checks_of(0, 7) == 0
    assert checks_of(0.01, 7) == pytest.approx(0.01, rel=0.01)
    assert 30 / 7 < checks_of(1e6, 7) < 2 * 30 / 7
    assert checks_of(30, 14) < checks_of(30, 7)


def test_nothing_in_the_model_grows_faster_than_the_site() -> None:
    prices = replace(Prices(), node=0, metric=0)  # what does not grow at all
    small, large = (figures(Site(thumbnails=size), prices, free=NOTHING_FREE) for size in (1e6, 1e10))
    assert large.ours / small.ours == pytest.approx(1e4)
    assert large.concurrency / small.concurrency == pytest.approx(1e4)


def test_a_small_site_pays_for_its_redis_and_hardly_for_anything_else() -> None:
    small = figures(Site(thumbnails=1e6))
    assert small.costs["Redis"] == pytest.approx(2 * 0.016 * 730)
    assert small.costs["Lambda, GB-seconds"] == small.costs["CloudWatch, logs"] == 0
    # What is left of the CDN are its own GETs.
    assert small.costs["CDN and its GETs"] < 1
    assert small.costs["Redis"] > small.ours * 0.75


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01683, "0.0168"),
        (4.8, "4.8"),
        (412.4, "412"),
        (41_234, "41,200"),
        (999_600, "1 M"),
        (5_951_000, "5.95 M"),
        (48.1e9, "48.1 G"),
        (9_999e6, "10 G"),
    ],
)
def test_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_page_without_a_place_for_a_table() -> None:
    with pytest.raises(ValueError, match="'assumptions'"):
        written("# Costs\n")

"""What a page of 100 thumbnails costs with Shrinkmeister, with sorl's own backend, and with its neighbours.

All use the same Redis, the same S3 server and the same storage class; sorl and easy-thumbnails keep their
tables in SQLite. A cold page is one before which all records, thumbnails and rows were removed; a warm page
follows when all thumbnails exist. The site is this process, the thumbnail server is gunicorn with two
workers.
"""

import re
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.plots import bars
from bench.results import write
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import S3Server, make_bucket, running_s3
from tests.servers.thumbnails import running_thumbnail_server
from tests.support.pictures import encoded, photograph

PACKAGES = (
    *("django", "sorl-thumbnail", "easy-thumbnails", "django-imagekit", "pillow"),
    *("django-redis", "redis", "django-storages", "boto3"),
)
PHOTOS = 100
DIFFERENT = 10
COLD_ROUNDS = 2
WARM_ROUNDS = 60
SECRET = "the secret of the measurements, long enough"

OURS, NOTHING = "Shrinkmeister", "no thumbnails, the template alone"
IMAGE = '<img src="{{ im.url }}" width="{{ im.width }}" height="{{ im.height }}">'
SORLS = f"""{{% load thumbnail %}}{{% for photo in photos %}}
{{% thumbnail photo.image "300x200" crop="center" as im %}}{IMAGE}{{% endthumbnail %}}{{% endfor %}}"""
EASYS = f"""{{% load easy_thumbnail %}}{{% for photo in photos %}}
{{% thumbnail photo.image 300x200 crop as im %}}{IMAGE}{{% endfor %}}"""
IMAGEKITS = """{% load imagekit %}{% for photo in photos %}
{% thumbnail '300x200' photo.image as im %}<img src="{{ im.url }}">{% endfor %}"""


@dataclass
class Contestant:
    """A template, what it needs set, and what its pages cost in milliseconds."""

    name: str
    template: str
    backend: Any = None
    cache: str = "django-redis"
    has_cold: bool = True
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def main() -> None:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        redis = stack.enter_context(running_redis(directory))
        s3 = stack.enter_context(running_s3(directory))
        make_bucket(s3, "photos")
        make_bucket(s3, "thumbs", public=True)
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": redis.url,
            "THUMBNAIL_BUCKET": "thumbs",
            "THUMBNAIL_SOURCES": "s3://photos",
            **s3.variables,
        }
        server = stack.enter_context(running_thumbnail_server(directory, variables))
        configure(directory, redis, s3, server.url)
        page = Page(redis, s3, upload(s3))
        measure(page)
        redis_version = page.redis.info("server")["redis_version"]
        text = report(page)
    write(f"A page of {PHOTOS} thumbnails", text, PACKAGES, f"Redis {redis_version}")
    draw(page)


def configure(directory: Path, redis: RedisServer, s3: S3Server, server_url: str) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    s3_storage = {"BACKEND": "storages.backends.s3.S3Storage"}
    options = {**s3.storage_options, "querystring_auth": False}
    django_redis = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis.url}
    settings.configure(
        INSTALLED_APPS=[
            *("django.contrib.contenttypes", "shrinkmeister", "sorl.thumbnail"),
            *("easy_thumbnails", "imagekit"),
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "db")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    # Two have a library of this name.
                    "libraries": {
                        "thumbnail": "sorl.thumbnail.templatetags.thumbnail",
                        "easy_thumbnail": "easy_thumbnails.templatetags.thumbnail",
                    }
                },
            }
        ],
        CACHES={
            "default": django_redis,
            "django-redis": django_redis,
            "RedisCache": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": redis.url,
            },
        },
        STORAGES={
            "default": {**s3_storage, "OPTIONS": {**options, "bucket_name": "photos"}},
            # Where all of them write; plain names would mean this storage too, so that files are opened.
            "thumbs": {**s3_storage, "OPTIONS": {**options, "bucket_name": "thumbs"}},
        },
        THUMBNAIL_STORAGE="thumbs",
        THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
        THUMBNAIL_SERVER_URL=server_url,
        THUMBNAIL_SECRET_KEY=SECRET,
        THUMBNAIL_CACHE_LOCATION=redis.url,
        THUMBNAIL_BUCKET="thumbs",
        THUMBNAIL_DEBUG=True,
        # easy-thumbnails; with sizes in its table, or it opens a file for each width and height.
        THUMBNAIL_DEFAULT_STORAGE_ALIAS="thumbs",
        THUMBNAIL_CACHE_DIMENSIONS=True,
        IMAGEKIT_DEFAULT_FILE_STORAGE="thumbs",
    )
    django.setup()
    call_command("migrate", verbosity=0)


def upload(s3: S3Server) -> list[str]:
    """JPEGs of 12 MP; some are the same under several names."""
    client = s3.client()
    with ProcessPoolExecutor() as pool:
        photos = list(pool.map(jpeg, range(DIFFERENT)))
    names = [f"{number}.jpg" for number in range(PHOTOS)]
    for number, name in enumerate(names):
        client.put_object(Bucket="photos", Key=name, Body=photos[number % DIFFERENT])
    return names


def jpeg(seed: int) -> bytes:
    return encoded(photograph((4000, 3000), seed), "JPEG", quality=85)


class KnowsAll:
    """A backend that has nothing to look up: what is left is the template's own."""

    def get_thumbnail(self, file: Any, geometry: str, **options: Any) -> Any:
        return self

    url, width, height = "https://thumbs.example.com/" + "x" * 80, 300, 200


class Page:
    """The page, rendered by one contestant or another, and what it asks of the outside."""

    def __init__(self, redis: RedisServer, s3: S3Server, names: list[str]) -> None:
        from django.template import Template
        from redis import Redis
        from sorl.thumbnail.base import ThumbnailBackend

        from shrinkmeister.backend import ShrinkmeisterBackend

        self.redis = Redis.from_url(redis.url)
        self.s3 = s3
        self.names = names
        self.photo = model()
        self.requests = count_s3_requests()
        self.contestants = [
            Contestant(OURS, SORLS, ShrinkmeisterBackend()),
            Contestant("sorl, with django-redis", SORLS, ThumbnailBackend()),
            Contestant("sorl, with Django's RedisCache", SORLS, ThumbnailBackend(), "RedisCache", False),
            Contestant("easy-thumbnails", EASYS),
            Contestant("imagekit", IMAGEKITS),
            Contestant(NOTHING, SORLS, KnowsAll(), has_cold=False),
        ]
        self.templates = {one.template: Template(one.template) for one in self.contestants}
        self.browsing: list[float] = []

    def render(self, contestant: Contestant) -> tuple[str, float]:
        from django.conf import settings
        from django.core.signals import request_finished, request_started
        from django.template import Context
        from sorl.thumbnail import default

        default.backend._wrapped = contestant.backend
        settings.THUMBNAIL_CACHE = contestant.cache
        photos = [self.photo(image=name) for name in self.names]
        template = self.templates[contestant.template]
        # As Django's handlers do around each request; each contestant has a page of its own.
        request_started.send(sender=Page, environ={"PATH_INFO": f"/{contestant.name}"})
        start = time.perf_counter()
        text = template.render(Context({"photos": photos}))
        milliseconds = (time.perf_counter() - start) * 1000
        request_finished.send(sender=Page)
        return text, milliseconds

    def counted(self, contestant: Contestant, kind: str) -> tuple[str, float]:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        before, requests = self.commands(), len(self.requests)
        with CaptureQueriesContext(connection) as queries:
            text, milliseconds = self.render(contestant)
        # One command is the question itself. The first time counts.
        contestant.counts.setdefault(
            kind,
            {
                "Redis": self.commands() - before - 1,
                "SQL": len(queries),
                "S3": len(self.requests) - requests,
            },
        )
        return text, milliseconds

    def commands(self) -> int:
        return int(self.redis.info("stats")["total_commands_processed"])

    def make_cold(self) -> None:
        from easy_thumbnails.models import Source
        from sorl.thumbnail.models import KVStore

        self.redis.flushall()
        KVStore.objects.all().delete()
        Source.objects.all().delete()
        client = self.s3.client()
        for found in client.get_paginator("list_objects_v2").paginate(Bucket="thumbs"):
            for entry in found.get("Contents", ()):
                client.delete_object(Bucket="thumbs", Key=entry["Key"])

    def browse(self, text: str) -> float:
        """Loads all images of a cold page over six connections, as a browser does: milliseconds."""
        import urllib3

        urls = image_urls(text)
        pool = urllib3.PoolManager(maxsize=6)
        start = time.perf_counter()
        with ThreadPoolExecutor(6) as threads:
            statuses = list(threads.map(lambda url: pool.request("GET", url).status, urls))
        assert set(statuses) == {200}
        return (time.perf_counter() - start) * 1000


def model() -> Any:
    """A model of the site, whose field gives a FieldFile to the templates. No row of it is read."""
    from django.db import models

    class Photo(models.Model):
        image = models.ImageField()

        class Meta:
            app_label = "bench"

    return Photo


def image_urls(text: str) -> list[str]:
    urls = re.findall(r'src="([^"]+)"', text)
    assert len(set(urls)) == PHOTOS
    return urls


def count_s3_requests() -> list[str]:
    import botocore.client

    base: Any = botocore.client.BaseClient
    original: Callable[..., Any] = base._make_api_call
    requests: list[str] = []

    def call(client: Any, operation: str, parameters: Any) -> Any:
        requests.append(operation)
        return original(client, operation, parameters)

    base._make_api_call = call
    return requests


def measure(page: Page) -> None:
    ours = page.contestants[0]
    for number in range(COLD_ROUNDS):
        contestants = [one for one in page.contestants if one.has_cold]
        for contestant in contestants if number % 2 else reversed(contestants):
            page.make_cold()
            text, milliseconds = page.counted(contestant, "cold")
            contestant.cold.append(milliseconds)
            if contestant is ours:
                # What a page costs that this process has rendered before, when all thumbnails are gone.
                ours.cold[-1] = statistics.median(page.render(ours)[1] for _ in range(WARM_ROUNDS))
                page.browsing.append(page.browse(text))
            print(f"cold round {number + 1} of {COLD_ROUNDS}: {contestant.name}", file=sys.stderr)
    # All are warm at the same time: the last round has left one of them so.
    page.browse(page.render(ours)[0])
    for contestant in page.contestants:
        page.render(contestant)
        page.counted(contestant, "warm")
    for number in range(WARM_ROUNDS):
        start = number % len(page.contestants)
        for contestant in (*page.contestants[start:], *page.contestants[:start]):
            # A site's process renders no other's pages between its own.
            page.render(contestant)
            contestant.warm.append(page.render(contestant)[1])
    prove(page)


def prove(page: Page) -> None:
    """Everybody's warm page has a final URL for each photograph, which gives an image."""
    import urllib3

    pool = urllib3.PoolManager()
    for contestant in page.contestants:
        if contestant.name == NOTHING:
            continue
        for url in image_urls(page.render(contestant)[0]):
            assert url.startswith(f"{page.s3.endpoint_url}/thumbs/"), url
        answer = pool.request("GET", url)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg"), url


def report(page: Page) -> str:
    ours, nothing = page.contestants[0], page.contestants[-1]
    rows = []
    for kind in ("warm", "cold"):
        for contestant in page.contestants:
            if times := getattr(contestant, kind):
                median, counts = statistics.median(times), contestant.counts[kind]
                ratio = median / statistics.median(getattr(ours, kind))
                rows.append(
                    f"| {kind} | {contestant.name} | {median:,.1f} | {ratio:,.1f} | "
                    f"{counts['Redis']} | {counts['SQL']} | {counts['S3']} |"
                )
    own = (statistics.median(ours.warm) - statistics.median(nothing.warm)) * 1000 / PHOTOS
    browsing = statistics.median(page.browsing)
    return f"""300x200, cropped, of {PHOTOS} JPEGs of 12 MP. Medians of {COLD_ROUNDS} cold and
{WARM_ROUNDS} warm pages, by turns; a turn at a warm page is two, of which the second one counts. S3 is
{page.s3.kind}, on the same machine, so that a request costs well below what it costs in a data centre.

| page | with | ms | times ours | Redis commands | SQL queries | S3 requests |
|---|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

What Shrinkmeister adds to the template is {own:.1f} us a thumbnail, its share of the one trip to Redis
with it. The commands of our cold page are those of a process that has never rendered the page; it is
timed from the second time on. imagekit's page has no width and height, for which it would open files.

After our cold page a browser with six connections loaded its {PHOTOS} images, which the thumbnail server
made meanwhile with two workers, in {browsing:,.0f} ms. With the others that work is part of the page.
"""


def draw(page: Page) -> None:
    kinds = (("warm", "all of which exist", False), ("cold", "none of which exists yet", True))
    for kind, title, scale in kinds:
        rows = [
            (one.name, statistics.median(times))
            for one in page.contestants
            if (times := getattr(one, kind)) and one.name != NOTHING
        ]
        bars(
            f"A page of {PHOTOS} thumbnails, {title}",
            rows,
            "ms",
            f"page-{kind}",
            log=scale,
            highlight={OURS},
        )


if __name__ == "__main__":
    main()

"""What a page of 60 thumbnails costs with Shrinkmeister and with sorl's own backend.

Both use the same Redis, the same S3 server and the same storage class; sorl keeps its key-value store in
SQLite behind that Redis, as it does by default. A cold page is one before which all records, thumbnails
and rows were removed; a warm page follows when all thumbnails exist. The site is this process, the
thumbnail server is gunicorn with two workers.
"""

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

from bench.results import write
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import S3Server, make_bucket, running_s3
from tests.servers.thumbnails import running_thumbnail_server

PACKAGES = ("django", "sorl-thumbnail", "pillow", "django-redis", "redis", "django-storages", "boto3")
PHOTOS = 60
COLD_ROUNDS = 3
WARM_ROUNDS = 40
SECRET = "the secret of the measurements, long enough"
TEMPLATE = """{% load thumbnail %}{% for photo in photos %}
{% thumbnail photo "300x200" crop="center" as im %}
<img src="{{ im.url }}" width="{{ im.width }}" height="{{ im.height }}">
{% endthumbnail %}{% endfor %}"""


@dataclass
class Contestant:
    """A backend, and what its pages cost."""

    name: str
    backend: Any
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
            "AWS_S3_ENDPOINT_URL": s3.endpoint_url,
            "AWS_S3_REGION_NAME": s3.region,
            "AWS_S3_ADDRESSING_STYLE": "path",
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        }
        server = stack.enter_context(running_thumbnail_server(directory, variables))
        configure(directory, redis, s3, server.url)
        names = upload(s3)
        page = Page(redis, s3, names)
        measure(page)
        redis_version = page.redis.info("server")["redis_version"]
        text = report(page)
    write(f"A page of {PHOTOS} thumbnails", text, PACKAGES, f"Redis {redis_version}")


def configure(directory: Path, redis: RedisServer, s3: S3Server, server_url: str) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    s3_storage = {"BACKEND": "storages.backends.s3.S3Storage"}
    options = {**s3.storage_options, "querystring_auth": False}
    settings.configure(
        INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "db")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis.url}},
        STORAGES={
            "default": {**s3_storage, "OPTIONS": {**options, "bucket_name": "photos"}},
            # Where sorl writes; plain names would mean this storage too, so that files are opened.
            "thumbs": {**s3_storage, "OPTIONS": {**options, "bucket_name": "thumbs"}},
        },
        THUMBNAIL_STORAGE="thumbs",
        THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
        THUMBNAIL_SERVER_URL=server_url,
        THUMBNAIL_SECRET_KEY=SECRET,
        THUMBNAIL_CACHE_LOCATION=redis.url,
        THUMBNAIL_BUCKET="thumbs",
        THUMBNAIL_DEBUG=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)


def upload(s3: S3Server) -> list[str]:
    """The photographs of the example project: 60 of several megapixels, JPEG, PNG and WebP."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "example_project"))
    from gallery.landscapes import photograph

    client = s3.client()
    names = []
    with ProcessPoolExecutor() as pool:
        for number, photo in enumerate(pool.map(photograph, range(PHOTOS))):
            name = f"{number}.{photo.extension}"
            client.put_object(Bucket="photos", Key=name, Body=photo.data)
            names.append(name)
    return names


class Page:
    """The page, rendered with one backend or the other, and what it asks of the outside."""

    def __init__(self, redis: RedisServer, s3: S3Server, names: list[str]) -> None:
        from django.template import Template
        from redis import Redis
        from sorl.thumbnail.base import ThumbnailBackend

        from shrinkmeister.backend import ShrinkmeisterBackend

        self.redis = Redis.from_url(redis.url)
        self.s3 = s3
        self.template = Template(TEMPLATE)
        self.names = names
        self.requests = count_s3_requests()
        self.contestants = [
            Contestant("shrinkmeister", ShrinkmeisterBackend()),
            Contestant("sorl", ThumbnailBackend()),
        ]
        self.browsing: list[float] = []

    def render(self, contestant: Contestant) -> tuple[str, float]:
        from django.core.files.storage import storages
        from django.core.signals import request_finished, request_started
        from django.template import Context
        from sorl.thumbnail import default

        default.backend._wrapped = contestant.backend
        photos = [File(storages["default"], name) for name in self.names]
        # As Django's handlers do around each request; each backend has a page of its own.
        request_started.send(sender=Page, environ={"PATH_INFO": f"/{contestant.name}"})
        start = time.perf_counter()
        text = self.template.render(Context({"photos": photos}))
        milliseconds = (time.perf_counter() - start) * 1000
        request_finished.send(sender=Page)
        return text, milliseconds

    def counted(self, contestant: Contestant, kind: str) -> str:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        before, requests = self.commands(), len(self.requests)
        with CaptureQueriesContext(connection) as queries:
            text, _ = self.render(contestant)
        # One command is the question itself.
        contestant.counts[kind] = {
            "Redis": self.commands() - before - 1,
            "SQL": len(queries),
            "S3": len(self.requests) - requests,
        }
        return text

    def commands(self) -> int:
        return int(self.redis.info("stats")["total_commands_processed"])

    def make_cold(self) -> None:
        from sorl.thumbnail.models import KVStore

        self.redis.flushall()
        KVStore.objects.all().delete()
        client = self.s3.client()
        for found in client.get_paginator("list_objects_v2").paginate(Bucket="thumbs"):
            for entry in found.get("Contents", ()):
                client.delete_object(Bucket="thumbs", Key=entry["Key"])

    def browse(self, text: str) -> float:
        """Loads all images of a cold page over six connections, as a browser does: milliseconds."""
        import re

        import urllib3

        urls = re.findall(r'src="([^"]+)"', text)
        assert len(urls) == PHOTOS
        pool = urllib3.PoolManager(maxsize=6)
        start = time.perf_counter()
        with ThreadPoolExecutor(6) as threads:
            statuses = list(threads.map(lambda url: pool.request("GET", url).status, urls))
        assert set(statuses) == {200}
        return (time.perf_counter() - start) * 1000


@dataclass
class File:
    """What a FieldFile is to a thumbnail backend."""

    storage: Any
    name: str


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
    ours, sorls = page.contestants
    for number in range(COLD_ROUNDS + 1):
        for contestant in (ours, sorls) if number % 2 else (sorls, ours):
            page.make_cold()
            if number == 0:  # connections are made, and requests are counted
                text = page.counted(contestant, "cold")
            else:
                text, milliseconds = page.render(contestant)
                contestant.cold.append(milliseconds)
            if contestant is ours:
                browsed = page.browse(text)
                page.browsing += [browsed] if number else []
            print(f"cold round {number} of {COLD_ROUNDS}: {contestant.name}", file=sys.stderr)
    # Both warm at the same time: the last round has left one of them so.
    page.browse(page.render(ours)[0])
    page.render(sorls)
    for contestant in page.contestants:
        page.counted(contestant, "warm")
    for _ in range(WARM_ROUNDS):
        for contestant in page.contestants:
            contestant.warm.append(page.render(contestant)[1])
    text, _ = page.render(ours)
    assert f"http://127.0.0.1:{page.s3.endpoint_url.rpartition(':')[2]}/thumbs/" in text
    assert "/cache/" in text


def report(page: Page) -> str:
    ours, sorls = page.contestants
    rows = []
    for kind in ("cold", "warm"):
        mine, theirs = (statistics.median(getattr(c, kind)) for c in (ours, sorls))
        for contestant, median in ((ours, mine), (sorls, theirs)):
            counts = contestant.counts[kind]
            rows.append(
                f"| {kind} | {contestant.name} | {median:,.1f} | {median / mine:,.1f} | "
                f"{counts['Redis']} | {counts['SQL']} | {counts['S3']} |"
            )
    browsing = statistics.median(page.browsing)
    return f"""300x200, cropped, of {PHOTOS} photographs of several megapixels. Medians of
{COLD_ROUNDS} cold and {WARM_ROUNDS} warm pages, the two backends by turns. S3 is {page.s3.kind}, on the
same machine, so that a request costs well below what it costs in a data centre.

| page | backend | ms | times ours | Redis commands | SQL queries | S3 requests |
|---|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

Commands of a cold page are counted the first time, when the process remembers nothing of that page; it
is timed later.

After our cold page a browser with six connections loaded its {PHOTOS} images, which the thumbnail server
made meanwhile with two workers, in {browsing:,.0f} ms. With sorl's own backend that is part of the page.
"""


if __name__ == "__main__":
    main()

"""How fast `manage.py shrinkmeister adopt` is, and what memory it takes.

sorl's table is in SQLite, the records go to Redis, and the objects are really there: in a bucket of a real
S3 server, or as files. Rows and objects are written as sorl writes them, without making pictures.
"""

import json
import multiprocessing
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import md5
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.results import write
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import make_bucket, running_s3

THUMBNAILS_A_SOURCE = 5
RUNS = (("s3", 20_000), ("s3", 100_000), ("files", 100_000), ("files", 1_000_000))
PACKAGES = ("django", "sorl-thumbnail", "django-redis", "redis", "django-storages", "boto3")


def main(arguments: list[str]) -> None:
    """Each run has a process of its own, whose peak of memory is its own."""
    if arguments:
        print(json.dumps(run(arguments[0], int(arguments[1]))))
        return
    rows = []
    for place, count in RUNS:
        command = [sys.executable, "-m", "bench.adopt", place, str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        measured = json.loads(done.stdout.splitlines()[-1])
        rows.append(
            f"| {measured['place']} | {count:,} | {measured['seconds']:,.1f} | "
            f"{count / measured['seconds']:,.0f} | {measured['megabytes']:.0f} | "
            f"{measured['bytes_a_record']:.0f} |"
        )
        print(rows[-1], file=sys.stderr)
    write("Adopting sorl's thumbnails", report(rows), PACKAGES, f"Redis {measured['redis']}")


def report(rows: list[str]) -> str:
    return f"""`manage.py shrinkmeister adopt`, with sorl's table in SQLite and the records in Redis; each
source has {THUMBNAILS_A_SOURCE} thumbnails and is adopted too. MB are what the process grew by at its
peak; a record is what Redis says that its key and value take in its memory.

| objects in | thumbnails | seconds | thumbnails a second | MB | bytes a record |
|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}
"""


def run(place: str, count: int) -> dict[str, Any]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        redis = stack.enter_context(running_redis(directory))
        if place == "s3":
            s3 = stack.enter_context(running_s3(directory))
            make_bucket(s3, "thumbs")
            options = {**s3.storage_options, "bucket_name": "thumbs", "querystring_auth": False}
            storage = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
            label = f"S3 ({s3.kind})"
        else:
            options = {"location": str(directory / "media"), "base_url": "https://www.example.com/media/"}
            storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
            label = "files"
        configure(directory, redis, storage)
        # In another process, whose memory does not count.
        filling = multiprocessing.get_context("fork").Process(target=fill, args=(place, count))
        filling.start()
        filling.join()
        assert filling.exitcode == 0
        return {"place": label, **adopt(redis)}


def configure(directory: Path, redis: RedisServer, storage: dict[str, Any]) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    settings.configure(
        INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "db")}},
        STORAGES={"default": storage},
        THUMBNAIL_BACKEND="shrinkmeister.backend.ShrinkmeisterBackend",
        THUMBNAIL_ADOPTED_BACKEND="sorl.thumbnail.base.ThumbnailBackend",
        THUMBNAIL_SECRET_KEY="the secret of the measurements, long enough",
        THUMBNAIL_SERVER_URL="https://thumbs.example.com",
        THUMBNAIL_CACHE_LOCATION=redis.url,
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    connections.close_all()


def fill(place: str, count: int) -> None:
    """Writes sorl's rows, and an object of one byte for each thumbnail."""
    from django.core.files.storage import storages
    from sorl.thumbnail.models import KVStore

    pairs = rows(count)
    while batch := list(islice(pairs, 5_000)):
        KVStore.objects.bulk_create([KVStore(key=key, value=json.dumps(value)) for key, value in batch])
    names = (thumbnail_name(number) for number in range(count))
    storage: Any = storages["default"]
    if place == "s3":
        client = storage.connection.meta.client
        with ThreadPoolExecutor(16) as pool:
            for _ in pool.map(lambda name: client.put_object(Bucket="thumbs", Key=name, Body=b"x"), names):
                pass
    else:
        for name in names:
            path = Path(storage.path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


def thumbnail_name(number: int) -> str:
    digest = md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return f"cache/{digest[:2]}/{digest[2:4]}/{digest}.jpg"


def rows(count: int) -> Iterator[tuple[str, Any]]:
    """Keys and values as sorl's own backend writes them."""
    from django.core.files.storage import storages
    from sorl.thumbnail.images import ImageFile
    from sorl.thumbnail.kvstores.base import add_prefix

    storage = storages["default"]
    keys: list[str] = []
    for number in range(count):
        image = ImageFile(thumbnail_name(number), storage)
        keys.append(image.key)
        yield add_prefix(image.key), {"name": image.name, "storage": "default", "size": [300, 200]}
        if len(keys) == THUMBNAILS_A_SOURCE:
            source = ImageFile(f"photos/2026/{number}.jpg", storage)
            yield add_prefix(source.key), {"name": source.name, "storage": "default", "size": [4000, 3000]}
            yield add_prefix(source.key, "thumbnails"), keys
            keys = []


def adopt(redis: RedisServer) -> dict[str, Any]:
    from django.core.management import call_command
    from redis import Redis

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    call_command("shrinkmeister", "adopt", verbosity=0)
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    with Redis.from_url(redis.url) as client:
        key = next(key for key in client.scan_iter("shrinkmeister:a1:*") if b'"u"' in client.get(key))
        return {
            "seconds": seconds,
            "megabytes": grown,
            "bytes_a_record": client.memory_usage(key),
            "redis": client.info("server")["redis_version"],
        }


if __name__ == "__main__":
    main(sys.argv[1:])

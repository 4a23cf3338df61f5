"""What a page of 100 recorded thumbnails takes when its shared cache fails, beside the page before that.

Each round has a cache server of its own, which is healthy for one page and fails for the next two: the
first of them finds out, the second leaves the cache alone. THUMBNAIL_CACHE_WAIT_SECONDS has its default.

    python -m bench.faults
"""

import logging
import os
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROUNDS = 7
PACKAGES = ("django", "sorl-thumbnail", "django-redis", "pymemcache")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")
    import django

    django.setup()
    logging.disable(logging.WARNING)

    from bench.results import write
    from shrinkmeister.conf import CACHE_TIMEOUT
    from tests.cache.test_faults import FAULTS
    from tests.servers.process import run

    rows = [
        "| cache | fault | healthy page, ms | first page | more by | page after it |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for backend, fault in [*FAULTS, ("redis", slow), ("redis", slower)]:
        taken = [_round(backend, fault) for _ in range(ROUNDS)]
        healthy, first, second = (statistics.median(page) * 1000 for page in zip(*taken, strict=True))
        name = fault.__name__.replace("_", " ")
        rows.append(
            f"| {backend} | {name} | {healthy:.1f} | {first:.1f} | {first - healthy:.1f} | {second:.1f} |"
        )
    text = (
        f"A page of 100 recorded thumbnails, medians of {ROUNDS}; THUMBNAIL_CACHE_WAIT_SECONDS is "
        f"{CACHE_TIMEOUT} s. Slow: each answer comes 40 ms late; slower: 200 ms.\n\n"
    )
    redis = run(["redis-server", "--version"]).split("v=")[1].split()[0]
    memcached = run(["memcached", "--version"]).split()[-1]
    write(
        "Faults of the shared cache",
        text + "\n".join(rows),
        PACKAGES,
        f"Redis {redis}",
        f"Memcached {memcached}",
    )


def slow(relay: Any) -> None:
    relay.seconds = 0.04


def slower(relay: Any) -> None:
    relay.seconds = 0.2


def _round(backend: str, fault: Any) -> tuple[float, float, float]:
    """Seconds of the page before the fault, and of the two after it."""
    from django.test import override_settings

    from shrinkmeister import page
    from tests.cache.test_faults import NAMES, Cache, shown
    from tests.servers.memcached import running_memcached
    from tests.servers.redis import running_redis
    from tests.servers.relay import running_relay
    from tests.support.pages import record

    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        running: Any = {"redis": running_redis, "memcached": running_memcached}[backend]
        server = stack.enter_context(running(directory))
        relay = stack.enter_context(running_relay(server.port)) if fault in (slow, slower) else None
        address = f"127.0.0.1:{relay.port if relay else server.port}"
        location = f"redis://{address}/0" if backend == "redis" else address
        stack.enter_context(
            override_settings(
                THUMBNAIL_CACHE_BACKEND=backend,
                THUMBNAIL_CACHE_NAME="unused",
                THUMBNAIL_CACHE_LOCATION=location,
                THUMBNAIL_CACHE_WAIT_SECONDS=None,
            )
        )
        page._guesses = page.PrefetchHistory()
        for name in NAMES:
            record(name, crop="center")
        shown()
        shown()
        healthy = _timed(shown)
        fault(relay or Cache(backend, location, server.port, server.process))
        return healthy, _timed(shown), _timed(shown)


def _timed(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

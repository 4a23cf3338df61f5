"""What a thumbnail costs a page, by the language of the client: lazy URLs, and recorded ones, a second.

Each client's own program measures itself for some seconds, on one core, and they take turns. `urls` makes
the tokens of 10,000 sources in turn, so that nothing that a client keeps helps it; `recorded` looks such
thumbnails up in lists of 100, in a cache in memory: what is measured is the client, and no Redis.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path

from bench.results import write
from shrinkmeister.conf import CacheConfig
from shrinkmeister.drivers.base import Driver

CLIENTS = Path(__file__).parents[1] / "clients"
ROUNDS = 5
SECONDS = 2.0
SOURCES = 10_000
PAGE = 100
SECRET = "the secret of the measurements, long enough"

# The program of each, in its folder, and what says its version.
PROGRAMS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Python": ("", (sys.executable, "-m", "bench.clients", "--python"), (sys.executable, "--version")),
    "JavaScript": ("javascript", ("node", "bench.js"), ("node", "--version")),
    "PHP": ("php", ("php", "bench.php"), ("php", "-r", "echo PHP_VERSION;")),
    "Go": ("go", ("go", "run", "./bench"), ("go", "env", "GOVERSION")),
}
Rates = dict[str, dict[str, float]]


class Memory(Driver):
    """A shared cache of this process alone, which costs next to nothing."""

    def __init__(self, cache: CacheConfig) -> None:
        self._values: dict[str, bytes] = {}

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        return {key: self._values[key] for key in keys if key in self._values}

    def set(self, key: str, value: bytes, timeout: int) -> None:
        self._values[key] = value

    def add(self, key: str, value: bytes, timeout: int) -> bool:
        return self._values.setdefault(key, value) is value

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._values.pop(key, None)


def measure_python() -> dict[str, float]:
    """What the other programs measure, of `shrinkmeister` itself: thumbnails a second."""
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["shrinkmeister", "sorl.thumbnail"],
        THUMBNAIL_SECRET_KEY=SECRET,
        THUMBNAIL_SERVER_URL="https://thumbs.example.com",
        THUMBNAIL_CACHE_BACKEND="bench.clients.Memory",
    )
    import django

    django.setup()

    from shrinkmeister.backend import spec_of, thumbnail_of
    from shrinkmeister.cache import get_shared_cache
    from shrinkmeister.cache.lookups import keys_of
    from shrinkmeister.conf import get_config, lazy_url
    from shrinkmeister.page import RequestCache, using_page
    from shrinkmeister.protocol.records import ThumbnailRecord
    from shrinkmeister.protocol.spec import Source, ThumbnailSpec

    config = get_config()
    sources = [f"s3://photos/2024/{number}.jpg" for number in range(SOURCES)]

    def spec(source: str) -> ThumbnailSpec:
        return spec_of(Source.parse(source), "300x200", {"crop": "center"}, config)

    def make_urls(sources: list[str]) -> None:
        for source in sources:
            lazy_url(spec(source), config)

    def look_up(sources: list[str]) -> None:
        specs = [spec(source) for source in sources]
        page = RequestCache()
        for one in specs:
            page.expect(keys_of(one).all)
        with using_page(page):
            assert not any(thumbnail_of(one, config).lazy for one in specs)

    record = ThumbnailRecord(300, 200, "https://thumbs.example.com/cache/")
    for source in sources:
        get_shared_cache().records.save(spec(source), record, None)
    pages = [sources[start : start + PAGE] for start in range(0, SOURCES, PAGE)]
    return {"urls": _rate(make_urls, cycle(pages)), "recorded": _rate(look_up, cycle(pages))}


def _rate(work: Callable[[list[str]], None], pages: Iterator[list[str]]) -> float:
    """Thumbnails a second, after a warming up of a tenth of the time."""
    for seconds in (SECONDS / 10, SECONDS):
        done, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < seconds:
            page = next(pages)
            work(page)
            done += len(page)
    return done / took


def measure() -> tuple[Rates, list[str]]:
    """The medians of each client that can run here, and what is left out."""
    found: dict[str, list[dict[str, float]]] = {}
    missing = []
    for round in range(ROUNDS):
        for name, (folder, command, _) in PROGRAMS.items():
            if name in missing:
                continue
            try:
                where = CLIENTS / folder if folder else None
                done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True)
            except (FileNotFoundError, subprocess.CalledProcessError) as error:
                missing.append(name)
                print(f"{name} is left out: {getattr(error, 'stderr', error)}", file=sys.stderr)
                continue
            found.setdefault(name, []).append(json.loads(done.stdout))
            print(f"{round + 1} of {ROUNDS}: {name} {done.stdout.strip()}", file=sys.stderr)
    medians = {
        name: {what: statistics.median(one[what] for one in rounds) for what in ("urls", "recorded")}
        for name, rounds in found.items()
    }
    return medians, missing


def report(rates: Rates, missing: list[str]) -> str:
    base = rates["Python"]
    lines = [
        "| client | lazy URLs a second | times Python's | recorded thumbnails a second | times Python's |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {rate['urls']:,.0f} | {rate['urls'] / base['urls']:.1f} "
        f"| {rate['recorded']:,.0f} | {rate['recorded'] / base['recorded']:.1f} |"
        for name, rate in rates.items()
    ]
    text = "\n".join(lines)
    text += (
        f"\n\nOne core each, in turns, medians of {ROUNDS} runs. A lazy URL: its spec written, encrypted, "
        "and made a URL. A recorded thumbnail: its spec, key, record and the signature of that, in pages "
        f"of {PAGE}, from a cache in memory: no trip to Redis is in it. Of {SOURCES:,} sources each comes "
        "in turn, so that nothing that is kept helps."
    )
    return text + (f" Left out: {', '.join(missing)}." if missing else "")


def main() -> None:
    if "--python" in sys.argv[1:]:
        print(json.dumps(measure_python()))
        return
    rates, missing = measure()
    versions = [f"{name} {_version(PROGRAMS[name][2])}" for name in rates if name != "Python"]
    write("Clients", report(rates, missing), ("cryptography", "django"), *versions)


def _version(command: tuple[str, ...]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()

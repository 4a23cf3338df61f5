"""The costs of thumbnails on Lambda, S3 and Redis in a month, and how near they come to limits.

Measured figures are those of RESULTS.md. The rest are assumptions. Change them in the dataclasses below.
`docs/understand/costs.md` has the tables:

    python -m bench.model          writes them into that page again
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "understand" / "costs.md"
SIZES = {"1 million": 1e6, "100 million": 1e8, "10 billion": 1e10}
MONTH = 30 * 24 * 3600.0
HOURS = 730
DAY = 24 * 3600.0
# Of a digest.
DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


def _is(value: float, what: str) -> Any:
    return field(default=value, metadata={"what": what})


@dataclass(frozen=True)
class Step:
    """What one request of the server takes.

    commands    to Redis
    gets, puts  to S3; a HEAD is a GET
    seconds     of Lambda, of an instance that is warm
    """

    commands: int
    gets: int
    puts: int
    seconds: float


# Commands and requests are counted: RESULTS.md has them under "Scale", and tests/system/test_scale.py
# holds them to the code. Seconds are those of a warm instance under "Lambda" in RESULTS.md, 0.127 and
# 0.002, and an assumption of what waiting for S3 and Redis in a data centre adds.
NEW = Step(commands=7, gets=1, puts=1, seconds=0.25)
CHECK = Step(commands=3, gets=1, puts=0, seconds=0.03)
FOUND = Step(commands=1, gets=0, puts=0, seconds=0.01)


@dataclass(frozen=True)
class Measured:
    record_bytes: float = _is(300, "bytes of memory that Redis uses for a record, its hash tables included")
    page_microseconds: float = _is(204, "microseconds for Redis to read any 100 of a million records")
    command_microseconds: float = _is(40, "microseconds for Redis to execute a command of the server")
    thumbnail_bytes: float = _is(40_000, "bytes of a thumbnail of 300x200 pixels with quality 95")
    line_bytes: float = _is(600, "bytes of a log line with LOG_FORMAT=emf (550 to 800)")


@dataclass(frozen=True)
class Function:
    """The Lambda function."""

    megabytes: float = _is(1769, "MB of memory of an instance")
    cold_seconds: float = _is(
        0.8, "billed seconds of a cold start: 0.56 measured, plus an estimate for what Lambda does"
    )
    cold_share: float = _is(0.01, "share of requests that start an instance")
    log_bytes: float = _is(
        270, "bytes of Lambda's own log lines START, END and REPORT for a request, estimated"
    )


@dataclass(frozen=True)
class Site:
    thumbnails: float = _is(1e6, "thumbnails in the bucket")
    used: float = _is(0.2, "share of all thumbnails that visitors view in a month")
    views: float = _is(30, "views of each of these in a month")
    page: float = _is(30, "thumbnails on a page")
    new: float = _is(0.05, "share of all thumbnails that are new in a month")
    again: float = _is(0.01, "share of all thumbnails that are made again because their record expired")
    besides: float = _is(
        0.2, "further requests for lazy URLs, for each request that makes or checks a thumbnail"
    )
    sources: float = _is(3, "thumbnails per source; each source also has a record")
    outcomes: float = _is(8, "different outcomes in the log; each has two metrics, and one has four")
    browser: float = _is(0.5, "share of views that the browser's own cache answers")
    cdn: float = _is(0.9, "share of the other views that the CDN answers")
    resolutions: float = _is(0, "alternative resolutions; each adds one PUT and one object")
    peak: float = _is(4, "load in the busiest minutes, relative to the average")
    check_days: float = _is(7, "THUMBNAIL_CHECK_TTL in days")


@dataclass(frozen=True)
class Prices:
    """List prices in US dollars, of us-east-1, without discounts for large amounts."""

    gb_second: float = _is(0.0000166667, "Lambda, per GB-second (x86)")
    invocations: float = _is(0.20, "Lambda, per million requests")
    puts: float = _is(5.00, "S3, per million PUT or LIST requests")
    gets: float = _is(0.40, "S3, per million GET or HEAD requests")
    stored: float = _is(0.023, "S3 Standard, per GB and month, first 50 TB")
    redis: float = _is(0.0168, "ElastiCache, per GiB and hour: cache.r7g.large costs $0.219 for 13.07 GiB")
    node: float = _is(0.016, "ElastiCache, per hour of the smallest node: cache.t4g.micro with 0.5 GiB")
    logs: float = _is(0.50, "CloudWatch, per GB of log")
    metric: float = _is(0.30, "CloudWatch, per metric and month")
    transfer: float = _is(0.085, "CloudFront, per GB to the internet, first 10 TB")
    cdn: float = _is(1.00, "CloudFront, per million HTTPS requests")
    transition: float = _is(10.00, "S3, per million transitions to another storage class")


@dataclass(frozen=True)
class Free:
    """What an account gets in each month for nothing, without an end. Its other functions use it too."""

    gb_seconds: float = _is(400_000, "Lambda, GB-seconds")
    invocations: float = _is(1e6, "Lambda, requests")
    transfer: float = _is(1_000, "CloudFront, GB to the internet")
    cdn: float = _is(10e6, "CloudFront, requests")
    logs: float = _is(5, "CloudWatch, GB of log")
    metrics: float = _is(10, "CloudWatch, metrics")


NOTHING_FREE = Free(0, 0, 0, 0, 0, 0)

# Of a Redis node's memory, what is not reserved for backups and failover; and a replica has as much.
USABLE = 0.75
NODES = 2
GIB = 2.0**30


@dataclass(frozen=True)
class Figures:
    """Of a month, unless they say otherwise.

    pages, views              of the site
    made, checks, found       requests of the server
    gb_seconds                of Lambda
    puts, gets                of the server to S3
    origin                    GETs of the CDN to S3
    transfer                  GB from the CDN to browsers
    stored                    GB
    records, redis            in Redis, and their bytes
    commands                  of Redis, those of pages included
    peak_*                    a second, in the busiest minutes
    concurrency               instances that work at once then
    redis_share               of the one core on which Redis works, then
    logs                      GB
    costs                     dollars by part
    """

    pages: float
    views: float
    made: float
    checks: float
    found: float
    gb_seconds: float
    puts: float
    gets: float
    origin: float
    transfer: float
    stored: float
    records: float
    redis: float
    peak_pages: float
    peak_requests: float
    peak_puts: float
    peak_gets: float
    concurrency: float
    redis_share: float
    logs: float
    costs: dict[str, float]

    @property
    def requests(self) -> float:
        return self.made + self.checks + self.found

    @property
    def ours(self) -> float:
        """Dollars for what the thumbnail server does, not for showing pictures to browsers."""
        return sum(cost for part, cost in self.costs.items() if part not in SHOWN)


# Which any site has that shows as many pictures.
SHOWN = ("CDN and its GETs",)


def stale_share(digest: str) -> float:
    """Return the part of THUMBNAIL_CHECK_TTL after which a record is stale: docs/reference/protocol.md."""
    return 0.5 + int(digest[:2], 36) / 2592


def checks_of(views: float, check_days: float) -> float:
    """Return how often the server looks for a thumbnail in the bucket, in a month with so many views.

    The next view after a record is stale makes the server check it; then all begins again.
    """
    if not views:
        return 0.0
    months = check_days * DAY / MONTH
    shares = [stale_share(one + other) for one in DIGITS for other in DIGITS]
    return math.fsum(1 / (months * share + 1 / views) for share in shares) / len(shares)


def figures(
    site: Site,
    prices: Prices = Prices(),
    function: Function = Function(),
    measured: Measured = Measured(),
    free: Free = Free(),
) -> Figures:
    used = site.thumbnails * site.used
    views = used * site.views
    pages = views / site.page
    made = site.thumbnails * (site.new + site.again)
    checks = used * checks_of(site.views, site.check_days)
    found = (made + checks) * site.besides
    steps = ((NEW, made), (CHECK, checks), (FOUND, found))
    requests = made + checks + found
    seconds = sum(step.seconds * count for step, count in steps)
    seconds += requests * function.cold_share * function.cold_seconds
    gb_seconds = seconds * function.megabytes / 1024
    puts = sum(step.puts * count for step, count in steps) * (1 + site.resolutions)
    gets = sum(step.gets * count for step, count in steps)
    commands = sum(step.commands * count for step, count in steps)
    asked = views * (1 - site.browser)
    origin = asked * (1 - site.cdn)
    transfer = asked * measured.thumbnail_bytes / 1e9
    stored = site.thumbnails * (1 + site.resolutions) * measured.thumbnail_bytes / 1e9
    records = site.thumbnails * (site.used + site.new) * (1 + 1 / site.sources)
    redis = records * measured.record_bytes
    logs = requests * (measured.line_bytes + function.log_bytes) / 1e9
    metrics = 2 * site.outcomes + 2
    busy = site.peak / MONTH
    page_seconds = measured.page_microseconds / 1e6 * site.page / 100
    redis_seconds = pages * page_seconds + commands * measured.command_microseconds / 1e6
    costs = {
        "Redis": max(redis / GIB / USABLE * prices.redis, prices.node) * NODES * HOURS,
        "Lambda, GB-seconds": above(gb_seconds, free.gb_seconds) * prices.gb_second,
        "Lambda, requests": above(requests, free.invocations) / 1e6 * prices.invocations,
        "S3, requests from the server": puts / 1e6 * prices.puts + gets / 1e6 * prices.gets,
        "S3, storage": stored * prices.stored,
        "CloudWatch, logs": above(logs, free.logs) * prices.logs,
        "CloudWatch, metrics": above(metrics, free.metrics) * prices.metric,
        "CDN and its GETs": above(transfer, free.transfer) * prices.transfer
        + above(asked, free.cdn) / 1e6 * prices.cdn
        + origin / 1e6 * prices.gets,
    }
    return Figures(
        pages=pages,
        views=views,
        made=made,
        checks=checks,
        found=found,
        gb_seconds=gb_seconds,
        puts=puts,
        gets=gets,
        origin=origin,
        transfer=transfer,
        stored=stored,
        records=records,
        redis=redis,
        peak_pages=pages * busy,
        peak_requests=requests * busy,
        peak_puts=puts * busy,
        peak_gets=(gets + origin) * busy,
        concurrency=seconds * busy,
        redis_share=redis_seconds * busy,
        logs=logs,
        costs=costs,
    )


def above(amount: float, free: float) -> float:
    return max(0.0, amount - free)


def tables() -> dict[str, str]:
    """Return the tables by their names in the page."""
    by_size = {name: figures(Site(thumbnails=size)) for name, size in SIZES.items()}
    return {
        "assumptions": _assumptions(),
        "month": _table(by_size, MONTHLY),
        "costs": _costs(by_size),
        "peak": _table(by_size, PEAK),
        "checks": _checks(),
    }


Row = tuple[str, Callable[[Figures], float]]
MONTHLY: list[Row] = [
    ("pages, with one command to Redis each", lambda one: one.pages),
    ("requests that make a thumbnail", lambda one: one.made),
    ("requests that check the bucket for a stale record", lambda one: one.checks),
    ("other requests to the server", lambda one: one.found),
    ("Lambda, GB-seconds", lambda one: one.gb_seconds),
    ("S3, PUTs from the server", lambda one: one.puts),
    ("S3, GETs and HEADs from the server", lambda one: one.gets),
    ("S3, GETs from the CDN", lambda one: one.origin),
    ("S3, GB stored", lambda one: one.stored),
    ("Redis, records", lambda one: one.records),
    ("Redis, GB", lambda one: one.redis / 1e9),
    ("GB of log", lambda one: one.logs),
    ("GB from the CDN to browsers", lambda one: one.transfer),
]
PEAK: list[Row] = [
    ("pages per second", lambda one: one.peak_pages),
    ("requests to the server per second", lambda one: one.peak_requests),
    ("Lambda instances that run simultaneously", lambda one: one.concurrency),
    ("PUTs per second", lambda one: one.peak_puts),
    ("GETs and HEADs per second, including those from the CDN", lambda one: one.peak_gets),
    ("load of the one core that Redis uses", lambda one: one.redis_share),
    ("GB of records", lambda one: one.redis / 1e9),
]


def _table(by_size: dict[str, Figures], rows: Iterable[Row]) -> str:
    lines = [f"| {name} | {' | '.join(number(of(one)) for one in by_size.values())} |" for name, of in rows]
    return "\n".join([_head("", by_size), *lines])


def _costs(by_size: dict[str, Figures]) -> str:
    parts = next(iter(by_size.values())).costs
    lines = [
        f"| {part} | {' | '.join(number(one.costs[part]) for one in by_size.values())} |" for part in parts
    ]
    ours = " | ".join(number(one.ours) for one in by_size.values())
    each = " | ".join(number(one.ours / SIZES[name] * 1e6) for name, one in by_size.items())
    lines += [f"| **all but the CDN** | {ours} |", f"| all but the CDN, per million thumbnails | {each} |"]
    return "\n".join([_head("dollars per month", by_size), *lines])


def _checks() -> str:
    rows = []
    for days in (3.5, 7, 14, 28):
        ones = [figures(Site(thumbnails=size, check_days=days)) for size in SIZES.values()]
        of_each = checks_of(Site().views, days)
        dollars = " | ".join(number(_dollars_of_checks(one)) for one in ones)
        rows.append(f"| {days:g} | {of_each:.1f} | {dollars} |")
    names = " | ".join(f"dollars, {name}" for name in SIZES)
    return "\n".join(
        [
            f"| `THUMBNAIL_CHECK_TTL` in days | checks per used thumbnail and month | {names} |",
            f"|---:|---:|{'---:|' * len(SIZES)}",
            *rows,
        ]
    )


def _dollars_of_checks(one: Figures) -> float:
    prices, function = Prices(), Function()
    seconds = CHECK.seconds + function.cold_share * function.cold_seconds
    each = seconds * function.megabytes / 1024 * prices.gb_second
    each += (prices.invocations + CHECK.gets * prices.gets) / 1e6
    measured = Measured()
    each += (measured.line_bytes + function.log_bytes) / 1e9 * prices.logs
    return one.checks * each


def _assumptions() -> str:
    groups: dict[str, Measured | Function | Site | Prices | Free] = {
        "measured": Measured(),
        "the function": Function(),
        "the site": Site(),
        "dollars": Prices(),
        "free in a month": Free(),
    }
    rows = [
        f"| {group} | `{one.name}` | {_exact(getattr(value, one.name))} | {one.metadata['what']} |"
        for group, value in groups.items()
        for one in fields(value)
    ]
    steps = [
        ("makes a thumbnail", "NEW", NEW),
        ("checks the bucket", "CHECK", CHECK),
        ("finds a record", "FOUND", FOUND),
    ]
    rows += [
        f"| a request that {what} | `{name}` | {step.seconds:g} s | time on Lambda; commands to Redis: "
        f"{step.commands}; GET or HEAD: {step.gets}; PUT: {step.puts} |"
        for what, name, step in steps
    ]
    return "\n".join(["| | name | value | meaning |", "|---|---|---:|---|", *rows])


def _exact(value: float) -> str:
    """All digits: "2,048", "0.0000166667"."""
    return f"{value:,.10f}".rstrip("0").rstrip(".")


def _head(corner: str, names: Iterable[str]) -> str:
    names = list(names)
    return f"| {corner} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"


def number(value: float) -> str:
    """Three digits, as much as such a model knows: "0.0168", "412", "41,200", "5.95 M", "48.1 G"."""
    if not value:
        return "0"
    rounded = float(f"{value:.3g}")
    if abs(rounded) < 100:
        return _exact(rounded)
    if abs(rounded) < 1e6:
        return f"{rounded:,.0f}"
    unit, name = (1e9, "G") if abs(rounded) >= 1e9 else (1e6, "M")
    return f"{rounded / unit:,.3g} {name}".replace("e+03", "000")


def written(text: str) -> str:
    """The page with the tables of now: each between its two comments."""
    for name, table in tables().items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        if len(places := list(mark.finditer(text))) != 1:
            raise ValueError(f"{PAGE} has {len(places)} places for the table {name!r}, and needs one")
        start, end = places[0].span()
        text = f"{text[:start]}{places[0][1]}{table}{places[0][2]}{text[end:]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))

"""What a request costs when 1 to 100 Lambda instances ask one Redis and one S3, and when more is stored.

The machine has a few cores, so that time says how busy it is. What is compared is what a request costs
each part: processor time of instances, of Redis and of S3, commands and requests. If a step cost more for
each request the more instances there are, all of them together would cost more than linearly. The exponent
of that is in the report; 1.00 is linear.

    python -m bench.scale [--levels 1,10,50] [--rounds 2] [--stored 1000,10000] [--records 100000]
"""

import argparse
import itertools
import math
import os
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench.instances import Instance, Question, Reply, running_instances
from bench.load import family, megabytes
from bench.results import write
from shrinkmeister.protocol.keys import digest, record_key
from shrinkmeister.protocol.records import ThumbnailRecord
from shrinkmeister.protocol.signing import Signer
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from shrinkmeister.protocol.tokens import Tokens
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import S3Server, make_bucket, running_s3
from tests.support.pictures import encoded, photograph

if TYPE_CHECKING:
    from shrinkmeister.cache import SharedCache

PACKAGES = ("django", "sorl-thumbnail", "pillow", "boto3", "redis", "django-redis")
SECRET = "the secret of the measurements, long enough"
PREFIX = "shrinkmeister:"
BUCKET = "thumbs"
BASE = "https://my-thumbnails.s3.amazonaws.com/cache/"
TTL = 30 * 24 * 3600
LONG_AGO = 8 * 24 * 3600
PAGE = 100
STAMPEDES = 3
# Of 1 MP.
SOURCES = 32
# Requests of a step: a few for each instance, and enough for a median.
FEWEST = 48
# Of what fills the bucket.
THREADS = 16
# Times that what is cheap is asked for.
OFTEN = 5
# Looked up among more and more records.
PAGES = 500
# Instances that ask while more and more is stored.
ASKING = 10
PARTS = ("radosgw", "ceph-osd", "ceph-mon")
STEPS = {
    "new": "made",
    "found": "found",
    "found, by turns": "found",
    "due": "stored",
    "forgotten": "stored",
    "stampede": "waited",
    "page": "page",
}


@dataclass(frozen=True)
class Cost:
    """Of requests: their sums.

    cpu, redis_cpu, s3_cpu  seconds, of the instances and of the servers
    commands, s3            by name and by method
    """

    requests: int
    seconds: float
    slowest: float
    cpu: float
    commands: Counter[str]
    redis_cpu: float
    s3: Counter[str]
    s3_cpu: float
    outcomes: Counter[str]


class Servers:
    """The Redis and the S3 that all share, and what they say of themselves."""

    def __init__(self, redis: RedisServer, s3: S3Server) -> None:
        from redis import Redis

        self.redis: Any = Redis.from_url(redis.url)
        self.s3 = s3
        # None where the server is the user's own, somewhere else.
        self._s3_pids = [pid for pid in family(os.getpid()) if _name(pid) in PARTS]

    def commands(self) -> Counter[str]:
        """All but INFO, which only we send."""
        stats = self.redis.info("commandstats")
        counts = {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}
        return Counter({name: calls for name, calls in counts.items() if name != "info"})

    def redis_cpu(self) -> float:
        cpu = self.redis.info("cpu")
        return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])

    def s3_cpu(self) -> float:
        # By thread, since of a whole process Linux tells it in hundredths of a second only.
        return sum(
            int(times.read_text().split()[0]) / 1e9
            for pid in self._s3_pids
            for times in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )

    def connections(self) -> int:
        return int(self.redis.info("clients")["connected_clients"])

    def memory(self) -> int:
        return int(self.redis.info("memory")["used_memory"])


class Load:
    """Instances, and what they are asked."""

    def __init__(self, servers: Servers, instances: Sequence[Instance], cache: "SharedCache") -> None:
        self.servers = servers
        self.instances = instances
        self._cache = cache
        self._signer = Signer([SECRET])
        self._tokens = Tokens([SECRET])
        self._specs = _specs()
        self._page = tuple(
            ThumbnailSpec(Source("s3", "photos", f"{n}.jpg"), "300x200", {"crop": "center"})
            for n in range(PAGE)
        )
        for spec in self._page:
            cache.records.save(spec, ThumbnailRecord(300, 200, BASE), None)

    def steps(self, count: int) -> dict[str, Cost]:
        """One round of each step, by so many instances; a thumbnail has the whole life of one."""
        requests = max(FEWEST, 2 * count)
        specs = [next(self._specs) for _ in range(requests)]
        paths = [self._path(spec) for spec in specs]
        costs = {"new": self.ask(count, paths), "found": self.ask(count, paths * OFTEN)}
        costs["found, by turns"] = self.ask(count, paths * OFTEN, at_once=False)
        self._record_long_ago(specs)
        costs["due"] = self.ask(count, paths)
        self._forget(specs)
        costs["forgotten"] = self.ask(count, paths)
        self._say_complete(0)
        crowds = [self._path(next(self._specs)) for _ in range(STAMPEDES)]
        costs["stampede"] = _sum(self.ask(count, [path] * count) for path in crowds)
        costs["page"] = self.ask(count, [self._page] * requests * OFTEN)
        for step, cost in costs.items():
            _check(step, cost)
        return costs

    def warm(self, number: int) -> None:
        """Has one instance make a thumbnail: it is connected then, and has imported all."""
        assert self.instances[number].ask(self._path(next(self._specs))).outcome == "made"

    def ask(self, count: int, questions: Sequence[Question], at_once: bool = True) -> Cost:
        """As Lambda hands out requests: each to an instance that has none.

        at_once: or else one after another, each to another instance
        """
        servers, left = self.servers, iter(questions)
        instances = self.instances[:count]

        def asked(instance: Instance, question: Question) -> tuple[Reply, float]:
            start = time.perf_counter()
            return instance.ask(question), time.perf_counter() - start

        def answered(instance: Instance) -> list[tuple[Reply, float]]:
            # Of a list, so that each thread takes another one.
            return [asked(instance, question) for question in left]

        commands, redis_cpu, s3_cpu = servers.commands(), servers.redis_cpu(), servers.s3_cpu()
        with ThreadPoolExecutor(count) as threads:
            start = time.perf_counter()
            if at_once:
                replies = [one for part in threads.map(answered, instances) for one in part]
            else:
                replies = list(map(asked, itertools.cycle(instances), questions))
            seconds = time.perf_counter() - start
        return Cost(
            len(replies),
            seconds,
            max(taken for _, taken in replies),
            sum(reply.cpu for reply, _ in replies),
            servers.commands() - commands,
            servers.redis_cpu() - redis_cpu,
            sum((reply.s3 for reply, _ in replies), Counter[str]()),
            servers.s3_cpu() - s3_cpu,
            Counter(reply.outcome for reply, _ in replies),
        )

    def store(self, numbers: range) -> None:
        """Objects, and a record for each, of thumbnails that nobody asks for."""
        from botocore.config import Config

        client = self.servers.s3.client(config=Config(max_pool_connections=THREADS))
        names = [f"cache/{digest(b'%d' % n)}/{digest(b'%d' % -n)}.jpg" for n in numbers]

        def put(name: str) -> None:
            client.put_object(Bucket=BUCKET, Key=name, Body=b"x", Metadata={"size": "300x200"})

        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(put, names):
                pass
        self.write_records(numbers)

    def write_records(self, numbers: range) -> str:
        """Returns the key of the last one."""
        key = ""
        body = ThumbnailRecord(300, 200, BASE, verified_at=int(time.time())).dump()
        with self.servers.redis.pipeline(transaction=False) as pipeline:
            for number in numbers:
                key = thumbnail_key(number)
                pipeline.set(key, self._signer.sign(key.removeprefix(PREFIX), body), ex=TTL)
                if len(pipeline) == 10_000:
                    pipeline.execute()
            pipeline.execute()
        return key

    def _path(self, spec: ThumbnailSpec) -> str:
        return f"/{self._tokens.encrypt(spec)}.jpg"

    def _record_long_ago(self, specs: Iterable[ThumbnailSpec]) -> None:
        """So that it is time to look whether they are still stored."""
        for spec in specs:
            key = record_key(spec)
            record = ThumbnailRecord.load(self._signer.unsign(key, self.servers.redis.get(PREFIX + key)))
            body = replace(record, verified_at=int(time.time()) - LONG_AGO).dump()
            self.servers.redis.set(PREFIX + key, self._signer.sign(key, body), ex=TTL)

    def _forget(self, specs: Iterable[ThumbnailSpec]) -> None:
        """As after the loss of the cache: their records are gone, and it does not claim to know all."""
        self._cache.records.delete([record_key(spec) for spec in specs])
        self._say_complete(TTL)

    def _say_complete(self, seconds: int) -> None:
        self.servers.redis.set(f"{PREFIX}complete", int(time.time()) + seconds)


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        redis = stack.enter_context(running_redis(directory))
        s3 = stack.enter_context(running_s3(directory))
        make_bucket(s3, "photos")
        make_bucket(s3, BUCKET, public=True)
        _upload(s3)
        variables = {
            "THUMBNAIL_SECRET_KEY": SECRET,
            "THUMBNAIL_CACHE_LOCATION": redis.url,
            # 2 cores for 100 processes: waiting for Redis says nothing of Redis.
            "THUMBNAIL_CACHE_WAIT_SECONDS": "60",
            "THUMBNAIL_WAIT_SECONDS": "60",
            "THUMBNAIL_BUCKET": BUCKET,
            "THUMBNAIL_SOURCES": "s3://photos",
            **s3.variables,
        }
        most = max(*options.levels, ASKING)
        instances = stack.enter_context(running_instances(most, variables))
        from shrinkmeister.cache import get_shared_cache

        load = Load(Servers(redis, s3), instances, get_shared_cache())
        connections = connect(load, options.levels)
        levels = measure_levels(load, options)
        memory = {count: _megabytes(instances[:count]) for count in options.levels}
        stored = measure_stored(load, options)
        records = measure_records(load, options)
        text = "\n".join(
            [
                report_levels(levels, options, s3),
                report_stampede(levels),
                report_instances(connections, memory),
                report_stored(stored, options),
                report_records(records),
            ]
        )
        version = load.servers.redis.info("server")["redis_version"]
    write("Scale", text, PACKAGES, f"Redis {version}")


def connect(load: Load, levels: Sequence[int]) -> dict[int, int]:
    """Instances -> connections to Redis that they hold, once each of them has made a thumbnail."""
    others, found = load.servers.connections(), {}
    for number in range(len(load.instances)):
        load.warm(number)
        if number + 1 in levels:
            found[number + 1] = load.servers.connections() - others
    return found


Levels = dict[int, dict[str, list[Cost]]]


def measure_levels(load: Load, options: argparse.Namespace) -> Levels:
    costs: Levels = {count: defaultdict(list) for count in options.levels}
    for number in range(options.rounds):
        first = number * len(options.levels) // options.rounds
        for count in options.levels[first:] + options.levels[:first]:
            for step, cost in load.steps(count).items():
                costs[count][step].append(cost)
            print(f"round {number + 1}, {count} instances", file=sys.stderr)
    return costs


def measure_stored(load: Load, options: argparse.Namespace) -> Levels:
    """By how many objects and records there are besides. It only grows, so that these cannot take turns."""
    costs: Levels = {}
    there = 0
    for count in (0, *options.stored):
        start = time.perf_counter()
        load.store(range(there + 1, count + 1))
        print(f"{count} objects after {time.perf_counter() - start:.0f} s", file=sys.stderr)
        there = count
        costs[count] = defaultdict(list)
        for _ in range(options.rounds):
            for step, cost in load.steps(ASKING).items():
                costs[count][step].append(cost)
    return costs


@dataclass(frozen=True)
class Records:
    """So many of them, and nothing else.

    all   bytes that the database grew by for each
    one   bytes of one, as Redis says
    page  microseconds of Redis for any 100 of them
    """

    count: int
    all: float
    one: int
    page: float


def measure_records(load: Load, options: argparse.Namespace) -> list[Records]:
    redis: Any = load.servers.redis
    redis.flushdb()
    rows = []
    before, there = load.servers.memory(), 0
    for count in options.records:
        key = load.write_records(range(there, count))
        there = count
        grown = load.servers.memory() - before
        pages = [[thumbnail_key(n) for n in random.sample(range(count), PAGE)] for _ in range(PAGES)]
        start = load.servers.redis_cpu()
        for keys in pages:
            assert all(redis.mget(keys))
        page = (load.servers.redis_cpu() - start) / PAGES * 1e6
        rows.append(Records(count, grown / count, redis.memory_usage(key), page))
    return rows


def thumbnail_key(number: int) -> str:
    """Of a thumbnail that nobody asks for."""
    return f"{PREFIX}t1:{digest(b'%d' % -number)}"


@dataclass(frozen=True)
class Quantity:
    """What a request costs, and how it is written."""

    name: str
    of: Callable[[Cost], float]
    form: str

    def median(self, costs: Sequence[Cost]) -> float:
        return statistics.median(self.of(cost) for cost in costs)


COMMANDS = Quantity("Redis commands", lambda cost: cost.commands.total() / cost.requests, ".2f")
REQUESTS = Quantity("S3 requests", lambda cost: cost.s3.total() / cost.requests, ".2f")
CPU = Quantity("ms of an instance", lambda cost: cost.cpu / cost.requests * 1e3, ".2f")
REDIS = Quantity("us of Redis", lambda cost: cost.redis_cpu / cost.requests * 1e6, ".0f")
S3 = Quantity("ms of S3", lambda cost: cost.s3_cpu / cost.requests * 1e3, ".2f")
SPEED = Quantity("requests a second", lambda cost: cost.requests / cost.seconds, ",.0f")


def report_levels(levels: Levels, options: argparse.Namespace, s3: S3Server) -> str:
    first = levels[options.levels[0]]
    counted = [
        f"| {step} | {_named(first[step], 'commands')} | {_named(first[step], 's3')} | "
        f"{_exponent_of(levels, step, COMMANDS)} | {_exponent_of(levels, step, REQUESTS)} |"
        for step in STEPS
    ]
    tables = []
    for quantity in (CPU, REDIS, S3):
        rows = [
            f"{_ratios(step, quantity, {n: costs[step] for n, costs in levels.items()})} "
            f"{_exponent_of(levels, step, quantity)} |"
            for step in STEPS
            if quantity is not S3 or REQUESTS.median(first[step])
        ]
        others = " | ".join(f"{n} instances" for n in options.levels[1:])
        tables.append(
            f"| step | {quantity.name} | {others} | exponent |\n"
            f"|---|---:|{'---:|' * len(options.levels)}\n" + "\n".join(rows)
        )
    speeds = [
        f"| {step} | " + " | ".join(f"{SPEED.median(levels[n][step]):,.0f}" for n in levels) + " |"
        for step in STEPS
    ]
    return f"""Instances are processes that answer one request at a time, as on Lambda:
{_listed(options.levels)} of them ask one Redis and one S3 ({s3.kind}, in memory). Sources are JPEGs of
1 MP, so that a thumbnail is little work beside all else. Medians of {options.rounds} rounds, in which the
numbers of instances take turns.

- **new**: thumbnails that nobody has made.
- **found**: the same {OFTEN} times more; the shared cache knows them.
- **found, by turns**: again, by one instance after the other, and never by two at once. Where this costs
  more with more instances, each finds the processor's caches full of what others need.
- **due**: once more, when it is time to look whether they are stored.
- **forgotten**: once more, after the loss of the shared cache.
- **stampede**: one new thumbnail, of which all instances are asked at once.
- **page**: a site's process looks up the {PAGE} thumbnails of a page; {OFTEN} times as often as the others.

What a request costs, counted with {options.levels[0]} instance. The exponent is that by which all instances
together grow with their number: 1.00 is linear.

| step | Redis commands | S3 requests | exponent | exponent |
|---|---|---|---:|---:|
{chr(10).join(counted)}

Processor time of a request: with {options.levels[0]} instance, and how many times as much with more.

{(chr(10) * 2).join(tables)}

Requests a second, of all together. Instances, Redis and S3 share {os.cpu_count()} cores, which are the
limit; so this says that nothing collapses, and not how fast it would be elsewhere.

| step | {" | ".join(map(str, levels))} |
|---|{"---:|" * len(levels)}
{chr(10).join(speeds)}
"""


def report_stampede(levels: Levels) -> str:
    rows = []
    for count, costs in levels.items():
        crowds = costs["stampede"]
        outcomes = sum((cost.outcomes for cost in crowds), Counter[str]())
        rows.append(
            f"| {count} | {len(crowds) * STAMPEDES} | {outcomes['made']} | {outcomes['waited']} | "
            f"{outcomes['found']} | {COMMANDS.median(crowds):.1f} | "
            f"{statistics.median(cost.slowest for cost in crowds) * 1000:,.0f} |"
        )
    return f"""The stampedes. An instance that waits asks Redis again after 20 ms, then less and less often,
and every 0.25 s at last. The last column is until the last request was answered, in the slowest of
{STAMPEDES} stampedes.

| instances | thumbnails | made | requests that waited | that found it | Redis commands a request | ms |
|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}
"""


def report_instances(connections: dict[int, int], memory: dict[int, float]) -> str:
    rows = [f"| {n} | {connections[n]} | {connections[n] / n:.2f} | {memory[n]:.0f} |" for n in connections]
    return f"""What instances hold.

| instances | connections to Redis | of each | MB of each, median |
|---:|---:|---:|---:|
{chr(10).join(rows)}
"""


def report_stored(stored: Levels, options: argparse.Namespace) -> str:
    steps = [step for step in STEPS if step not in ("stampede", "found, by turns")]
    rows = []
    for step in steps:
        for quantity in (CPU, REDIS, S3):
            costs = {count: one[step] for count, one in stored.items()}
            if quantity is not S3 or REQUESTS.median(costs[0]):
                points = [(n, quantity.median(one)) for n, one in costs.items() if n]
                rows.append(
                    f"{_ratios(f'{step} | {quantity.name}', quantity, costs)} {_slope(points):+.2f} |"
                )
    counts = " | ".join(f"{count:,}" for count in options.stored)
    return f"""What a request of {ASKING} instances costs while more is stored: objects, each with its
record. That only grows, so that these cannot take turns. The exponent is that by which the cost of one
request grows with what is stored; 0.00 is not at all.

| step | of | empty | {counts} | exponent |
|---|---|---:|{"---:|" * (len(options.stored) + 1)}
{chr(10).join(rows)}
"""


def report_records(records: Sequence[Records]) -> str:
    rows = [
        f"| {row.count:,} | {row.all:.0f} | {row.one} | {row.page:.0f} | {row.page / records[0].page:.2f} |"
        for row in records
    ]
    return f"""Memory of Redis: what the whole database grows by for each record, tables included, and what
Redis says of one. Records are of thumbnails in a public bucket, without alternative resolutions. A page
is of any {PAGE} of them, which are in the processor's caches less and less often. Redis doubles its tables
when it has more records than a power of two (2^20 is 1,048,576), and has two of each until all are moved.

| records | bytes for each | of one | us of Redis for a page | ratio |
|---:|---:|---:|---:|---:|
{chr(10).join(rows)}
"""


def _ratios(name: str, quantity: Quantity, costs: dict[int, list[Cost]]) -> str:
    """The first value, and the others beside it."""
    base, *others = (quantity.median(one) for one in costs.values())
    cells = [f"{base:{quantity.form}}", *(f"{other / base:.2f}" if base else "" for other in others)]
    return f"| {name} | {' | '.join(cells)} |"


def _exponent_of(levels: Levels, step: str, quantity: Quantity) -> str:
    """By which the cost of all instances together grows with their number."""
    points = [(count, quantity.median(costs[step])) for count, costs in levels.items()]
    if not all(value for _, value in points) or len(points) < 2:
        return ""
    return f"{1 + _slope(points):.2f}"


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares through the logarithms."""
    if len(points) < 2:
        return math.nan
    logarithms = [(math.log(x), math.log(y)) for x, y in points]
    return statistics.linear_regression(*zip(*logarithms, strict=True)).slope


def _named(costs: Sequence[Cost], counter: str) -> str:
    """As "3.00 (GET 1, SET 2)"."""
    requests = sum(cost.requests for cost in costs)
    counts = sum((getattr(cost, counter) for cost in costs), Counter[str]())
    if not counts.total():
        return "0"
    parts = ", ".join(f"{name.upper()} {count / requests:g}" for name, count in sorted(counts.items()))
    return f"{counts.total() / requests:.2f} ({parts})"


def _check(step: str, cost: Cost) -> None:
    """That it was what is measured."""
    others = cost.outcomes.keys() - {STEPS[step]}
    assert step == "stampede" or not others, f"{step}: {cost.outcomes}"


def _sum(costs: Iterable[Cost]) -> Cost:
    return reduce(
        lambda one, other: Cost(
            one.requests + other.requests,
            one.seconds + other.seconds,
            max(one.slowest, other.slowest),
            one.cpu + other.cpu,
            one.commands + other.commands,
            one.redis_cpu + other.redis_cpu,
            one.s3 + other.s3,
            one.s3_cpu + other.s3_cpu,
            one.outcomes + other.outcomes,
        ),
        costs,
    )


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _megabytes(instances: Sequence[Instance]) -> float:
    return statistics.median(megabytes(instance.pid, "VmRSS") for instance in instances)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _upload(s3: S3Server) -> None:
    client = s3.client()
    pictures = [encoded(photograph((1200, 900), seed), "JPEG", quality=85) for seed in range(4)]
    for number in range(SOURCES):
        client.put_object(Bucket="photos", Key=f"{number}.jpg", Body=pictures[number % len(pictures)])


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",") if number]

    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--levels", type=numbers, default=[1, 2, 5, 10, 25, 50, 100], help="of instances")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stored", type=numbers, default=[1_000, 10_000, 100_000], help="objects")
    parser.add_argument("--records", type=numbers, default=[10_000, 100_000, 1_000_000, 1_100_000])
    return parser.parse_args(arguments)


def _specs() -> Iterator[ThumbnailSpec]:
    """Of different thumbnails."""
    for number in itertools.count():
        size = f"{60 + number % 250}x{40 + number // 250}"
        yield ThumbnailSpec(Source("s3", "photos", f"{number % SOURCES}.jpg"), size, {"crop": "center"})


if __name__ == "__main__":
    main(sys.argv[1:])

"""What thumbnails cost over HTTP: our server with each of its engines, and other thumbnail servers.

    python -m bench.server                        five rounds, and the memory of a server that runs for long
    python -m bench.server --rounds 2 --brief     whether everything runs; writes no results
    IMGPROXY=/path/to/imgproxy IMAGOR=/path/to/imagor python -m bench.server

All of them run at the same time and take turns: each is asked for a round of
thumbnails that it has never made, then the next one is; later for those that it has made. Sources lie on
one S3 server, and thumbnails too, unless the contestant's name says otherwise. `measure` returns numbers,
`report` prints them; `measure_memory` and `report_memory` do so for a server that runs for long.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import (
    FEW_REPEATS,
    PILLOW,
    REPEATS,
    VIPS,
    WORKERS,
    Server,
    imagor,
    imgproxy,
    installed_versions,
    node,
    shrinkmeister,
    thumbor_on_files,
    thumbor_on_s3,
)
from bench.load import Answer, Request, ask, ask_briefly, cpu_seconds, megabytes, megabytes_of_all
from bench.peers import THUMBOR_AWS_VERSION, THUMBOR_VERSION, MissingPeer, node_versions
from bench.plots import bars
from bench.results import write
from tests.servers.redis import RedisServer, running_redis
from tests.servers.s3 import S3Server, make_bucket, running_s3
from tests.support.pictures import encoded, photograph, size_of, ssim

PACKAGES = ("django", "gunicorn", "sorl-thumbnail", "pillow", "pyvips", "pyvips-binary", "boto3", "redis")
CLIENTS = 4
SIZE = (300, 200)
# With the engine that is the default.
OURS = "Shrinkmeister"

# Format, size, options of Pillow's save, how many.
Kind = tuple[str, tuple[int, int], dict[str, int], int]

# What a round of first requests is made of.
LARGE: list[Kind] = [
    ("JPEG", (4000, 3000), {"quality": 85}, 16),
    ("PNG", (2400, 1600), {"compress_level": 3}, 4),
    ("WEBP", (2400, 1800), {"quality": 85}, 4),
]
# As many different pictures of each; the others are copies under other names.
PICTURES = 4
# What is compared. Of this size, the thumbnail is cut out at whole pixels; where it is not, servers round
# differently, and one pixel is much to noise.
COMPARED: list[Kind] = [(format, (3000, 2260), options, 2) for format, _, options, _ in LARGE]

MEMORY_REQUESTS = 5000
MEMORY_EARLY = 500
MIXED: list[Kind] = [
    *(("JPEG", size, {"quality": 85}, 4) for size in ((400, 300), (1200, 900), (2000, 1500))),
    ("JPEG", (4000, 3000), {"quality": 85}, 2),
    *(("PNG", size, {"compress_level": 3}, 3) for size in ((400, 300), (1000, 750))),
    ("PNG", (2400, 1600), {"compress_level": 3}, 1),
    *(("WEBP", size, {"quality": 85}, 3) for size in ((400, 300), (1000, 750))),
    ("WEBP", (2400, 1800), {"quality": 85}, 1),
    ("GIF", (400, 300), {}, 3),
    ("GIF", (1000, 750), {}, 1),
]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    kinds  the sources of a round of first requests
    part   divides the number of repeats
    """

    rounds: int
    kinds: Sequence[Kind]
    part: int = 1

    @property
    def first(self) -> int:
        return sum(count for *_, count in self.kinds)


@dataclass
class Rounds:
    """Seconds of each round and of each request of one kind, and of computing for all of them."""

    rounds: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    server_cpu: float = 0.0
    client_cpu: float = 0.0


@dataclass
class Contestant:
    """A server, asked in one way, and what came of it. names: of the sources of each round."""

    server: Server
    follow: bool
    names: list[list[str]]
    first: Rounds = field(default_factory=Rounds)
    repeats: Rounds = field(default_factory=Rounds)


@dataclass(frozen=True)
class Cost:
    """What requests of one kind cost.

    per_second   in the median of the rounds
    ms           in the median of the requests, until the answer was read
    cpu_ms       that the server's processes computed for each; not Redis, not S3
    client_ms    the same of what asked
    """

    per_second: float
    ms: float
    cpu_ms: float
    client_ms: float


@dataclass(frozen=True)
class Row:
    """What a contestant's requests cost.

    follow     whether the redirect was followed; None where the server sends the thumbnail itself
    peak       MB of all its processes: the sum of the peak of each, over the whole run
    kilobytes  of the thumbnail of a JPEG
    """

    name: str
    follow: bool | None
    first: Cost
    repeat: Cost
    peak: float
    kilobytes: float


@dataclass(frozen=True)
class MemoryRow:
    """MB of a server's one worker after so many thumbnails, and its peak."""

    name: str
    early: float
    late: float
    peak: float


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--brief", action="store_true", help="a tenth of the repeats; prints, writes nothing"
    )
    options = parser.parse_args(arguments)
    brief = [(form, size, save, count // 4) for form, size, save, count in LARGE]
    plan = Plan(options.rounds, brief, 10) if options.brief else Plan(options.rounds, LARGE)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        pool = stack.enter_context(ProcessPoolExecutor(CLIENTS))
        redis = stack.enter_context(running_redis(directory))
        s3 = stack.enter_context(running_s3(directory))
        rows, missing = measure(directory, redis, s3, pool, plan)
        text = report(rows, missing, s3, plan)
        if options.brief:
            print(text)
            return
        write("Thumbnail servers", text, PACKAGES, *_versions(rows, redis))
        draw(rows)
        memory = measure_memory(directory, redis, s3, pool)
        write("Memory of a server that runs for long", report_memory(memory), PACKAGES)


def _versions(rows: Sequence[Row], redis: RedisServer) -> list[str]:
    """Of what is not a package of ours, and has taken part."""
    from redis import Redis

    names = " ".join(row.name for row in rows)
    versions = [f"Redis {Redis.from_url(redis.url).info('server')['redis_version']}"]
    if "thumbor" in names:
        versions += [f"thumbor {THUMBOR_VERSION}", f"thumbor-aws {THUMBOR_AWS_VERSION}"]
    return versions + installed_versions() + (node_versions() if "node" in names else [])


def measure(
    directory: Path, redis: RedisServer, s3: S3Server, pool: ProcessPoolExecutor, plan: Plan
) -> tuple[list[Row], list[str]]:
    """One row for each server, two for one that redirects; and why others are missing."""
    make_bucket(s3, "photos", public=True)
    with ExitStack() as stack:
        servers, missing = start_servers(directory, redis, s3, stack)
        names = upload(s3, pool, plan)
        kilobytes = check_alike(servers, names.pop())
        # All processes of all servers have to have loaded what they need.
        unmeasured = names.pop()
        for server in servers:
            first_requests(Contestant(server, False, [unmeasured]), 0, pool)
        contestants = [
            Contestant(server, follow, names[plan.rounds * follow :][: plan.rounds])
            for server in servers
            for follow in (False, True)
            if server.redirects or not follow
        ]
        for number in range(plan.rounds):
            for contestant in _turns(contestants, number, plan):
                first_requests(contestant, number, pool)
        for number in range(plan.rounds):
            for contestant in _turns(contestants, number, plan):
                repeats(contestant, pool, plan)
        return [_row(contestant, kilobytes) for contestant in contestants], missing


def start_servers(
    directory: Path, redis: RedisServer, s3: S3Server, stack: ExitStack
) -> tuple[list[Server], list[str]]:
    """All that can be had, until the stack is closed; and why others cannot."""
    servers = [
        stack.enter_context(shrinkmeister(directory, redis, s3, name, bucket, engine))
        for name, bucket, engine in (
            (OURS, "thumbs-default", None),
            (f"{OURS}, Pillow", "thumbs-pillow", PILLOW),
            (f"{OURS}, libvips", "thumbs-vips", VIPS),
        )
    ]
    missing = []
    for bucket in (
        "thumbs-thumbor",
        "thumbs-node",
        "thumbs-node-redis",
        "thumbs-node-margin",
        "thumbs-imagor",
    ):
        make_bucket(s3, bucket, public=True)
    peers: list[Callable[[Path], AbstractContextManager[Server]]] = [
        partial(thumbor_on_s3, s3=s3),
        partial(thumbor_on_files, s3=s3),
        partial(node, s3=s3, name="node + sharp, HEAD", bucket="thumbs-node"),
        partial(node, s3=s3, name="node + sharp, Redis", bucket="thumbs-node-redis", redis=redis),
        partial(
            node,
            s3=s3,
            name="node + sharp, Redis, 2x",
            bucket="thumbs-node-margin",
            redis=redis,
            fast_shrink=False,
        ),
        partial(imagor, s3=s3, bucket="thumbs-imagor"),
        partial(imgproxy, s3=s3),
    ]
    for peer in peers:
        try:
            servers.append(stack.enter_context(peer(directory)))
        except MissingPeer as error:
            missing.append(str(error))
    # One reason may keep out several.
    return servers, list(dict.fromkeys(missing))


def upload(s3: S3Server, pool: ProcessPoolExecutor, plan: Plan) -> list[list[str]]:
    """Names of sources: lists for the rounds of answers and of redirects, one for a round that does not
    count, and one of what is compared.
    """
    made = _pictures(plan.kinds, pool)
    return [
        *(_put(s3, f"{number}", made) for number in range(2 * plan.rounds + 1)),
        _put(s3, "compared", _pictures(COMPARED, pool)),
    ]


def _put(s3: S3Server, prefix: str, pictures: Sequence[bytes]) -> list[str]:
    client = s3.client()
    names = [f"{prefix}-{number}.image" for number in range(len(pictures))]
    for name, data in zip(names, pictures, strict=True):
        client.put_object(Bucket="photos", Key=name, Body=data)
    return names


def _pictures(kinds: Sequence[Kind], pool: ProcessPoolExecutor) -> list[bytes]:
    pictures = []
    for format, size, options, count in kinds:
        making = [
            pool.submit(_photograph, seed, format, size, options) for seed in range(min(count, PICTURES))
        ]
        made = [one.result() for one in making]
        pictures += [made[number % len(made)] for number in range(count)]
    return pictures


def _photograph(seed: int, format: str, size: tuple[int, int], options: dict[str, int]) -> bytes:
    return encoded(photograph(size, seed), format, **options)


def check_alike(servers: Sequence[Server], names: Sequence[str]) -> dict[str, float]:
    """That all make the same thumbnails. Returns how many KB that of a JPEG has."""
    kilobytes = {}
    ours = [_thumbnail(servers[0], name) for name in names]
    for server in servers:
        for name, expected in zip(names, ours, strict=True):
            thumbnail = _thumbnail(server, name)
            assert thumbnail.startswith(b"\xff\xd8"), f"{server.name}: not a JPEG"
            assert size_of(thumbnail) == SIZE, f"{server.name}: {size_of(thumbnail)}"
            likeness = ssim(expected, thumbnail)
            assert likeness > 0.9, f"{server.name}: SSIM {likeness:.3f}"
        # The first source is a JPEG.
        kilobytes[server.name] = len(_thumbnail(server, names[0])) / 1024
    return kilobytes


def _thumbnail(server: Server, name: str) -> bytes:
    answer = ask(Request(server.port, server.path(name, *SIZE), follow=True))
    _assert_status(server, True, [answer])
    return answer.body


def first_requests(contestant: Contestant, number: int, pool: ProcessPoolExecutor) -> None:
    # One by one, since some take longer than others.
    _timed(contestant, contestant.first, contestant.names[number], 1, pool)


def repeats(contestant: Contestant, pool: ProcessPoolExecutor, plan: Plan) -> None:
    made = [name for names in contestant.names for name in names]
    count = contestant.server.repeats // plan.part // CLIENTS
    # Each client has names of its own: imagor 1.9.5 fails when two ask for one stored thumbnail at once.
    shares = [made[client::CLIENTS] for client in range(CLIENTS)]
    names = [share[number % len(share)] for share in shares for number in range(count)]
    # One part for each client, so that they need not ask for work meanwhile.
    _timed(contestant, contestant.repeats, names, count, pool)


def _timed(
    contestant: Contestant, into: Rounds, names: Sequence[str], part: int, pool: ProcessPoolExecutor
) -> None:
    """A round. part: how many requests a client gets at once."""
    server = contestant.server
    requests = [Request(server.port, server.path(name, *SIZE), contestant.follow) for name in names]
    server_cpu, client_cpu = cpu_seconds(server.pid), _clients_cpu()
    start = time.perf_counter()
    answers = list(pool.map(ask_briefly, requests, chunksize=part))
    into.rounds.append(time.perf_counter() - start)
    into.server_cpu += cpu_seconds(server.pid) - server_cpu
    into.client_cpu += _clients_cpu() - client_cpu
    _assert_status(server, contestant.follow, answers)
    into.requests += [answer.seconds for answer in answers]
    print(f"{server.name}: {len(names)} requests in {into.rounds[-1]:.2f} s", file=sys.stderr)


def _clients_cpu() -> float:
    return sum(cpu_seconds(client.pid) for client in active_children() if client.pid)


def _assert_status(server: Server, follow: bool, answers: Sequence[Answer]) -> None:
    expected = ((302, 200) if follow else (302,)) if server.redirects else (200,)
    wrong = {answer.statuses for answer in answers} - {expected}
    assert not wrong, f"{server.name} answered {wrong}"


def _turns(contestants: list[Contestant], number: int, plan: Plan) -> list[Contestant]:
    """Each round begins with another one."""
    first = number * len(contestants) // plan.rounds
    return contestants[first:] + contestants[:first]


def _row(contestant: Contestant, kilobytes: Mapping[str, float]) -> Row:
    server = contestant.server
    return Row(
        server.name,
        contestant.follow if server.redirects else None,
        _cost(contestant.first),
        _cost(contestant.repeats),
        megabytes_of_all(server.pid, "VmHWM"),
        kilobytes[server.name],
    )


def _cost(of: Rounds) -> Cost:
    count = len(of.requests)
    return Cost(
        count / len(of.rounds) / statistics.median(of.rounds),
        statistics.median(of.requests) * 1000,
        of.server_cpu / count * 1000,
        of.client_cpu / count * 1000,
    )


def report(rows: Sequence[Row], missing: Sequence[str], s3: S3Server, plan: Plan) -> str:
    """A ratio compares with our server as installed, asked for as much: with or without the thumbnail."""
    kinds: list[tuple[str, Callable[[Row], Cost], str]] = [
        ("first", lambda row: row.first, ".0f"),
        ("repeats", lambda row: row.repeat, ".2f"),
    ]
    tables = [
        f"""| server | until | {kind} a second | times ours | median ms | CPU ms | peak MB | KB |
|---|---|---:|---:|---:|---:|---:|---:|
{chr(10).join(_line(row, rows, cost, form) for row in rows)}
"""
        for kind, cost, form in kinds
    ]
    left_out = "".join(f"\n- Left out: {reason}" for reason in missing)
    jpegs, pngs, webps = (count for *_, count in plan.kinds)
    client = statistics.median(row.repeat.client_ms for row in rows)
    return f"""{SIZE[0]}x{SIZE[1]}, cropped, JPEG of quality 95, over HTTP from {CLIENTS} connections.
Servers in Python and in JavaScript have {WORKERS} processes each, those in Go one. A first request is for a
thumbnail that the server has never made, of a source that it has never seen: of {plan.first} a round,
{jpegs} are of JPEGs of 12 megapixels, {pngs} of PNGs and {webps} of WebPs of 4. A repeat is for one that it
has made. Medians of {plan.rounds} rounds, in which all take turns: {plan.first} first requests each, and
later {REPEATS // plan.part:,} repeats each ({FEW_REPEATS // plan.part} of thumbor on S3 and of imgproxy).
Times ours: requests a second, beside {OURS}, asked for the same: the redirect, or all until
the thumbnail is there.

{chr(10).join(tables)}
- CPU ms: what the server's own processes compute for one request; Redis and S3 are not in it. The peak is
  the sum of the peaks of all its processes, each with the pages that they share. Clients, Redis and S3
  ({s3.kind}) share the machine with them; a client computes {client:.2f} ms for a repeat (the median of all
  rows).
- Shrinkmeister and the servers with sharp send a redirect to the thumbnail on S3, which S3 then sends;
  thumbor, imagor and imgproxy send the thumbnail themselves, each time.
- imgproxy stores no thumbnail, so that a repeat makes it again. imagor stores it after it has answered. At
  a quality of 95 both write full chroma (4:4:4), and all others a quarter of it (4:2:0), so that their
  files are larger. Both run as installed: one process, which uses all cores.
- KB: the thumbnail of a JPEG of 7 megapixels, which all servers made before the rounds.
- Shrinkmeister knows from Redis what it has made; "HEAD" asks S3 for it, "Redis" a Redis. thumbor on S3
  asks with HEAD and then with GET, and thumbor-aws makes a new client of S3 for each. "HTTP and files" is
  thumbor reading public sources by plain HTTP, with its thumbnails in a folder that other hosts do not see.
- sharp decodes a JPEG or a WebP at the smallest size that is at least the thumbnail's, which is less work
  than our engines do: they keep twice that size, as "2x" does (`fastShrinkOnLoad: false`; it then decodes a
  WebP whole).
- A site's pages have the final URLs of what is made: repeats come from pages and caches that are older.
- All check the address, with a signature or by decrypting it. Only Shrinkmeister takes a lock, so that a
  thumbnail is made once across hosts, and records sizes; thumbor stores its thumbnail after it has
  answered.
- Before, thumbnails of all servers were compared with those of {OURS}: SSIM above 0.9, for
  sources out of which a thumbnail is cut at whole pixels. Elsewhere servers round differently.{left_out}
"""


def draw(rows: Sequence[Row]) -> None:
    """Those that end with the thumbnail, whoever sends it."""
    whole = [row for row in rows if row.follow is not False]
    ours = {row.name for row in rows if row.name.startswith("Shrinkmeister")}
    first = [(row.name, row.first.per_second) for row in whole]
    bars(
        "New thumbnails over HTTP, of large photographs", first, "a second", "server-first", highlight=ours
    )
    repeated = [(row.name, row.repeat.per_second) for row in rows if row.follow is not True]
    bars(
        "Thumbnails that are made already, over HTTP",
        repeated,
        "a second",
        "server-repeats",
        highlight=ours,
    )


def _line(row: Row, rows: Sequence[Row], cost: Callable[[Row], Cost], form: str) -> str:
    ours = next(one for one in rows if one.name == OURS and one.follow is (row.follow is not False))
    asked = {None: "thumbnail", False: "redirect", True: "redirect, thumbnail"}[row.follow]
    its = cost(row)
    return (
        f"| {row.name} | {asked} | {its.per_second:,.1f} | {its.per_second / cost(ours).per_second:.2f} | "
        f"{its.ms:,.1f} | {its.cpu_ms:{form}} | {row.peak:.0f} | {row.kilobytes:.0f} |"
    )


def measure_memory(
    directory: Path, redis: RedisServer, s3: S3Server, pool: ProcessPoolExecutor
) -> list[MemoryRow]:
    """Of our server with one worker, with each engine; both are asked at once, by one client each."""
    names = _put(s3, "mixed", _pictures(MIXED, pool))
    with ExitStack() as stack:
        servers = [
            stack.enter_context(shrinkmeister(directory, redis, s3, name, bucket, engine, workers=1))
            for name, bucket, engine in (("Pillow", "long-pillow", None), ("libvips", "long-vips", VIPS))
        ]
        figures = []
        for part in (range(MEMORY_EARLY), range(MEMORY_EARLY, MEMORY_REQUESTS)):
            _ask_all(servers, names, part, pool)
            figures.append([megabytes(server.pid, "VmRSS") for server in servers])
            print(f"memory: {part} {figures[-1]}", file=sys.stderr)
        peaks = [megabytes(server.pid, "VmHWM") for server in servers]
    return [
        MemoryRow(server.name, early, late, peak)
        for server, early, late, peak in zip(servers, *figures, peaks, strict=True)
    ]


def _ask_all(
    servers: Sequence[Server], names: Sequence[str], numbers: range, pool: ProcessPoolExecutor
) -> None:
    """Thumbnails of different sizes, so that each is made: numbers of a list of all of them."""
    asked = []
    for server in servers:
        requests = [
            Request(server.port, server.path(names[n % len(names)], 60 + n % 250, 40 + n // 250))
            for n in numbers
        ]
        # In one part: one client, which asks for one after another.
        asked.append((server, pool.map(ask_briefly, requests, chunksize=len(requests))))
    for server, answers in asked:
        _assert_status(server, False, list(answers))


def report_memory(rows: Sequence[MemoryRow]) -> str:
    lines = [
        f"| {row.name} | {row.early:.0f} | {row.late:.0f} | {row.late / row.early:.2f} | {row.peak:.0f} |"
        for row in rows
    ]
    sources = sum(count for *_, count in MIXED)
    return f"""Our server with one worker, which makes {MEMORY_REQUESTS:,} thumbnails one after another,
each of a size of its own, of {sources} JPEGs, PNGs, WebPs and GIFs of 0.1 to 12 megapixels in turn.

| engine | MB after {MEMORY_EARLY:,} | MB after {MEMORY_REQUESTS:,} | ratio | peak MB |
|---|---:|---:|---:|---:|
{chr(10).join(lines)}
"""


if __name__ == "__main__":
    main(sys.argv[1:])

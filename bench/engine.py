"""What one thumbnail costs: sorl's engines, Shrinkmeister's and sharp, in time and in memory.

Each contestant is a process of its own that takes the name of a source on a line and answers with
milliseconds: of the clock, and of the processor, in all of its threads. They take turns, one thumbnail
each; for memory each has a fresh process for each source.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.peers import MissingPeer, node_packages, node_versions
from bench.plots import bars
from bench.results import write

ROOT = Path(__file__).parents[1]
PACKAGES = ("django", "sorl-thumbnail", "pillow", "pyvips", "pyvips-binary")
GEOMETRY = "300x200"
ROUNDS = 21
WARM_UPS = 2
# name, width, height, Pillow's format, how it is written
SOURCES: tuple[tuple[str, int, int, str, dict[str, int]], ...] = (
    ("12 MP JPEG", 4000, 3000, "JPEG", {"quality": 85}),
    ("12 MP JPEG, odd", 4001, 3001, "JPEG", {"quality": 85}),
    ("24 MP JPEG", 6000, 4000, "JPEG", {"quality": 85}),
    ("12 MP PNG", 4000, 3000, "PNG", {}),
    ("12 MP PNG, odd", 4001, 3001, "PNG", {}),
    ("5 MP WebP", 2592, 1944, "WEBP", {"quality": 80}),
    ("12 MP WebP, odd", 4001, 3001, "WEBP", {"quality": 80}),
)
PLOTTED = "12 MP JPEG"
TINY = (90, 60)
SORLS = "sorl, Pillow"
OURS = "Shrinkmeister, Pillow"
ENGINES = {
    SORLS: "sorl.thumbnail.engines.pil_engine.Engine",
    OURS: "shrinkmeister_server.engines.pillow.Engine",
    "sorl, libvips": "sorl.thumbnail.engines.vips_engine.Engine",
    "Shrinkmeister, libvips": "shrinkmeister_server.engines.vips.Engine",
}
# Name -> whether sharp may decode a JPEG or WebP at less than twice the size that is needed.
SHARPS = {"sharp": True, "sharp, fastShrinkOnLoad: false": False}


@dataclass(frozen=True)
class Contestant:
    """command: of its process, but for its last arguments"""

    name: str
    command: tuple[str, ...]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """A source, and a tiny one of its format, after which its decoder is loaded."""

    name: str
    path: Path
    tiny: Path


@dataclass(frozen=True)
class Times:
    """Milliseconds of one thumbnail: of the clock, and of the processor."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Row:
    """What a thumbnail of a source costs a contestant.

    clock       milliseconds, the median
    fastest     the least of them: what is left of other work on the same machine is least there
    processor   milliseconds of all threads, the median
    ratio       of the processor's time to that of OURS in the same round, the median
    megabytes   by which the peak of its process grows
    similarity  SSIM with the thumbnail of SORLS, both decoded from their JPEGs
    size        bytes of the thumbnail
    """

    source: str
    contestant: str
    clock: float
    fastest: float
    processor: float
    ratio: float
    megabytes: float
    similarity: float
    size: int


def main(arguments: list[str]) -> None:
    if arguments:
        work(*arguments)
        return
    contestants, note, versions = the_contestants()
    with TemporaryDirectory() as directory:
        files = [written(Path(directory), *source) for source in SOURCES]
        rows = [row for file in files for row in measured(file, contestants, Path(directory))]
    plotted = [(row.contestant, row.processor) for row in rows if row.source == PLOTTED]
    title = f"A {GEOMETRY} thumbnail of a {PLOTTED}: processor time"
    ours = [name for name in ENGINES if name.startswith("Shrinkmeister")]
    bars(title, plotted, "ms", "engine", highlight=ours)
    write("Engines", report(rows, note), PACKAGES, *versions)


def the_contestants() -> tuple[list[Contestant], str, list[str]]:
    """And a note on those that are absent, and the versions of those that are not Python's."""
    python = (sys.executable, "-m", "bench.engine")
    contestants = [Contestant(name, (*python, path)) for name, path in ENGINES.items()]
    try:
        script = str(node_packages() / "engine.js")
        versions = node_versions()
    except MissingPeer as absence:
        return contestants, f"\nsharp is left out: {absence}.\n", []
    sharps = [
        Contestant(name, ("node", script), ("true" if fast else "false",)) for name, fast in SHARPS.items()
    ]
    return contestants + sharps, "", [one for one in versions if one.startswith(("node", "sharp"))]


def written(
    directory: Path, name: str, width: int, height: int, format: str, options: dict[str, int]
) -> File:
    from tests.support.pictures import encoded, photograph

    file = File(name, directory / name, directory / f"tiny {name}")
    image = photograph((width, height))
    file.path.write_bytes(encoded(image, format, **options))
    file.tiny.write_bytes(encoded(image.resize(TINY), format, **options))
    print(f"{name}: {file.path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    return file


def measured(file: File, contestants: list[Contestant], directory: Path) -> list[Row]:
    from tests.support.pictures import size_of

    outputs = {one.name: directory / f"{number}.jpg" for number, one in enumerate(contestants)}
    with ExitStack() as stack:
        asks = {one.name: stack.enter_context(working(one, outputs[one.name]))[0] for one in contestants}
        rounds = [one_round(asks, file.path, number) for number in range(WARM_UPS + ROUNDS)]
    thumbnails = {name: output.read_bytes() for name, output in outputs.items()}
    assert {size_of(data) for data in thumbnails.values()} == {(300, 200)}
    return [
        row(
            one.name,
            file.name,
            rounds[WARM_UPS:],
            megabytes=memory(one, file, directory / "memory.jpg"),
            similarity=similarity(thumbnails[one.name], thumbnails[SORLS]),
            size=len(thumbnails[one.name]),
        )
        for one in contestants
    ]


def one_round(asks: dict[str, Callable[[Path], Times]], source: Path, number: int) -> dict[str, Times]:
    """Each round begins with another one, so that none always follows the one that works longest."""
    names = list(asks)
    first = number % len(names)
    return {name: asks[name](source) for name in names[first:] + names[:first]}


def row(name: str, source: str, rounds: list[dict[str, Times]], **others: Any) -> Row:
    clock = [times[name].clock for times in rounds]
    made = Row(
        source,
        name,
        clock=statistics.median(clock),
        fastest=min(clock),
        processor=statistics.median(times[name].processor for times in rounds),
        ratio=statistics.median(times[name].processor / times[OURS].processor for times in rounds),
        **others,
    )
    print(made, file=sys.stderr)
    return made


def similarity(one: bytes, other: bytes) -> float:
    """Of what both show: where the rows to cut off are odd, sharp cuts one more above, and sorl below."""
    from PIL import Image

    from tests.support.pictures import encoded, size_of, ssim

    width, height = size_of(one)
    shown = [(0, 0, width, height - 1), (0, 1, width, height)]
    upper, lower = (
        encoded(Image.open(BytesIO(data)).crop(box), "PNG")
        for data, box in zip((one, other), shown, strict=True)
    )
    return max(ssim(one, other), ssim(upper, lower))


def memory(contestant: Contestant, file: File, output: Path) -> float:
    with working(contestant, output) as (ask, process):
        ask(file.tiny)
        before = peak(process.pid)
        ask(file.path)
        return peak(process.pid) - before


def peak(pid: int) -> float:
    """The most memory that a process has had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def working(
    contestant: Contestant, output: Path
) -> Iterator[tuple[Callable[[Path], Times], "subprocess.Popen[str]"]]:
    """The process of a contestant, and how to ask it for a thumbnail, which it writes to `output`."""
    command = [*contestant.command, str(output), *contestant.arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "VIPS_CONCURRENCY": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, text=True, bufsize=1) as process:

        def ask(source: Path) -> Times:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{source}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            if not answer:
                raise RuntimeError(f"{contestant.name} has ended")
            clock, processor = map(float, answer.split())
            return Times(clock, processor)

        yield ask, process
        # What follows is the end of its input, at which it ends.


def work(engine: str, output: str) -> None:
    """A worker with an engine that sorl's THUMBNAIL_ENGINE may name."""
    import django
    from django.conf import settings

    settings.configure(
        THUMBNAIL_ENGINE=engine,
        THUMBNAIL_SECRET_KEY="the secret of the measurements, long enough",
        STORAGES={"default": {}},
    )
    django.setup()
    from shrinkmeister.protocol.spec import Source, ThumbnailSpec
    from shrinkmeister_server.observability.timing import Timing
    from shrinkmeister_server.rendering.render import render

    spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), GEOMETRY, {"crop": "center"})
    for line in sys.stdin:
        data = Path(line.rstrip("\n")).read_bytes()
        clock, processor = time.perf_counter(), time.process_time()
        thumbnail = render(data, spec, (), Timing()).thumbnail
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        Path(output).write_bytes(thumbnail.data)
        print(clock * 1000, processor * 1000, flush=True)


def report(rows: list[Row], note: str) -> str:
    lines = [
        f"| {row.source} | {row.contestant} | {row.clock:,.1f} | {row.fastest:,.1f} | "
        f"{row.processor:,.1f} | {row.ratio:.2f} | "
        f"{row.megabytes:,.0f} | {row.similarity:.4f} | {row.size / 1000:.1f} |"
        for row in rows
    ]
    return f"""One thumbnail, {GEOMETRY}, cropped to fill it, JPEG of quality 95, from bytes in memory to
bytes in memory, in one thread. Each contestant is a process that stays; they take turns, {ROUNDS}
thumbnails each after {WARM_UPS} that do not count. CPU is of all threads, and "times ours" is it
beside that of {OURS} in the same round: where the machine has other work too, it is what
can be compared. All are medians but the fastest.
{note}
| source | engine | ms | fastest | CPU ms | times ours | MB | SSIM | KB |
|---|---|---:|---:|---:|---:|---:|---:|---:|
{chr(10).join(lines)}

- sorl's engines and ours run as the thumbnail server runs them, the look at the header included, which
  refuses what is no picture or too large a one. sharp opens the source itself, with its own limits.
- sharp is asked for what sorl writes: turned as EXIF says, `fit: "cover"`, progressive, optimized Huffman
  tables, colour in a quarter of the pixels (4:2:0, which Pillow takes at a quality of 95 too); with
  `sharp.concurrency(1)` and `sharp.cache(false)`. pyvips has VIPS_CONCURRENCY=1. Both have a libvips of
  their own, and so another libjpeg than Pillow's. sorl's libvips engine writes colour in full (4:4:4) and
  plain Huffman tables: its files are larger.
- sharp decodes a JPEG or a WebP at the smallest size that is at least the thumbnail's. With
  `fastShrinkOnLoad: false` a JPEG has at least twice that, as in our engines, and a WebP is decoded whole.
- MB: by how much the peak of a fresh process (VmHWM) grows with the thumbnail, after one of a source of
  {TINY[0]}x{TINY[1]} pixels has loaded the libraries. The source's own bytes are in it.
- SSIM is that of the luma beside {SORLS}. Both are decoded from JPEGs, so that what two encoders
  lose is in it: 1.0 means equal pixels, and not that sorl's is the better picture. Of a 4:3 source 25 rows
  are cut off: 12 above by sorl and us, 13 by sharp. It is compared where both have a row; but the blocks of
  its JPEG lie elsewhere in the picture, and its losses with them, which alone takes 0.016 from its SSIM.
- "Odd" sources have 4001x3001 pixels: sides that 2, 4 and 8 do not divide evenly.
- The sources are noise and edges on which decoders and filters work as on photographs; the noise is the
  same in each run.
"""


if __name__ == "__main__":
    main(sys.argv[1:])

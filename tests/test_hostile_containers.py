"""What a few bytes make a decoder allocate or compute: JPEG 2000, AVIF, ICO, BMP, WebP and PNM.

Each kind of file is refused with the right error, and what it takes of the memory is measured in a process
of its own. docs/security.md has the table.
"""

import json
import subprocess
import sys
from functools import cache
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shrinkmeister_server.inspection import judge
from tests import hostile_jpeg2000
from tests.pictures import encoded, picture

pytestmark = [pytest.mark.makes_thumbnails, pytest.mark.survives("hostile images, of both engines")]

ENGINES = {
    "pillow": "shrinkmeister_server.engines.pillow.Engine",
    "vips": "shrinkmeister_server.engines.vips.Engine",
    # The inspection is its only guard.
    "sorl": "sorl.thumbnail.engines.pil_engine.Engine",
}
MODULES = {"JPEG2000": hostile_jpeg2000}
# What an engine that refuses a file may take: the file once more, and what its libraries load.
MEGABYTES = 32


@cache
def measured(engine: str, module: str, sources: str) -> dict[str, tuple[str | None, int]]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.peaks", ENGINES[engine], module, sources]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def cases(sources: str) -> list[Any]:
    return [
        pytest.param(engine, module.__name__, kind, id=f"{engine}-{format}-{kind}")
        for format, module in MODULES.items()
        for kind in getattr(module, sources, {})
        for engine in ENGINES
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("engine", "module", "kind"), cases("SOURCES"))
def test_a_file_that_is_too_large(engine: str, module: str, kind: str) -> None:
    error, megabytes = measured(engine, module, "SOURCES")[kind]
    assert error == "SourceTooLargeError"
    assert megabytes <= MEGABYTES


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("engine", "module", "kind"), cases("ALMOST"))
def test_a_file_that_is_almost_too_large(engine: str, module: str, kind: str) -> None:
    _, megabytes = measured(engine, module, "ALMOST")[kind]
    assert megabytes <= 256


def judged(data: bytes) -> Any:
    return judge(BytesIO(data))


@pytest.mark.parametrize("progression", ["LRCP", "RPCL", "CPRL"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg_2000_as_encoders_write_it(mode: str, progression: str) -> None:
    image = Image.open(BytesIO(picture((600, 400)))).convert(mode)
    tiles, precincts, blocks = ((600, 400), (128, 100)), ((512, 512), (128, 128)), ((64, 64), (16, 16))
    for tile, precinct, block, resolutions in product(tiles, precincts, blocks, (1, 6)):
        data = encoded(
            image,
            "JPEG2000",
            tile_size=tile,
            precinct_size=precinct,
            codeblock_size=block,
            num_resolutions=resolutions,
            quality_layers=[40, 20, 10],
            progression=progression,
            irreversible=resolutions == 6,
        )
        assert judged(data).size == (600, 400)


def test_jpeg_2000_of_two_bytes_a_sample() -> None:
    assert judged(encoded(Image.new("I;16", (600, 400), 777), "JPEG2000")).mode == "I;16"

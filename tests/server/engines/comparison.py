"""Each kind of picture through each engine, beside what Chromium shows.

`make pictures` prints the table. `python -m tests.server.engines.comparison page` writes the page of the
documentation from what the kinds themselves expect.
"""

import base64
import sys
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops, ImageStat

from shrinkmeister.error_policy import code_of
from shrinkmeister.exceptions import ShrinkmeisterError
from shrinkmeister.protocol.spec import Source, ThumbnailSpec
from tests import ROOT
from tests.server.engines.kinds import KINDS, PILLOW, VIPS, Kind

FILE = ROOT / "docs" / "reference" / "kinds.md"
ENGINES = {
    PILLOW: "shrinkmeister_server.engines.pillow.Engine",
    VIPS: "shrinkmeister_server.engines.vips.Engine",
    "sorl": "sorl.thumbnail.engines.pil_engine.Engine",
}
# Draws a picture on a colour, so that transparency shows, and returns its pixels.
DRAW = """async data => {
  const image = new Image();
  image.src = "data:;base64," + data;
  try { await image.decode(); } catch { return null; }
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.fillStyle = "#30a060"; context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.width, canvas.height, btoa(String.fromCharCode.apply(null, pixels))];
}"""
HEAD = """\
<!-- `python -m tests.server.engines.comparison page` writes this page,
from tests/server/engines/kinds.py. -->

# Kinds of pictures

A thumbnail shows what a browser shows of its source. A test makes a picture of each of these kinds, and
compares the thumbnails of both engines with what Chromium shows. Where Chromium does not show a kind, or
shows other colours than its encoder got, the test compares with a PNG of the same picture.

"Right" means the same size, and a mean difference of at most 1 of 255. Lossy formats may differ more, for
the reason in the last column. Any other text names what is different with an engine. `make pictures` prints
what it measures, also with sorl's engine.
"""


@dataclass(frozen=True)
class Cell:
    """What an engine makes of a kind: the code of a refusal, or how its thumbnail differs."""

    refused: str = ""
    size: tuple[int, int] = (0, 0)
    wanted: tuple[int, int] = (0, 0)
    mean: float = 0
    largest: int = 0

    def is_right(self, kind: Kind) -> bool:
        if kind.refused or self.refused:
            return self.refused == kind.refused
        return self.size == self.wanted and self.mean <= kind.tolerance

    def __str__(self) -> str:
        if self.refused:
            return f"refused: {self.refused}"
        if self.size != self.wanted:
            return f"{self.size[0]} x {self.size[1]}, not {self.wanted[0]} x {self.wanted[1]}"
        return f"{self.mean:.1f}, {self.largest}"


def drawn(page: Any, data: bytes) -> Any:
    """Return what Chromium shows of a file as an image, or None if it shows nothing."""
    found = page.evaluate(DRAW, base64.b64encode(data).decode())
    if found is None:
        return None
    width, height, pixels = found
    return Image.frombytes("RGBA", (width, height), base64.b64decode(pixels)).convert("RGB")


def cell(page: Any, kind: Kind, engine: str) -> Cell:
    from django.test import override_settings

    from shrinkmeister_server.observability.timing import Timing
    from shrinkmeister_server.rendering.render import render

    data = kind.make()
    options = {"format": "PNG", "upscale": False}
    spec = ThumbnailSpec(Source("s3", "photos", "one.jpg"), "64x64", options)
    with override_settings(THUMBNAIL_ENGINE=ENGINES[engine], THUMBNAIL_MAX_SECONDS=600):
        try:
            made = render(data, spec, (), Timing()).thumbnail.data
        except ShrinkmeisterError as error:
            return Cell(refused=code_of(error))
    thumbnail = drawn(page, made)
    truth = drawn(page, kind.truth() if kind.truth else data)
    if truth is None or thumbnail is None:
        return Cell(refused="not shown by the browser")
    if thumbnail.size != truth.size:
        return Cell(size=thumbnail.size, wanted=truth.size)
    found = ImageStat.Stat(ImageChops.difference(thumbnail, truth))
    return Cell("", truth.size, truth.size, max(found.mean), max(high for _, high in found.extrema))


def reference() -> str:
    rows = [
        "| kind | compared with | Pillow | libvips | reason for a larger tolerance |",
        "|---|---|---|---|---|",
    ]
    for kind in KINDS:
        cells = [
            kind.differs.get(one, f"refused: `{kind.refused}`" if kind.refused else "right")
            for one in (PILLOW, VIPS)
        ]
        shows = "" if kind.refused else "a PNG" if kind.truth else "Chromium"
        rows.append(f"| {kind.name} | {shows} | {' | '.join(cells)} | {kind.why} |")
    return HEAD + "\n" + "\n".join(rows) + "\n"


def main(arguments: list[str]) -> None:
    if arguments == ["page"]:
        FILE.write_text(reference(), encoding="utf-8")
        return
    from playwright.sync_api import sync_playwright

    from tests.conftest import _find_chromium

    with sync_playwright() as playwright:
        program = _find_chromium(playwright.chromium.executable_path)
        page = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]).new_page()
        print(f"| kind | {' | '.join(ENGINES)} |\n|---|{'---|' * len(ENGINES)}")
        for kind in KINDS:
            if kind.needs:
                found = {engine: cell(page, kind, engine) for engine in ENGINES}
                cells = [f"{one}{'' if one.is_right(kind) else ' **wrong**'}" for one in found.values()]
                print(f"| {kind.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")
    # Playwright runs an event loop in this thread, and Django refuses to open a cache there.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    django.setup()
    main(sys.argv[1:])

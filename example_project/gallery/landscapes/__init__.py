"""Photographs that were never taken: painted with Pillow, always the same ones.

photograph(0)     Painting(title="Dawn over the third ridge", extension="jpg", ...)
"""

from dataclasses import dataclass, replace
from io import BytesIO
from random import Random

from PIL import Image

from gallery.landscapes.catalogue import ENTRIES, Entry
from gallery.landscapes.paint import develop

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
# EXIF tag 0x0112: which turn brings the stored pixels upright; this is the way back.
# https://www.media.mit.edu/pia/Research/deepview/exif.html
ORIENTATION = 0x0112
STORED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class Painting:
    """An image file; its size in pixels is that of the upright picture."""

    title: str
    extension: str
    width: int
    height: int
    data: bytes


def title(number: int) -> str:
    """From 0; where the catalogue ends it begins again, with other hills under the same titles."""
    again, place = divmod(number, len(ENTRIES))
    return ENTRIES[place].title + (f", {again + 1}" if again else "")


def photograph(number: int) -> Painting:
    again, place = divmod(number, len(ENTRIES))
    entry = replace(ENTRIES[place], seed=ENTRIES[place].seed + 1000 * again)
    rng = Random(f"{entry.title} {entry.seed}")
    image = _develop(rng, entry)
    return Painting(title(number), EXTENSIONS[entry.format], *entry.size, _file(image, entry))


def _develop(rng: Random, entry: Entry) -> Image.Image:
    width, height = entry.size
    # Finer than any thumbnail here shows; the film's grain is what is left to be sharp.
    scale = 1600 / max(entry.size)
    image = entry.scene(rng, (round(width * scale), round(height * scale)))
    if image.mode == "RGBA":
        return image.resize(entry.size, Image.Resampling.BICUBIC)
    # Grain is what PNG is bad at: 20 MB instead of 5.
    return develop(rng, image, entry.size, grain=0.0 if entry.format == "PNG" else 0.16, vignette=0.28)


def _file(image: Image.Image, entry: Entry) -> bytes:
    file = BytesIO()
    if entry.format == "PNG":
        image.save(file, "PNG", compress_level=3)
    elif entry.format == "WEBP":
        image.save(file, "WEBP", quality=85, method=1)
    else:
        exif = Image.Exif()
        if entry.orientation != 1:
            image = image.transpose(STORED[entry.orientation])
            exif[ORIENTATION] = entry.orientation
        image.save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()

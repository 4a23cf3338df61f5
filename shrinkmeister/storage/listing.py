"""A listing of stored objects, grouped into thumbnails with their alternative resolutions.

cache/ab/x.jpg, cache/ab/x@1.5x.jpg, cache/ab/x@2x.jpg     one StoredThumbnail, resolutions 1.5 and 2
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from shrinkmeister.exceptions import StorageError

NAME = re.compile(
    r"(?P<stem>.*?)(?:@(?P<resolution>[0-9]+(?:\.[0-9]+)?)x)?(?P<extension>\.[^./]*)?", re.DOTALL
)
# In a folder of names of any length, other names may sort between a thumbnail and its resolutions. After
# this many of them a resolution is no longer matched with its thumbnail.
MOST_OPEN = 1000
BATCH = 500

T = TypeVar("T")


@dataclass(frozen=True)
class StoredObject:
    """An object or a file; when it was last written, if the listing contains that."""

    name: str
    modified: datetime | None = None


def name_below(folder: str, prefix: str, whole: str) -> str:
    """Return the name in a storage of what the storage lists by its whole name.

    folder: of the storage, "" or with a slash at its end

    Raises StorageError for a name that does not begin with the listed prefix. If a deletion skipped such a
    name, it would leave an object behind in silence.
    """
    if not whole.startswith(folder + prefix):
        raise StorageError(f"the storage listed {whole!r}, which is outside {folder + prefix!r}")
    return whole.removeprefix(folder)


@dataclass
class StoredThumbnail:
    """A thumbnail and its stored resolutions.

    name         of the thumbnail itself, which may be missing
    objects      resolution -> object; None is the resolution of the thumbnail itself
    """

    name: str
    objects: dict[str | None, StoredObject] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [stored.name for stored in self.objects.values()]


def with_resolution(name: str, resolution: str) -> str:
    """Return `.../name@2x.jpg` for `.../name.jpg`, as sorl's filter `resolution` does."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem}@{resolution}x{dot}{extension}"


def thumbnails_of(objects: Iterable[StoredObject]) -> Iterator[StoredThumbnail]:
    """Group a listing in the order of names. Holds only thumbnails that may still get an object.

    The thumbnails come in the order of their first objects.
    """
    # Name of a thumbnail -> what the names of its resolutions begin with, and its objects so far.
    still_open: OrderedDict[str, tuple[str, StoredThumbnail]] = OrderedDict()
    for stored in objects:
        match = NAME.fullmatch(stored.name)
        assert match is not None  # every name has a stem
        name = match["stem"] + (match["extension"] or "")
        while still_open:
            place, first = next(iter(still_open.values()))
            if len(still_open) < MOST_OPEN and (stored.name < place or stored.name.startswith(place)):
                break
            still_open.popitem(last=False)
            yield first
        if name not in still_open:
            still_open[name] = (f"{match['stem']}@", StoredThumbnail(name))
        still_open[name][1].objects[match["resolution"]] = stored
    for _, thumbnail in still_open.values():
        yield thumbnail


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Split what a job goes through into lists that fit into memory and into one request."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch

"""What a listing of stored objects says: which of them are one thumbnail and its alternative resolutions.

cache/ab/x.jpg, cache/ab/x@1.5x.jpg, cache/ab/x@2x.jpg     one StoredThumbnail, resolutions 1.5 and 2
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from shrinkmeister.exceptions import StorageError

NAME = re.compile(
    r"(?P<stem>.*?)(?:@(?P<resolution>[0-9]+(?:\.[0-9]+)?)x)?(?P<extension>\.[^./]*)?", re.DOTALL
)
# Between a name and its resolutions others may stand, that begin as it does: in a folder of names of any
# length. A resolution that comes later than so many of them counts as alone.
MOST_OPEN = 1000


@dataclass(frozen=True)
class StoredObject:
    """An object or a file; when it was written last, where a listing says that."""

    name: str
    modified: datetime | None = None


def name_below(folder: str, prefix: str, whole: str) -> str:
    """The name in a storage of what the storage lists by its whole name.

    folder: of the storage, "" or with a slash at its end

    Raises StorageError for a name that does not begin with the prefix that was asked for: a deletion that
    skips it would leave something behind in silence.
    """
    if not whole.startswith(folder + prefix):
        raise StorageError(f"the storage listed {whole!r}, which is outside {folder + prefix!r}")
    return whole.removeprefix(folder)


@dataclass
class StoredThumbnail:
    """A thumbnail with what is stored beside it.

    name         of the thumbnail itself, which may be the one that is missing
    objects      resolution -> object; None is the resolution of the thumbnail itself
    """

    name: str
    objects: dict[str | None, StoredObject] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether the thumbnail itself is there: it is written last."""
        return None in self.objects

    @property
    def resolutions(self) -> tuple[str, ...]:
        return tuple(resolution for resolution in self.objects if resolution)

    @property
    def names(self) -> list[str]:
        return [stored.name for stored in self.objects.values()]


def thumbnails_of(objects: Iterable[StoredObject]) -> Iterator[StoredThumbnail]:
    """Groups a listing in the order of names, and holds only what may still get an object.

    The thumbnails come in the order of their first objects.
    """
    # name of the thumbnail -> where its resolutions stand in a listing, and what there is of it
    still_open: OrderedDict[str, tuple[str, StoredThumbnail]] = OrderedDict()
    for stored in objects:
        match = NAME.fullmatch(stored.name)
        assert match is not None  # each name is a stem at least
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

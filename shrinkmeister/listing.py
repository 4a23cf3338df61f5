"""What a listing of stored objects says: which of them are one thumbnail and its alternative resolutions.

cache/ab/x.jpg, cache/ab/x@1.5x.jpg, cache/ab/x@2x.jpg     one StoredThumbnail, resolutions 1.5 and 2
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

NAME = re.compile(
    r"(?P<stem>.*?)(?:@(?P<resolution>[0-9]+(?:\.[0-9]+)?)x)?(?P<extension>\.[^./]*)?", re.DOTALL
)


@dataclass(frozen=True)
class StoredObject:
    """An object or a file; when it was written last, where the listing was asked for that."""

    name: str
    modified: datetime | None = None


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

    @property
    def modified(self) -> datetime:
        """When the latest of its objects was written."""
        return max(stored.modified for stored in self.objects.values() if stored.modified)


def thumbnails_of(objects: Iterable[StoredObject]) -> Iterator[StoredThumbnail]:
    """Groups a listing in the order of names, and holds only what may still get an object.

    The thumbnails come in the order of their first objects.
    """
    open_stems: dict[str, dict[str, StoredThumbnail]] = {}
    for stored in objects:
        match = NAME.fullmatch(stored.name)
        assert match is not None  # each name is a stem at least
        # "@" and its digits sort behind the point of an extension, and other names may stand between.
        while open_stems and not _may_follow(stem := next(iter(open_stems)), stored.name):
            yield from open_stems.pop(stem).values()
        name = match["stem"] + (match["extension"] or "")
        thumbnails = open_stems.setdefault(match["stem"], {})
        thumbnails.setdefault(name, StoredThumbnail(name)).objects[match["resolution"]] = stored
    for thumbnails in open_stems.values():
        yield from thumbnails.values()


def _may_follow(stem: str, name: str) -> bool:
    """Whether a resolution of that stem can still come when a listing has got to `name`."""
    return name.startswith(f"{stem}@") or name < f"{stem}@"

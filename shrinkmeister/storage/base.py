"""Interface of the storage of thumbnails. The server writes through it, the site clears through it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from shrinkmeister.protocol.records import RESOLUTION, SourceRecord
from shrinkmeister.storage.listing import StoredObject

# A size in an object's metadata. No picture has a side of more digits.
SIZE = re.compile(r"(?P<width>[1-9][0-9]{0,8})x(?P<height>[1-9][0-9]{0,8})(?P<turned>-turned)?", re.ASCII)


@dataclass(frozen=True)
class StoredInfo:
    """Metadata of a stored thumbnail, from which a lost record can be written again.

    modified  when the thumbnail was written; None before it is stored
    """

    width: int
    height: int
    resolutions: tuple[str, ...] = ()
    source: SourceRecord | None = None
    modified: datetime | None = None

    def metadata(self) -> dict[str, str]:
        """Return the user metadata of an S3 object: ASCII text."""
        fields = {"size": f"{self.width}x{self.height}", "resolutions": ",".join(self.resolutions)}
        if self.source:
            turned = "-turned" if self.source.flipped else ""
            fields["source-size"] = f"{self.source.width}x{self.source.height}{turned}"
        return fields

    @classmethod
    def from_metadata(cls, fields: dict[str, str], modified: datetime) -> Self | None:
        """Return None if another program has written the object, so that it has no such metadata."""
        # Stores that are written in Go (rclone) capitalise the names of headers.
        fields = {name.lower(): value for name, value in fields.items()}
        size = SIZE.fullmatch(fields.get("size", ""))
        resolutions = tuple(filter(None, fields.get("resolutions", "").split(",")))
        if not size or size["turned"] or not all(map(RESOLUTION.fullmatch, resolutions)):
            return None
        source = None
        if "source-size" in fields:
            of_source = SIZE.fullmatch(fields["source-size"])
            if not of_source:
                return None
            turned = bool(of_source["turned"])
            source = SourceRecord(int(of_source["width"]), int(of_source["height"]), turned)
        return cls(int(size["width"]), int(size["height"]), resolutions, source, modified)


class ThumbnailStorage(ABC):
    """Where thumbnails are stored, by the names of `keys.object_name`. All methods raise StorageError."""

    #: The Django storage behind it.
    storage: Any
    #: Seconds for which a URL works, unless it is permanent; see `lasting`.
    url_lifetime: int

    @abstractmethod
    def save(self, name: str, data: bytes, content_type: str, info: StoredInfo) -> None:
        """Store a thumbnail, whole or not at all. Replaces an older one of the same name."""

    @abstractmethod
    def find(self, name: str, others: dict[str, str]) -> StoredInfo | None:
        """Return the metadata of the thumbnail of this name, or None if it is not stored.

        others: resolution -> object name, for storages that keep no metadata and look for each of them
        """

    @abstractmethod
    def url(self, name: str) -> str:
        """Return a URL that a browser can use now; signed if the bucket is private.

        Raises SettingError for a storage that has no URLs.
        """

    @abstractmethod
    def walk(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Yield the objects whose names begin with a prefix and sort after `after`, in that order."""

    def modified(self, stored: StoredObject) -> datetime | None:
        """Return when an object of `walk` was last written; None if it has been deleted since."""
        return stored.modified

    @abstractmethod
    def delete(self, names: list[str]) -> None:
        """Delete the objects. A missing object is not an error."""

    @abstractmethod
    def check(self) -> None:
        """Raise StorageError if the storage does not answer."""


def lasting(url: str) -> bool:
    """Return whether a URL works for every browser and never ends, so that a record may contain it.

    Every storage that signs a URL does so in its query: S3, CloudFront, Google, Azure.
    """
    return "?" not in url

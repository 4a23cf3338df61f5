"""What templates hold: a thumbnail, made from its record or from a lazy URL.

It is used as an ImageFile of sorl's. A page prints what is known at once: `url`, `width`, `height`. What
needs the file makes the thumbnail, if it is not stored yet: `read()`, `open()`, `name`, `size`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sorl.thumbnail import default
from sorl.thumbnail.images import ImageFile, serialize_image_file

from shrinkmeister.exceptions import ReadOnlyError
from shrinkmeister.geometry import Sides, Size
from shrinkmeister.sorl_errors import as_sorls
from shrinkmeister.thumbnails.plain_numbers import plain


class Origin(ABC):
    """Where the file of a thumbnail comes from. It has values alone, so that a thumbnail can be pickled."""

    @abstractmethod
    def url_of(self, url: str, resolution: str) -> str:
        """Return the URL at a resolution, "2" for @2x; url: that of the thumbnail."""

    @abstractmethod
    def name(self) -> str:
        """Return the name in the storage THUMBNAIL_STORAGE, after making the file if it is missing."""

    @abstractmethod
    def storage(self) -> Any:
        """Return the storage that has the file, or will have it."""

    @abstractmethod
    def stored(self) -> tuple[Any, str]:
        """Return that storage and the name in it, after making the file if it is missing."""

    @abstractmethod
    def size(self) -> Size | None:
        """Return (width, height), after making the file if it is missing; None where there is no file."""

    @abstractmethod
    def delete(self, delete_file: bool) -> None:
        """Delete what is recorded of the thumbnail and, if wanted, its files."""


@dataclass
class Thumbnail:
    """A thumbnail as sorl's templates and sorl's callers use it. A site may set attributes of its own.

    url          final if it is recorded; else the URL at which the thumbnail server makes it
    object_name  its name in the storage of thumbnails, stored or not; "" where it has none
    sides        (width, height) in pixels, each None where it is not certain
    lazy         whether `url` is one of the thumbnail server

    What needs the file raises NotStoredError if the file is missing and cannot be made.
    """

    url: str
    object_name: str
    sides: Sides
    lazy: bool
    origin: Origin = field(repr=False, compare=False)

    def __hash__(self) -> int:
        return hash((self.url, self.object_name))

    # What is known without the file.

    @property
    def src(self) -> str:
        return self.url

    @property
    def certain_size(self) -> Size | None:
        """(width, height) where both are certain. Unlike `size` it makes nothing."""
        width, height = self.sides
        return (width, height) if width and height else None

    @property
    def width(self) -> int | None:
        return self.sides[0]

    @property
    def height(self) -> int | None:
        return self.sides[1]

    x = width
    y = height

    @property
    def ratio(self) -> float | None:
        return size[0] / size[1] if (size := self.certain_size) else None

    def is_portrait(self) -> bool:
        """False where the size is not certain."""
        return (size := self.certain_size) is not None and size[1] > size[0]

    def exists(self) -> bool:
        """Always True: a lazy thumbnail is made when a browser asks for it."""
        return True

    @as_sorls
    def url_of(self, resolution: str) -> str:
        """The URL at an alternative resolution: "2x" or "2". Right in a private bucket too."""
        return self.origin.url_of(self.url, resolution.removesuffix("x"))

    def __getitem__(self, name: str) -> Any:
        """Return what Django's templates print: they look for items before attributes.

        A number is in plain digits, and a side that is not certain is the empty text.
        """
        if name not in ("width", "height", "x", "y", "ratio", "size"):
            raise KeyError(name)
        if name == "size":
            # A page does not wait for it.
            return tuple(map(plain, self.certain_size)) if self.certain_size else ""
        number = getattr(self, name)
        return "" if number is None else plain(number)

    # Without it Python would try the items 0, 1, ...
    __iter__ = None

    # What makes the thumbnail, unless it is stored.

    @property
    @as_sorls
    def name(self) -> str:
        """Its name in the storage THUMBNAIL_STORAGE, which has the file: a thumbnail that is not stored yet
        is made first. Pages use `url`. Raises NotStoredError.
        """
        return self.origin.name()

    def __str__(self) -> str:
        return self.name

    @property
    @as_sorls
    def size(self) -> list[int] | None:
        """[width, height] in pixels, as sorl has them; None for an image of another host."""
        size = self.certain_size or self.origin.size()
        if size:
            self.sides = size
        return list(size) if size else None

    @as_sorls
    def read(self) -> bytes:
        with self.open() as file:
            return bytes(file.read())

    @as_sorls
    def open(self, mode: str = "rb") -> Any:
        """Return the file of its storage. Raises ReadOnlyError for a mode that writes."""
        if mode != "rb":
            raise ReadOnlyError(f"open() was given the mode {mode!r}: a thumbnail can be read alone ('rb')")
        storage, name = self.origin.stored()
        return storage.open(name, mode)

    @as_sorls
    def set_size(self, size: Sequence[int] | None = None) -> None:
        if size is not None:
            self.sides = size[0], size[1]
        elif self.certain_size is None:
            self.sides = self.origin.size() or self.sides

    @as_sorls
    def serialize(self) -> Any:
        """As sorl's key-value store has it. Raises ThumbnailError where the size cannot be known."""
        return serialize_image_file(self)

    # What is about the file, and does without it.

    @property
    @as_sorls
    def storage(self) -> Any:
        """The storage that has the file, or will have it."""
        return self.origin.storage()

    @property
    def key(self) -> str:
        """That of sorl's key-value store."""
        return str(self._image_file().key)

    def serialize_storage(self, *args: Any, **kwargs: Any) -> str:
        return str(self._image_file().serialize_storage(*args, **kwargs))

    def flip_dimensions(self, image: Any) -> bool:
        return bool(default.engine.flip_dimensions(image))

    @as_sorls
    def delete(self, delete_file: bool = True) -> None:
        """Delete what is recorded of it, and its file with those of its alternative resolutions."""
        self.origin.delete(delete_file)

    @as_sorls
    def write(self, content: Any) -> str:
        """Raise ReadOnlyError."""
        raise ReadOnlyError("write(): a thumbnail can be read alone. Write a copy under a name of your own")

    def forget(self) -> None:
        """Do nothing: a thumbnail keeps no bytes."""

    delete.alters_data = write.alters_data = True  # type: ignore[attr-defined]  # templates call neither

    def _image_file(self) -> ImageFile:
        return ImageFile(self.object_name, self.storage)


def with_resolution(url: str, resolution: str) -> str:
    """`.../name.jpg` -> `.../name@2x.jpg`, as sorl's filter `resolution` does it."""
    stem, dot, extension = url.rpartition(".")
    return f"{stem}@{resolution}x{dot}{extension}"

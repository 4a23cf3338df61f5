"""The thumbnail that templates and callers get. It works like an ImageFile of sorl.

`url`, `width` and `height` are known at once. `read()`, `open()`, `name` and `size` need the file, and make
the thumbnail if it is not stored yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.utils.formats import localize
from sorl.thumbnail import default
from sorl.thumbnail.images import BaseImageFile, ImageFile, serialize_image_file

from shrinkmeister.cache import get_shared_cache
from shrinkmeister.conf import get_config
from shrinkmeister.exceptions import ReadOnlyError
from shrinkmeister.geometry import Sides, Size
from shrinkmeister.page import current_page
from shrinkmeister.sorl_errors import as_sorls
from shrinkmeister.sources import source_of
from shrinkmeister.thumbnails.files import Origin


@dataclass
class Thumbnail:
    """A thumbnail for sorl's templates and callers. A site may set its own attributes.

    url          the final URL if the thumbnail is recorded, otherwise its URL at the thumbnail server
    object_name  its name in the storage of thumbnails, whether it is stored or not; "" without a name
    sides        (width, height) in pixels; a side is None if it is not certain
    lazy         whether `url` is a URL of the thumbnail server

    Members that need the file raise NotStoredError if it is missing and cannot be made.
    """

    url: str
    object_name: str
    sides: Sides
    lazy: bool
    origin: Origin = field(repr=False, compare=False)

    def __hash__(self) -> int:
        return hash((self.url, self.object_name))

    # Members that do not need the file

    @property
    def src(self) -> str:
        return self.url

    @property
    def certain_size(self) -> Size | None:
        """(width, height) if both are certain, otherwise None. Unlike `size`, it never makes the file."""
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
        """Return whether the thumbnail is higher than wide; False if its size is not certain."""
        return (size := self.certain_size) is not None and size[1] > size[0]

    def exists(self) -> bool:
        """Return True: the server makes a lazy thumbnail when a browser requests it."""
        return True

    @as_sorls
    def url_of(self, resolution: str) -> str:
        """Return the URL at an alternative resolution, "2x" or "2", signed if the bucket is private."""
        return self.origin.url_of(self.url, resolution.removesuffix("x"))

    def __getitem__(self, name: str) -> Any:
        """Return what a Django template prints, since templates look up items before attributes.

        Numbers print in plain digits. A side that is not certain is the empty text.
        """
        if name not in ("width", "height", "x", "y", "ratio", "size"):
            raise KeyError(name)
        if name == "size":
            # A page never waits for a thumbnail.
            return tuple(map(plain, self.certain_size)) if self.certain_size else ""
        number = getattr(self, name)
        return "" if number is None else plain(number)

    # Stops Python from iterating over the items 0, 1, ...
    __iter__ = None

    # Members that make the thumbnail if it is not stored

    @property
    @as_sorls
    def name(self) -> str:
        """The file's name in the storage THUMBNAIL_STORAGE. Raises NotStoredError.

        If the thumbnail is not stored yet, it is made first. Pages should use `url` instead.
        """
        return self.origin.stored(in_site_storage=True)[1]

    def __str__(self) -> str:
        return self.name

    @property
    @as_sorls
    def size(self) -> list[int] | None:
        """[width, height] in pixels, as in sorl; None for an image of another host."""
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
        """Return the opened file of the storage. Raises ReadOnlyError for a mode that writes."""
        if mode != "rb":
            raise ReadOnlyError(f"open() was given the mode {mode!r}, but a thumbnail is read-only ('rb')")
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
        """Return sorl's serialised form. Raises ThumbnailError if the size cannot be known."""
        return serialize_image_file(self)

    # Members about the file that do not open it

    @property
    @as_sorls
    def storage(self) -> Any:
        return self.origin.storage()

    @property
    def key(self) -> str:
        """The key in sorl's key-value store."""
        return str(self._image_file().key)

    def serialize_storage(self, *args: Any, **kwargs: Any) -> str:
        return str(self._image_file().serialize_storage(*args, **kwargs))

    def flip_dimensions(self, image: Any) -> bool:
        return bool(default.engine.flip_dimensions(image))

    @as_sorls
    def delete(self, delete_file: bool = True) -> None:
        """Delete the record and, with `delete_file`, the file and its alternative resolutions."""
        self.origin.delete(delete_file)

    @as_sorls
    def write(self, content: Any) -> str:
        raise ReadOnlyError("write(): a thumbnail is read-only. Write a copy under another name")

    def forget(self) -> None:
        """Do nothing: a thumbnail keeps no bytes."""

    delete.alters_data = write.alters_data = True  # type: ignore[attr-defined]  # templates must call neither

    def _image_file(self) -> ImageFile:
        return ImageFile(self.object_name, self.storage)


@as_sorls
def size_of(file: Any) -> Size | None:
    """Return (width, height) in pixels of a thumbnail, or of a source from the shared cache; or None."""
    if isinstance(file, Thumbnail):
        return file.certain_size
    if isinstance(file, BaseImageFile) and file.size:
        return file.size[0], file.size[1]
    return get_shared_cache().lookups.image_size(source_of(file, get_config()), current_page())


class PlainNumber(Fraction):
    """A number that Django's templates print in plain digits, which HTML attributes and CSS need.

    In German, Django prints 1.5 as 1,5 and, with USE_THOUSAND_SEPARATOR, 1200 as 1.200. It formats int,
    float, Decimal and their subclasses, but not Fraction. A Fraction compares and calculates like them, in
    `{% if im.width > 600 %}` and in filters.
    """

    def __str__(self) -> str:
        return str(self.numerator if self.denominator == 1 else float(self))


def plain(number: int | float) -> int | float | PlainNumber:
    """Return the number itself if Django prints it in plain digits, otherwise a PlainNumber."""
    # Skips the slow formatting on most sites.
    if isinstance(number, int) and not settings.USE_THOUSAND_SEPARATOR:
        return number
    return number if str(localize(number)) == str(number) else PlainNumber(number)

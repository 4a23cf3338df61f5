"""What templates hold: a thumbnail, made from its record or from a lazy URL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

#: A number of pixels, or the empty text where it is not certain: a template prints it as nothing.
Pixels = int | Literal[""]


@dataclass(frozen=True)
class Thumbnail:
    """A thumbnail as sorl's templates use it.

    url          final if it is recorded; else the URL at which the thumbnail server makes it
    object_name  its name in the storage of thumbnails, stored or not; "" where it has none
    size         (width, height) in pixels where they are certain, else None
    lazy         whether `url` is one of the thumbnail server
    """

    url: str
    object_name: str
    size: tuple[int, int] | None
    lazy: bool
    #: resolution ("2") -> its URL; where the URL is signed it cannot be made from `url`
    _url_of: Callable[[str], str] = field(repr=False, compare=False)
    _name: Callable[[], str] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name in the storage THUMBNAIL_STORAGE, which has the file: a thumbnail that is not stored yet
        is made first. Pages use `url`. Raises NotStoredError.
        """
        return self._name()

    @property
    def src(self) -> str:
        return self.url

    @property
    def width(self) -> Pixels:
        return self.size[0] if self.size else ""

    @property
    def height(self) -> Pixels:
        return self.size[1] if self.size else ""

    x = width
    y = height

    @property
    def ratio(self) -> float | Literal[""]:
        return self.size[0] / self.size[1] if self.size else ""

    def is_portrait(self) -> bool:
        """False where the size is not certain."""
        return self.size is not None and self.size[1] > self.size[0]

    def exists(self) -> bool:
        """Whether it is known to be stored. A lazy one is not an error: it exists when it is asked for."""
        return not self.lazy

    def url_of(self, resolution: str) -> str:
        """The URL at an alternative resolution: "2x" or "2". Right in a private bucket too."""
        return self._url_of(resolution.removesuffix("x"))

    def __str__(self) -> str:
        return self.name


def with_resolution(url: str, resolution: str) -> str:
    """`.../name.jpg` -> `.../name@2x.jpg`, as sorl's filter `resolution` does it."""
    stem, dot, extension = url.rpartition(".")
    return f"{stem}@{resolution}x{dot}{extension}"

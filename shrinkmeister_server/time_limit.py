"""How long the work on one source may take. Nothing can stop a thread: so it looks at its clock itself."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from shrinkmeister.exceptions import SourceTooSlowError


@dataclass(frozen=True)
class TimeLimit:
    """end: in seconds of the clock"""

    end: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float) -> "TimeLimit":
        return cls(time.monotonic() + seconds)

    def over(self) -> bool:
        return self.clock() > self.end

    def check(self) -> None:
        """Raises SourceTooSlowError."""
        if self.over():
            raise SourceTooSlowError("the source takes longer than THUMBNAIL_MAX_SECONDS")


NEVER = TimeLimit(math.inf)


class TimedBytes(BytesIO):
    """A file in memory that cannot be read any more when the time is over.

    Pillow's decoders of BMP, GIF, JPEG, JPEG 2000, PNG and PPM, and of TIFF without libtiff, read block by
    block, and so can be stopped. Those of AVIF and WebP, and libtiff, take all at once.
    """

    def __init__(self, data: bytes, limit: TimeLimit) -> None:
        super().__init__(data)
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        self._limit.check()
        return super().read(size)

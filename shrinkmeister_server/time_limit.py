"""How long the work on one source may take. Nothing stops a thread, so the work checks the time itself."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from shrinkmeister.exceptions import SourceTooSlowError


@dataclass(frozen=True)
class TimeLimit:
    """A time at which work on a source is given up. end: a time of the clock, in seconds"""

    end: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float) -> "TimeLimit":
        return cls(time.monotonic() + seconds)

    def over(self) -> bool:
        return self.clock() > self.end

    def check(self) -> None:
        if self.over():
            raise SourceTooSlowError("the source takes longer than THUMBNAIL_MAX_SECONDS")


NEVER = TimeLimit(math.inf)


class TimedBytes(BytesIO):
    """A file in memory that raises SourceTooSlowError after the end of a time limit.

    Pillow's decoders of BMP, GIF, JPEG, JPEG 2000, PNG, PPM, and of TIFF without libtiff stop, because they
    read block by block. Its decoders of AVIF and WebP, and libtiff, read all bytes at once.
    """

    def __init__(self, data: bytes, limit: TimeLimit) -> None:
        super().__init__(data)
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        self._limit.check()
        return super().read(size)

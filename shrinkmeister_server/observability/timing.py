"""The times of a request, as the header `Server-Timing` has them: https://www.w3.org/TR/server-timing/"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# The phases that make a thumbnail. The other ones look or wait for it.
MAKING = frozenset({"fetch", "decode", "resize", "encode", "store", "record"})


class Timing:
    """The phases of one request, and in `outcome` where its thumbnail came from.

    lookup  ask the shared cache, and the bucket if records may have been lost
    wait    wait for another request or server to make the thumbnail
    fetch   read the source
    decode  decode the source; some engines do that in `resize`
    resize  change the picture
    encode  write the picture as a file
    store   write the file to the storage of thumbnails
    record  write the record to the shared cache

    found   the shared cache had a record
    stored  the thumbnail was in the bucket, and is recorded again
    waited  another request or server made it meanwhile
    made    this request made it
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._start = clock()
        self._end: float | None = None
        self.outcome: str | None = None
        #: By phase.
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase, also if the block raises."""
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + self._clock() - start

    def stop(self) -> None:
        self._end = self._clock()

    def total(self) -> float:
        """Return the seconds since the start, until now or until `stop`."""
        return (self._clock() if self._end is None else self._end) - self._start

    def making(self) -> float:
        return sum(seconds for phase, seconds in self.seconds.items() if phase in MAKING)

    def header(self) -> str:
        """Return the header in milliseconds: `fetch;dur=12.3, decode;dur=40.1`."""
        return ", ".join(f"{phase};dur={seconds * 1000:.1f}" for phase, seconds in self.seconds.items())
